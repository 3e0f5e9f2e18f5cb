"""What was deleted by a retention policy, and what was found to be gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATES = "state IN ('present', 'superseded', 'deleted', 'missing')"
KEPT = "version_id, uri, uri_digest, pin_size, pin_etag, pin_version, state"


def upgrade() -> None:
    """Add the table, and the two words to what a location may be."""
    time = sa.String(32).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
    op.create_table(
        "removal",
        sa.Column("version_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("asked_at", time, nullable=False),
        sa.Column("done_at", time, nullable=True),
        sa.Column("freed_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name="fk_removal_version_id_version"
        ),
        sa.PrimaryKeyConstraint("version_id", name="pk_removal"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_location()
        return
    op.drop_constraint(op.f("ck_location_state"), "location", type_="check")
    op.create_check_constraint(op.f("ck_location_state"), "location", STATES)


def _rebuild_location() -> None:
    """Write the table anew: SQLite cannot change what a table checks."""
    op.create_table(
        "location_new",
        sa.Column("version_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("uri_digest", sa.LargeBinary(), nullable=False),
        sa.Column("pin_size", sa.BigInteger(), nullable=False),
        sa.Column("pin_etag", sa.Text(), nullable=False),
        sa.Column("pin_version", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint(STATES, name=op.f("ck_location_state")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name="fk_location_version_id_version"
        ),
        sa.PrimaryKeyConstraint("version_id", name="pk_location"),
    )
    op.execute(f"INSERT INTO location_new ({KEPT}) SELECT {KEPT} FROM location")  # noqa: S608
    op.drop_table("location")
    op.rename_table("location_new", "location")
    op.create_index("ix_location_uri_digest", "location", ["uri_digest"], unique=False)
