"""What a Parquet footer says of each column: nulls, least and greatest value."""

from __future__ import annotations

import json
import math
import sys
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rootcellar.schemas.columns import Bounds, ColumnStatistics

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from rootcellar.schemas.columns import Value

__all__ = ["footer_statistics"]

_COLUMNS = 200
_CHUNKS = 10_000  # each takes 4 µs to look at
_NAME = 200
_TEXT = 64
_YEAR = 4
_UNITS = {"nanoseconds": "ns", "microseconds": "us", "milliseconds": "ms"}


def footer_statistics(file: pq.ParquetFile) -> tuple[ColumnStatistics, ...]:
    """Return what the footer says of columns that are not nested, in their order.

    At most 200 columns, fewer of a file with very many row groups; those with very long names are
    left out. Bytes have no bounds here.
    """
    leaves = _flat_leaves(file.schema_arrow, file.metadata.num_columns)
    numbers = range(file.metadata.num_row_groups)
    groups = [group for group in map(file.metadata.row_group, numbers) if group.num_rows]
    most = min(_COLUMNS, _CHUNKS // max(len(groups), 1))
    return tuple(_statistics(name, leaf, groups) for name, leaf in leaves[:most])


def _flat_leaves(schema: pa.Schema, count: int) -> list[tuple[str, int]]:
    """Return the columns that are no lists and the like, with their numbers in the file."""
    found: list[tuple[str, int]] = []
    leaf = 0
    for field in schema:
        if field.type.num_fields == 0 and len(field.name) <= _NAME:
            found.append((field.name, leaf))
        leaf += _leaves(field.type)
    return found if leaf == count else []


def _leaves(type_: Any) -> int:
    if type_.num_fields == 0:
        return 1
    return sum(_leaves(type_.field(number).type) for number in range(type_.num_fields))


def _statistics(name: str, leaf: int, groups: list[Any]) -> ColumnStatistics:
    bounds = Bounds()
    told = None
    for group in groups:
        told = group.column(leaf).statistics
        if told is None:
            bounds.add(rows=group.num_rows, null_count=None, minimum=None, maximum=None)
            continue
        minimum, maximum = _bounds_of(told)
        bounds.add(
            rows=group.num_rows,
            null_count=told.null_count if told.has_null_count else None,
            minimum=minimum,
            maximum=maximum,
        )
    return ColumnStatistics(
        name=name,
        null_count=bounds.null_count,
        minimum=_spelled(bounds.minimum, told),
        maximum=_spelled(bounds.maximum, told),
    )


def _bounds_of(told: Any) -> tuple[Any, Any]:
    """Return values that can be compared; None for both if one is none."""
    if not told.has_min_max:
        return None, None
    if told.logical_type.type in {"TIMESTAMP", "TIME"}:
        # As numbers: of nanoseconds pandas would be imported, and far years are no datetimes.
        return told.min_raw, told.max_raw
    try:
        values = told.min, told.max
    except (ValueError, OverflowError):  # text that is no UTF-8, dates beyond the calendar
        return None, None
    if any(_is_no_bound(value) for value in values):
        return None, None
    return values


def _is_no_bound(value: Any) -> bool:
    if isinstance(value, float):
        return math.isnan(value)  # the format forbids it, and some wrote it
    return not isinstance(value, bool | int | str | date | Decimal)


def _spelled(value: Any, told: Any) -> Value:
    """Return a value as JSON has it."""
    if value is None:
        return None
    if told.logical_type.type in {"TIMESTAMP", "TIME"}:
        return _time(value, told.logical_type)
    if isinstance(value, float):
        # Writers put -0.0 where the least value is some zero.
        return value + 0.0 if math.isfinite(value) else str(value)
    if isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}…"
    return value.isoformat() if isinstance(value, date) else str(value)


def _time(value: Any, logical_type: Any) -> str | None:
    """Return a time as text, in UTC where it is an instant; None for years of five digits."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    if not isinstance(value, int):
        return None  # an old form of twelve bytes
    said = json.loads(logical_type.to_json())
    unit = _UNITS[said["timeUnit"]]
    if logical_type.type == "TIMESTAMP":
        kind: Any = pa.timestamp(unit)
    else:
        kind = pa.time32(unit) if unit == "ms" else pa.time64(unit)
    # From its bytes: pyarrow imports pandas to look at an object.
    stored = pa.py_buffer(value.to_bytes(kind.bit_width // 8, sys.byteorder, signed=True))
    array = pa.Array.from_buffers(kind, 1, [None, stored])
    text = str(array.cast(pa.string())[0].as_py()).replace(" ", "T")
    if logical_type.type == "TIME":
        return text
    if text.find("-", 1) != _YEAR:
        return None
    return f"{text}Z" if said["isAdjustedToUTC"] else text
