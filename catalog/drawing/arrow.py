"""Columns, and their rows as Arrow data: types follow the kinds, never the values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rootcellar.catalog.canonical import clean_json
from rootcellar.catalog.drawing.deferred import Columnar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import polars as pl

__all__ = [
    "Column",
    "ColumnKind",
    "canonical_json",
    "columns_of",
    "is_arrow_table",
    "rows_of",
    "to_arrow",
    "to_pandas",
    "to_polars",
]

ColumnKind = Literal["str", "int", "float", "bool", "time", "json"]


@dataclass(frozen=True, slots=True)
class Column:
    """A name and what its values are; every value may be None.

    Attributes:
        kind: `time` holds aware datetimes, `json` any JSON value.
    """

    name: str
    kind: ColumnKind


def to_arrow(columns: Sequence[Column], rows: Sequence[tuple[object, ...]], note: str) -> Any:
    """Return the rows as a `pyarrow.Table`, the note in its schema's metadata."""
    import pyarrow as pa  # noqa: PLC0415 - `import rootcellar` must not pay for it

    types: dict[str, Any] = {
        "str": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "json": pa.string(),
    }
    metadata: dict[bytes | str, bytes | str] | None
    metadata = {"note": _encodable(note)} if note else None
    schema = pa.schema([(column.name, types[column.kind]) for column in columns], metadata)
    if isinstance(rows, Columnar) and rows:
        arrays = [rows.array(column.name).cast(types[column.kind]) for column in columns]
        return pa.Table.from_arrays(arrays, schema=schema)
    arrays = [
        pa.array([_plain(row[place], column.kind) for row in rows], types[column.kind])
        for place, column in enumerate(columns)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def is_arrow_table(value: object) -> bool:
    """Tell whether a value is a `pyarrow.Table`, without importing pyarrow for it."""
    kind = type(value)
    return kind.__name__ == "Table" and kind.__module__.partition(".")[0] == "pyarrow"


def columns_of(table: Any) -> tuple[Column, ...]:
    """Return the columns of a `pyarrow.Table`; what has no kind of its own is shown as text."""
    return tuple(Column(field.name, _kind(field.type)) for field in table.schema)


def rows_of(table: Any) -> list[tuple[object, ...]]:
    """Return the rows of a `pyarrow.Table`, as values of its columns' kinds."""
    columns = columns_of(table)
    names = [column.name for column in columns]
    return [
        tuple(_shown(row[name], column.kind) for name, column in zip(names, columns, strict=True))
        for row in table.to_pylist()
    ]


def _kind(arrow_type: Any) -> ColumnKind:
    import pyarrow.types as at  # noqa: PLC0415 - there is a table, so it is imported

    if at.is_boolean(arrow_type):
        return "bool"
    if at.is_integer(arrow_type):
        return "int"
    if at.is_floating(arrow_type):
        return "float"
    return "time" if at.is_timestamp(arrow_type) and arrow_type.tz else "str"


def _shown(value: object, kind: ColumnKind) -> object:
    return str(value) if kind == "str" and value is not None else value


def to_pandas(table: Any) -> pd.DataFrame:
    """Return a `pyarrow.Table` as a pandas data frame with nullable integers and booleans."""
    import pandas as pd  # noqa: PLC0415 - optional extra
    import pyarrow as pa  # noqa: PLC0415

    # By default a missing integer makes its column one of floats, and ids beyond 2**53 wrong.
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame


def to_polars(table: Any) -> pl.DataFrame:
    """Return a `pyarrow.Table` as a polars data frame."""
    import polars as pl  # noqa: PLC0415 - optional extra

    return pl.DataFrame(table)


def canonical_json(value: object) -> str:
    """Return JSON text that is equal for equal values."""
    return json.dumps(clean_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: object, kind: str) -> object:
    if value is None:
        return None
    if kind == "json":
        return canonical_json(value)
    return _encodable(str(value)) if kind == "str" else value


def _encodable(text: str) -> str:
    """Return the text with lone surrogates, which no UTF-8 can hold, replaced."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
