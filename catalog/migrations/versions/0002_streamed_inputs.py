"""Hits and misses of runs and inputs, and inputs that were streamed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CACHE = "cache IN ('hit', 'miss', 'streamed', 'none')"
INPUT_COUNTS = ("hits", "misses", "requests")
KEPT = "run_id, argument, ordinal, version_id, cache, transferred_bytes, duration_ms"


def upgrade() -> None:
    """Add the columns, 0 in rows that are there, and the word `streamed`."""
    for name in ("hits", "misses", "download_ms"):
        op.add_column("run", _count(name))
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_run_input()
        return
    for name in INPUT_COUNTS:
        op.add_column("run_input", _count(name))
    op.drop_constraint(op.f("ck_run_input_cache"), "run_input", type_="check")
    op.create_check_constraint(op.f("ck_run_input_cache"), "run_input", CACHE)


def _rebuild_run_input() -> None:
    """Write the table anew: SQLite cannot change what a table checks."""
    op.create_table(
        "run_input_new",
        sa.Column("run_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("argument", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version_id", ROW_ID, nullable=True),
        sa.Column("cache", sa.Text(), nullable=False),
        sa.Column("transferred_bytes", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        *(_count(name) for name in INPUT_COUNTS),
        sa.CheckConstraint(CACHE, name=op.f("ck_run_input_cache")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_input_run_id_run"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name="fk_run_input_version_id_version"
        ),
        sa.PrimaryKeyConstraint("run_id", "argument", "ordinal", name="pk_run_input"),
        sqlite_with_rowid=False,
    )
    op.execute(f"INSERT INTO run_input_new ({KEPT}) SELECT {KEPT} FROM run_input")  # noqa: S608
    op.drop_table("run_input")
    op.rename_table("run_input_new", "run_input")
    op.create_index(
        "ix_run_input_version_id_run_id", "run_input", ["version_id", "run_id"], unique=False
    )


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
