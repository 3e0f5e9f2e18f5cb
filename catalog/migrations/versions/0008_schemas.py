"""The columns of tables, once per schema, and what is known of their values, per version.

Runs lose the digest of their arguments, which none ever had.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Make the tables, and drop the column."""
    op.create_table(
        "table_schema",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("columns", JSON, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_table_schema"),
    )
    op.create_table(
        "column_statistics",
        sa.Column("version_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("columns", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name="fk_column_statistics_version_id_version"
        ),
        sa.PrimaryKeyConstraint("version_id", name="pk_column_statistics"),
    )
    op.drop_column("run", "arguments_digest")
