"""The tables of what is known of tables: their columns, and the bounds of what is in them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table

from rootcellar.catalog.columns import BigId, CleanJson, CleanText
from rootcellar.catalog.mark_tables import metadata

__all__ = ["column_statistics", "metadata", "table_schema"]

# Once for all versions whose `schema_fingerprint` it is: lists of name, type and nullability.
table_schema = Table(
    "table_schema",
    metadata,
    Column("fingerprint", CleanText, primary_key=True),
    Column("columns", CleanJson, nullable=False),
)

# Of a version, as its files told without being read: lists of name, nulls, minimum and maximum.
column_statistics = Table(
    "column_statistics",
    metadata,
    Column("version_id", BigId, ForeignKey("version.id"), primary_key=True, autoincrement=False),
    Column("columns", CleanJson, nullable=False),
)
