"""The tables of what people write on versions: tags and aliases. Nothing in them is overwritten."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Identity, Index, Table, text

from rootcellar.catalog.columns import BigId, CleanText, UtcTime
from rootcellar.catalog.tables import metadata

__all__ = ["alias", "metadata", "tag"]

_STANDS = text("removed_at IS NULL")

tag = Table(
    "tag",
    metadata,
    Column("id", BigId, Identity(), primary_key=True),
    Column("version_id", BigId, ForeignKey("version.id"), nullable=False),
    Column("key", CleanText, nullable=False),
    Column("value", CleanText, nullable=False),
    Column("set_at", UtcTime, nullable=False),
    Column("removed_at", UtcTime),
    Index(
        None,
        "version_id",
        "key",
        unique=True,
        sqlite_where=_STANDS,
        postgresql_where=_STANDS,
    ),
    Index(None, "key", "value"),
)

# Each setting is a row, and the last one counts. Without a version, the alias was taken back.
alias = Table(
    "alias",
    metadata,
    Column("id", BigId, Identity(), primary_key=True),
    Column("name", CleanText, nullable=False),
    Column("version_id", BigId, ForeignKey("version.id")),
    Column("set_at", UtcTime, nullable=False),
    Index(None, "name", "id"),
)
