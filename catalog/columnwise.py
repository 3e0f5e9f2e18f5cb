"""What a query gives, column by column, with no object for a row in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rootcellar.catalog.refused import as_sqlalchemys

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

__all__ = ["columns_of"]

_AT_ONCE = 300
"""Rows that are turned into columns while the processor's cache still holds them."""


def columns_of(connection: Connection, query: Select[Any]) -> dict[str, list[Any]]:
    """Return a list of values for each column of a query, by name, as the driver gives them.

    For queries of whose columns none is turned into another kind of value: nothing is turned here.

    Raises:
        DBAPIError: The database refused, as SQLAlchemy says it.
    """
    result = connection.execute(query)
    columns: dict[str, list[Any]] = {name: [] for name in result.keys()}  # noqa: SIM118  # no mapping
    cursor: Any = result.cursor
    try:
        while rows := cursor.fetchmany(_AT_ONCE):
            for values, some in zip(columns.values(), zip(*rows, strict=True), strict=True):
                values.extend(some)
    except connection.dialect.loaded_dbapi.Error as error:
        raise as_sqlalchemys(error) from error
    finally:
        result.close()
    return columns
