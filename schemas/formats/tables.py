"""Tables in memory: from and to the types people work with, and casts that lose nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args, get_origin

from rootcellar.schemas.errors import ContentError, RootcellarError
from rootcellar.schemas.formats.arrow_schema import check_columns, plain_type, type_name
from rootcellar.schemas.formats.content import reason, shortened
from rootcellar.schemas.formats.foreign import is_foreign_instance, is_foreign_type

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

__all__ = [
    "CHOICES",
    "can_deliver",
    "can_tabulate",
    "check_no_nulls",
    "conformed",
    "delivered",
    "readable",
    "tabulated",
]

CHOICES = "pyarrow.Table, pandas.DataFrame, polars.DataFrame, list[dict], dict[str, list]"

_TABLES = ("pyarrow.Table", "pyarrow.RecordBatch", "pandas.DataFrame", "polars.DataFrame")
_ARRAYS = ("pyarrow.Array", "pyarrow.ChunkedArray", "numpy.ndarray")
_REMEDY = "Correct the values, or the schema of the type"


@contextmanager
def readable(path: Path, what: str) -> Iterator[None]:
    """Turn what pyarrow says of damaged content into a `ContentError`.

    Errors of the file system, which carry a number, and of a store pass through.
    """
    import pyarrow as pa  # noqa: PLC0415  heavy

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if (
            isinstance(error, MemoryError | RootcellarError)
            or getattr(error, "errno", None) is not None
        ):
            raise
        raise ContentError(
            f"it cannot be read as {what}: {reason(error, path)}",
            "",
            "",
            f"Write it again as {what}, whole",
        ) from error


def can_deliver(target: object) -> bool:
    """Tell whether a table can be handed out as `target`."""
    if is_foreign_type(target, "pyarrow.Table", "pandas.DataFrame", "polars.DataFrame"):
        return True
    return _is_rows(target) or _is_columns(target)


def delivered(table: pa.Table, target: object) -> object:
    """Return the table as `target`, which `can_deliver` knows."""
    if is_foreign_type(target, "pandas.DataFrame"):
        return table.to_pandas()
    if is_foreign_type(target, "polars.DataFrame"):
        import polars as pl  # noqa: PLC0415  an optional package, imported already by its target

        return pl.from_arrow(table)
    if _is_rows(target):
        return table.to_pylist()
    return table.to_pydict() if _is_columns(target) else table


def _is_rows(target: object) -> bool:
    arguments = get_args(target)
    return get_origin(target) is list and (get_origin(arguments[0]) or arguments[0]) is dict


def _is_columns(target: object) -> bool:
    if get_origin(target) is not dict:
        return False
    key, value = get_args(target)
    return key is str and (get_origin(value) or value) is list


def can_tabulate(value: object) -> bool:
    """Tell whether `value` is a table, a list of rows or a dict of columns."""
    if isinstance(value, list):
        return all(isinstance(row, Mapping) for row in value)
    if isinstance(value, dict):
        return all(isinstance(name, str) for name in value) and all(
            isinstance(column, list | tuple) or is_foreign_instance(column, *_ARRAYS)
            for column in value.values()
        )
    return is_foreign_instance(value, *_TABLES)


def tabulated(value: Any, schema: pa.Schema | None) -> pa.Table:
    """Return what `can_tabulate` knows as a table of exactly the declared columns.

    Columns are taken by name and put in the declared order. With declared columns, a pandas index
    is a column like any other, but for one of integers without a name, which numbers rows and is
    dropped. Without, it is kept as pandas keeps it.

    Raises:
        ContentError: Columns differ, or a value does not fit its column without loss.
    """
    import pyarrow as pa  # noqa: PLC0415  heavy

    try:
        if is_foreign_instance(value, "pandas.DataFrame"):
            table = _table_of_frame(value, schema)
        elif is_foreign_instance(value, "polars.DataFrame"):
            table = value.to_arrow()
        elif is_foreign_instance(value, "pyarrow.RecordBatch"):
            table = pa.Table.from_batches([value])
        elif isinstance(value, list | dict):
            table = _table_of_columns(_columns(value, schema))
        else:
            table = value
    # pandas, polars and pyarrow refuse values in all of these ways.
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, ContentError):
            raise
        raise ContentError(
            f"it cannot be made a table: {shortened(str(error))}", "", "", _REMEDY
        ) from error
    return table if schema is None else conformed(table, schema)


def _table_of_frame(frame: Any, schema: pa.Schema | None) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415  heavy

    if schema is None:
        return pa.Table.from_pandas(frame)
    index = frame.index
    # By type, not by pyarrow's own rule, which keeps [0, 1, 3] and drops [0, 2, 4]: what a filter
    # leaves would be refused or not as the data fall.
    is_unnamed = index.nlevels == 1 and index.name is None
    numbers_rows = is_unnamed and (index.dtype.kind in "iu" or index.empty)
    return pa.Table.from_pandas(frame, preserve_index=not numbers_rows)


def _columns(value: list[Any] | dict[str, Any], schema: pa.Schema | None) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    names = dict.fromkeys(name for row in value for name in row)
    if not value and schema is None:
        raise ContentError(
            "an empty list of rows has no columns", "", "", "Declare the schema of the format"
        )
    if not value and schema is not None:
        names = dict.fromkeys(schema.names)
    return {name: [row.get(name) for row in value] for name in names}


def _table_of_columns(columns: dict[str, Any]) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415  heavy

    arrays = {}
    for name, values in columns.items():
        if is_foreign_instance(values, "pyarrow.Array", "pyarrow.ChunkedArray"):
            arrays[name] = values
            continue
        # Never with the declared type at once: pyarrow would cut 1.5 to 1, and take a time without
        # zone for UTC. The cast that follows does not.
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise ContentError(
                f"column {name!r} has no type that fits all its values: {shortened(str(error))}",
                "",
                "",
                _REMEDY,
            ) from error
    return pa.table(arrays)


def conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with exactly the columns, order and types of `schema`.

    Casts keep every value but the digits a narrower float lacks. Text is never taken for numbers
    or the reverse, and a time without zone never for one with, since that would be a guess.

    Raises:
        ContentError: A column is missing, not declared, or has a value its type cannot hold.
    """
    import pyarrow as pa  # noqa: PLC0415  heavy

    if sorted(table.column_names) != sorted(schema.names):
        check_columns(table.schema, schema)
    columns = [_cast(table.column(field.name), field) for field in schema]
    result = pa.Table.from_arrays(columns, schema=schema)
    check_no_nulls(result, schema)
    return result


