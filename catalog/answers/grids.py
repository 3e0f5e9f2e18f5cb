"""Which keys are there and which are missing: beside another type's, or in a grid of values."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from rootcellar.catalog import lookup, names
from rootcellar.catalog.answers.asking import cut_note, type_conditions
from rootcellar.catalog.answers.staleness import StaleCause, find_stale
from rootcellar.catalog.canonical import clean_json
from rootcellar.catalog.drawing.table import Column, Row, Table
from rootcellar.catalog.keys import key_order, moment_text
from rootcellar.schemas.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rootcellar.catalog.drawing.table import ColumnKind
    from rootcellar.catalog.values import Owner, Version

__all__ = ["coverage", "gaps"]

_STATE = (
    Column("state", "str"),
    Column("recorded_at", "time"),
    Column("size_bytes", "int"),
    Column("seq", "int"),
    Column("version", "str"),
)
_PRESENT, _STALE, _MISSING = "present", "stale", "missing"
_LARGEST_GRID = 1_000_000


def gaps(
    connection: Connection, *, have: str, lack: str, key: Mapping[str, Any], limit: int
) -> Table[Row]:
    """Return the keys of current artifacts of one type for which there is none of another.

    Two keys belong together if they agree in all fields that both types have.

    Args:
        key: Values of key fields of `have`; a list allows each of its members.

    Raises:
        NotInCatalog: No type `have`, or its keys have no such field.
        CatalogError: The two types share no key field.
    """
    type_conditions(connection, have, key)
    there = lookup.keys(connection, type_name=have, constraints=key)
    known = set(lookup.type_names(connection))
    # A type of which nothing was ever made, and which nobody declared, is lacking throughout.
    made = lookup.keys(connection, type_name=lack, constraints={}) if lack in known else []
    fields = sorted(lookup.key_fields(connection, have))
    others = lookup.key_fields(connection, lack) or set(fields)
    shared = [name for name in fields if name in others]
    if fields and not shared:
        raise CatalogError(
            f"its keys and those of {lack!r} have no field in common",
            have,
            remedy=f"Its fields are {', '.join(fields)}; the other's {', '.join(sorted(others))}",
        )
    covered = {_part(one, shared) for one in made}
    missing = [one for one in there if _part(one, shared) not in covered]
    shown = missing[:limit]
    columns = _key_columns(list(there[0]) if there else fields, shown)
    rows = [tuple(one.get(column.name) for column in columns) for one in shown]
    share = f"{len(missing)} of {len(there)} lack {lack}"
    notes = [part for part in (share, cut_note(len(missing), limit)) if part]
    return Table(columns, rows, note="; ".join(notes))


def coverage(
    connection: Connection,
    owner: Owner,
    *,
    type_name: str,
    grid: Mapping[str, Any],
    limit: int,
) -> Table[Row]:
    """Return each key of a grid, and whether the artifact is there, and still what it should be.

    Args:
        grid: A value or several for each key field; one that is left out takes all values that
            artifacts of the type have.

    Raises:
        NotInCatalog: No such type, or its keys have no such field.
        CatalogError: The grid is too large to be looked at.
    """
    names.check_type(type_name, lookup.type_names(connection))
    fields = lookup.key_fields(connection, type_name)
    names.check_fields(type_name, grid, fields)
    # What is asked for by all its fields needs no list of what there is, which may be long.
    most = 1 if fields <= grid.keys() else None
    recorded = lookup.keys(connection, type_name=type_name, constraints={}, limit=most)
    order = list(recorded[0]) if recorded else [*grid, *sorted(fields - grid.keys())]
    values = {
        name: _values(grid[name]) if name in grid else _recorded_values(recorded, name)
        for name in order
    }
    _check_size(type_name, values)
    wanted = {name: values[name] for name in grid}
    heads = {
        _part(one.key, order): one
        for one in lookup.heads(connection, owner, type_name=type_name, constraints=wanted)
    }
    stale, is_cut = _stale(connection, type_name, wanted)
    cells = [dict(zip(order, cell, strict=True)) for cell in itertools.product(*values.values())]
    found = [heads.get(_part(cell, order)) for cell in cells]
    states = [_state(one, stale) for one in found]
    rows = [
        (*cell.values(), state, *_facts(one))
        for cell, state, one in zip(cells[:limit], states, found, strict=False)
    ]
    columns = (*_key_columns(order, cells[:limit]), *_state_columns(order))
    cut = "some may be stale that are not marked" if is_cut else ""
    notes = [part for part in (_counted(states), cut, cut_note(len(cells), limit)) if part]
    return Table(columns, rows, note="; ".join(notes))


def _stale(
    connection: Connection, type_name: str, constraints: Mapping[str, Any]
) -> tuple[frozenset[str], bool]:
    """Return the uids of current versions that are stale, and whether there may be more."""
    type_id = lookup.type_id(connection, type_name)
    found = find_stale(connection, type_id=type_id, constraints=constraints, max_rows=_LARGEST_GRID)
    blamed = {one.version for one in found if one.cause is not StaleCause.UNKNOWN}
    return frozenset(blamed), len(found) == _LARGEST_GRID


def _state(one: Version | None, stale: frozenset[str]) -> str:
    if one is None:
        return _MISSING
    return _STALE if one.uid in stale else _PRESENT


def _facts(one: Version | None) -> tuple[object, ...]:
    if one is None:
        return (None, None, None, None)
    return (one.recorded_at, one.size_bytes, one.seq, one.uid)


def _counted(states: Sequence[str]) -> str:
    present, stale = states.count(_PRESENT), states.count(_STALE)
    counts = [f"{present + stale} of {len(states)} present"]
    if stale:
        counts.append(f"{stale} of them stale")
    return ", ".join([*counts, f"{states.count(_MISSING)} missing"])


def _state_columns(fields: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns beside the key; one that is called like a key field gives way."""
    return tuple(Column(f"{one.name}_", one.kind) if one.name in fields else one for one in _STATE)


def _values(given: Any) -> list[Any]:
    """Return the values that are asked for, as keys hold them, each once."""
    is_many = isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)
    asked = list(given) if is_many else [given]
    found = [moment_text(one) if isinstance(one, date) else one for one in asked]
    return list({_comparable(one): one for one in found}.values())


def _recorded_values(keys: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    found = {_comparable(key[name]): key[name] for key in keys if name in key}
    return sorted(found.values(), key=lambda value: key_order({name: value}))


def _check_size(type_name: str, values: Mapping[str, Sequence[Any]]) -> None:
    size = 1
    for some in values.values():
        size *= len(some)
    if size > _LARGEST_GRID:
        raise CatalogError(
            f"its grid has {size} keys, more than {_LARGEST_GRID}",
            type_name,
            remedy="Give fewer values for some of the fields",
        )


def _part(key: Mapping[str, Any], fields: Sequence[str]) -> tuple[Any, ...]:
    """Return what is equal for keys that agree in these fields."""
    return tuple(_comparable(key.get(name)) for name in fields)


def _comparable(value: Any) -> Any:
    """Return a value that is equal to another if keys with them are found by each other.

    Numbers are equal by value, as the search for keys takes them; a text is never a number.
    """
    if isinstance(value, str | int | float) or value is None:
        return value
    return json.dumps(clean_json(value), sort_keys=True)


def _key_columns(fields: Sequence[str], keys: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    return tuple(Column(name, _kind([key.get(name) for key in keys])) for name in fields)


def _kind(values: Sequence[Any]) -> ColumnKind:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str}:
        return "str"
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int"
    return "float" if kinds <= {int, float} else "json"
