"""What is known of the columns of tables, written beside versions and read for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rootcellar.catalog import tables as t
from rootcellar.catalog.canonical import clean_text
from rootcellar.catalog.schema_tables import column_statistics, table_schema
from rootcellar.catalog.upserts import chunks, insert_missing
from rootcellar.schemas.columns import Column, ColumnStatistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from rootcellar.catalog.held import Executes
    from rootcellar.schemas.record import VersionRecord

__all__ = ["enter_statistics", "schema_rows", "schemas", "statistics", "statistics_row"]

_MOST_CHARACTERS = 1_000_000
"""Of one schema. A wider one is known by its fingerprint alone."""


def schema_rows(records: Iterable[VersionRecord]) -> list[dict[str, Any]]:
    """Return the rows of the schemas that versions have, each once, in order."""
    found = {
        clean_text(one.schema_fingerprint): one.columns
        for one in records
        if one.columns and one.schema_fingerprint
    }
    return [
        {
            "fingerprint": fingerprint,
            "columns": [[one.name, one.type, one.nullable] for one in columns],
        }
        for fingerprint, columns in sorted(found.items())
        if sum(len(one.name) + len(one.type) for one in columns) <= _MOST_CHARACTERS
    ]


def enter_statistics(
    connection: Executes, records: Iterable[VersionRecord], ids: Mapping[str, int]
) -> None:
    """Enter what is known of the values in versions, but for those of which it is there.

    Args:
        ids: Of the versions by uid.
    """
    rows = [
        statistics_row(ids[one.ref.version], one.statistics) for one in records if one.statistics
    ]
    insert_missing(connection, column_statistics, sorted(rows, key=lambda row: row["version_id"]))


def statistics_row(version_id: int, columns: Sequence[ColumnStatistics]) -> dict[str, Any]:
    """Return the row of a version."""
    told = [[one.name, one.null_count, one.minimum, one.maximum] for one in columns]
    return {"version_id": version_id, "columns": told}


def schemas(connection: Connection, fingerprints: Iterable[str]) -> dict[str, tuple[Column, ...]]:
    """Return the columns of schemas by fingerprint, as far as they are kept."""
    found: dict[str, tuple[Column, ...]] = {}
    for some in chunks(sorted(set(fingerprints))):
        query = select(table_schema).where(table_schema.c.fingerprint.in_(some))
        for fingerprint, columns in connection.execute(query):
            found[fingerprint] = tuple(Column(*one) for one in columns)
    return found


def statistics(
    connection: Connection, uids: Iterable[str]
) -> dict[str, tuple[ColumnStatistics, ...]]:
    """Return what is known of the values in versions, by their uids; nothing of most."""
    found: dict[str, tuple[ColumnStatistics, ...]] = {}
    for some in chunks(sorted(set(uids))):
        query = (
            select(t.version.c.uid, column_statistics.c.columns)
            .join(column_statistics, column_statistics.c.version_id == t.version.c.id)
            .where(t.version.c.uid.in_(some))
        )
        for uid, columns in connection.execute(query):
            found[uid] = tuple(
                ColumnStatistics(name=name, null_count=nulls, minimum=least, maximum=greatest)
                for name, nulls, least, greatest in columns
            )
    return found
