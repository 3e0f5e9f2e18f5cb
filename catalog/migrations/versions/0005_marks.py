"""Tags and aliases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STANDS = sa.text("removed_at IS NULL")


def upgrade() -> None:
    """Make the tables."""
    when = sa.String(32).with_variant(sa.TIMESTAMP(timezone=True), "postgresql")
    op.create_table(
        "tag",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("version_id", ROW_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("set_at", when, nullable=False),
        sa.Column("removed_at", when, nullable=True),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name="fk_tag_version_id_version"),
        sa.PrimaryKeyConstraint("id", name="pk_tag"),
    )
    op.create_index(
        "ix_tag_version_id_key",
        "tag",
        ["version_id", "key"],
        unique=True,
        sqlite_where=STANDS,
        postgresql_where=STANDS,
    )
    op.create_index("ix_tag_key_value", "tag", ["key", "value"], unique=False)
    op.create_table(
        "alias",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version_id", ROW_ID, nullable=True),
        sa.Column("set_at", when, nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name="fk_alias_version_id_version"),
        sa.PrimaryKeyConstraint("id", name="pk_alias"),
    )
    op.create_index("ix_alias_name_id", "alias", ["name", "id"], unique=False)
