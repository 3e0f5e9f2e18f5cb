"""Each key field stands in one index, not in three of which two say nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

EMPTY = "v_text IS NULL AND v_int IS NULL AND v_real IS NULL"


def upgrade() -> None:
    """Make the indexes anew, of what is not NULL, and one of what is."""
    for column in ("v_text", "v_int", "v_real"):
        name = op.f(f"ix_artifact_key_type_id_field_{column}_artifact_id")
        op.drop_index(name, "artifact_key")
        _create(name, ["type_id", "field", column, "artifact_id"], f"{column} IS NOT NULL")
    name = op.f("ix_artifact_key_type_id_field_artifact_id")
    _create(name, ["type_id", "field", "artifact_id"], EMPTY)


def _create(name: str, columns: list[str], condition: str) -> None:
    given = sa.text(condition)
    op.create_index(
        name,
        "artifact_key",
        columns,
        unique=False,
        sqlite_where=given,
        postgresql_where=given,
    )
