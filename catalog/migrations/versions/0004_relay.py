"""How far a relay has told others of runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the tables."""
    time = sa.String(32).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
    op.create_table(
        "relay",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("held_until", time, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_relay"),
    )
    op.create_table(
        "relay_open",
        sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("is_started", sa.Boolean(), nullable=False),
        sa.Column("since", time, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_relay_open"),
    )
