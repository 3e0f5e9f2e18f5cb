"""Declared columns: what a schema says, and where a file's columns differ from it.

pyarrow is imported where it is used: declarations are made at import time, in every process.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ContentError, DeclarationError
from rootcellar.schemas.formats.foreign import is_foreign_instance
from rootcellar.schemas.formats.format import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    SchemaSource: TypeAlias = pa.Schema | Callable[[], pa.Schema]

__all__ = [
    "check_columns",
    "check_source",
    "columns_of",
    "definition_of",
    "fingerprint",
    "plain_type",
    "resolved",
    "type_name",
]


def check_source(source: SchemaSource | None) -> None:
    """Refuse at declaration what can be no schema; a callable is not called yet.

    Raises:
        DeclarationError: Neither a schema nor a callable.
    """
    if source is None or is_foreign_instance(source, "pyarrow.Schema"):
        return
    if isinstance(source, type) or not callable(source):
        raise _no_schema(source)


def resolved(source: SchemaSource | None) -> pa.Schema | None:
    """Return the declared schema; a callable is asked for it.

    Raises:
        DeclarationError: The callable gave something else, or a column is declared twice.
    """
    if source is None:
        return None
    schema = source() if callable(source) else source
    if not is_foreign_instance(schema, "pyarrow.Schema"):
        raise _no_schema(schema)
    if twice := _repeated(schema.names):
        raise DeclarationError(
            f"its schema declares {_listed(twice)} twice", "", "", "Name each column once"
        )
    return schema


def _no_schema(value: object) -> DeclarationError:
    return DeclarationError(
        f"its schema is {type(value).__qualname__}, not pyarrow.Schema",
        "",
        "",
        "Give pa.schema([...]) or a function that returns one",
    )


def plain_type(type_: pa.DataType) -> pa.DataType:
    """Return the type of the values, whatever way they are stored.

    Libraries choose storage on their own: polars writes strings as large strings, pandas
    categories as dictionaries. The values are the same.
    """
    import pyarrow as pa  # noqa: PLC0415  heavy

    types = pa.types
    if types.is_dictionary(type_) or types.is_run_end_encoded(type_):
        return plain_type(type_.value_type)
    if types.is_large_string(type_) or types.is_string_view(type_):
        return pa.string()
    if types.is_large_binary(type_) or types.is_binary_view(type_):
        return pa.binary()
    return type_


def type_name(type_: pa.DataType) -> str:
    """Return one name for all variants of storage of a type, at every depth.

    List elements have no name of their own: writers do not agree on one.
    """
    import pyarrow as pa  # noqa: PLC0415  heavy

    plain = plain_type(type_)
    types = pa.types
    if types.is_fixed_size_list(plain):
        return f"list<{_inner_name(plain.value_field)}>[{plain.list_size}]"
    if (
        types.is_list(plain)
        or types.is_large_list(plain)
        or types.is_list_view(plain)
        or types.is_large_list_view(plain)
    ):
        return f"list<{_inner_name(plain.value_field)}>"
    if types.is_map(plain):
        return f"map<{type_name(plain.key_type)}, {_inner_name(plain.item_field)}>"
    if types.is_struct(plain):
        inner = (f"{json.dumps(field.name)}: {_inner_name(field)}" for field in plain)
        return f"struct<{', '.join(inner)}>"
    return str(plain)


def _inner_name(field: pa.Field[Any]) -> str:
    return type_name(field.type) if field.nullable else f"{type_name(field.type)} not null"


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """Return name, type and nullability of each column, in order."""
    return tuple(Column(field.name, type_name(field.type), field.nullable) for field in schema)


def definition_of(schema: pa.Schema | None) -> list[dict[str, Any]] | None:
    """Return the columns as JSON; None if none are declared."""
    if schema is None:
        return None
    return [
        {"name": column.name, "type": column.type, "nullable": column.nullable}
        for column in columns_of(schema)
    ]


def fingerprint(schema: pa.Schema) -> Digest:
    """Return the digest of names, types, nullability and order; metadata have no part in it."""
    text = json.dumps(definition_of(schema), separators=(",", ":"), sort_keys=True)
    return Digest.of(text.encode())


def check_columns(found: pa.Schema, declared: pa.Schema | None) -> None:
    """Hold a file's columns against the declared ones: names, order and types.

    Nullability is not compared: most writers declare every column nullable. Whether there are
    nulls is for the caller to find out.

    Raises:
        ContentError: They differ, or a name stands twice; it names each column, what was
            expected and what was found.
    """
    problems = [f"column {_listed([name])} appears twice" for name in _repeated(found.names)]
    if declared is not None and not problems:
        problems = _differences(declared, found)
    if problems:
        raise ContentError(
            f"its columns are not the declared ones: {'; '.join(problems)}",
            "",
            "",
            "Write exactly the declared columns (saving an object orders and casts them),"
            " or correct the schema of the type",
        )


def _differences(declared: pa.Schema, found: pa.Schema) -> list[str]:
    expected = {field.name: type_name(field.type) for field in declared}
    present = {field.name: type_name(field.type) for field in found}
    missing = [f"{name!r} is missing" for name in expected if name not in present]
    extra = [f"{name!r} is not declared" for name in present if name not in expected]
    changed = [
        f"{name!r} is {present[name]}, expected {type_}"
        for name, type_ in expected.items()
        if name in present and present[name] != type_
    ]
    if not (missing or extra) and found.names != declared.names:
        order = f"the order is {_listed(found.names)}, expected {_listed(declared.names)}"
        return [*changed, order]
    return [*missing, *extra, *changed]


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
