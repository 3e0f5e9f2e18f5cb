"""Insert only what is not there yet: the one way immutable rows are written."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Column, Insert, Table

    from rootcellar.catalog.held import Executes


__all__ = ["chunks", "insert_missing", "insert_new"]

_T = TypeVar("_T")

_CHUNK = 900
"""Values in one IN list; well under what either database binds in one statement."""


def insert_missing(connection: Executes, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; those that meet a unique constraint are left as they are.

    The caller sorts `rows` by their natural key: two writers that insert the same keys in
    different orders wait for each other in Postgres.
    """
    if rows:
        connection.execute(_statement(connection.dialect.name, table), list(rows))


def insert_new(
    connection: Executes,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *returned: Column[Any],
) -> Sequence[Any]:
    """Do as `insert_missing`, and return these columns of the rows that were not there."""
    if not rows:
        return []
    statement = _statement(connection.dialect.name, table, *returned)
    found: Sequence[Any] = connection.execute(statement, list(rows)).all()
    return found


def chunks(values: Sequence[_T], size: int = _CHUNK) -> Iterator[Sequence[_T]]:
    """Yield `values` in pieces that fit into one IN list."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


@cache
def _statement(dialect: str, table: Table, *returned: Column[Any]) -> Insert:
    """Return the statement; built once, as building costs as much as running it."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(table).on_conflict_do_nothing()
    return statement.returning(*returned) if returned else statement
