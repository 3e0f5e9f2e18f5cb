"""The columns of one table as people read them: types beside what is known of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.catalog.drawing.table import Column as Shown
from rootcellar.catalog.drawing.table import Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootcellar.schemas.columns import Column, ColumnStatistics

__all__ = ["columns_told"]

_COLUMNS = (
    Shown("column", "str"),
    Shown("type", "str"),
    Shown("nulls", "int"),
    Shown("min", "json"),
    Shown("max", "json"),
)


def columns_told(schema: Iterable[Column], statistics: Iterable[ColumnStatistics]) -> Table[Row]:
    """Return every column, with what is known of its values; None where nothing is."""
    told = {one.name: one for one in statistics}
    rows: list[tuple[object, ...]] = []
    for column in schema:
        known = told.get(column.name)
        values = (known.null_count, known.minimum, known.maximum) if known else (None,) * 3
        rows.append((column.name, column.full_type, *values))
    return Table(_COLUMNS, rows)