def check_no_nulls(table: pa.Table | pa.RecordBatch, declared: pa.Schema) -> None:
    """Refuse nulls in columns that are declared to have none.

    Raises:
        ContentError: A column has nulls.
    """
    for field in declared:
        if not field.nullable and (count := table.column(field.name).null_count):
            raise ContentError(
                f"column {field.name!r} has {count} nulls, expected none",
                "",
                "",
                "Fill or drop them, or declare the column nullable",
            )


def _cast(column: pa.ChunkedArray[Any], field: pa.Field[Any]) -> pa.ChunkedArray[Any]:
    import pyarrow as pa  # noqa: PLC0415  heavy

    if column.type == field.type:
        return column
    names = f"from {type_name(column.type)} to {type_name(field.type)}"
    if not _is_same_kind(column.type, field.type):
        raise ContentError(
            f"column {field.name!r} is not cast {names}: that would be a guess",
            "",
            "",
            "Convert the column before saving",
        )
    try:
        if pa.types.is_dictionary(field.type):
            column = column.cast(field.type.value_type).dictionary_encode()
        cast = column.cast(field.type)
    except pa.ArrowException as error:
        raise ContentError(
            f"column {field.name!r} cannot be cast {names}: {shortened(str(error))}",
            "",
            "",
            _REMEDY,
        ) from error
    # pyarrow cuts the time of day off without a word.
    is_cut = pa.types.is_timestamp(column.type) and pa.types.is_date(field.type)
    if is_cut and not cast.cast(column.type).equals(column):
        raise ContentError(
            f"column {field.name!r} cannot be cast {names}: a time of day would be lost",
            "",
            "",
            _REMEDY,
        )
    return cast


def _is_same_kind(found: Any, declared: Any) -> bool:
    import pyarrow as pa  # noqa: PLC0415  heavy

    found, declared = plain_type(found), plain_type(declared)
    if pa.types.is_struct(found) and pa.types.is_struct(declared):
        inner = {field.name: field.type for field in found}
        return inner.keys() <= {field.name for field in declared} and all(
            _is_same_kind(inner[field.name], field.type)
            for field in declared
            if field.name in inner
        )
    if _kind(found) == _kind(declared) == "list":
        return _is_same_kind(found.value_type, declared.value_type)
    if {_kind(found), _kind(declared)} == {"date", "local time"}:
        return True
    return pa.types.is_null(found) or _kind(found) == _kind(declared)


def _kind(type_: pa.DataType) -> str:
    import pyarrow as pa  # noqa: PLC0415  heavy

    types = pa.types
    if types.is_timestamp(type_):
        return "instant" if type_.tz else "local time"
    kinds = {
        "number": (types.is_integer, types.is_floating, types.is_decimal),
        "date": (types.is_date,),
        "time": (types.is_time,),
        "binary": (types.is_binary, types.is_fixed_size_binary),
        "list": (
            types.is_list,
            types.is_large_list,
            types.is_fixed_size_list,
            types.is_list_view,
            types.is_large_list_view,
        ),
    }
    for kind, tests in kinds.items():
        if any(test(type_) for test in tests):
            return kind
    return f"type {type_.id}"
