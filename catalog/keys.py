"""Key fields as typed columns, and the search for artifacts by a part of their key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, false, or_, select

from rootcellar.catalog.canonical import clean_text, digest_of
from rootcellar.catalog.tables import artifact, artifact_key
from rootcellar.catalog.times import in_utc

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["key_order", "key_rows", "matches", "moment_text"]

_LONGEST = 400
_INT_LIMIT = 2**63


def key_rows(artifact_id: int, type_id: int, key: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per key field, sorted by field."""
    return [
        {
            "artifact_id": artifact_id,
            "type_id": type_id,
            "field": field,
            "v_text": None,
            "v_int": None,
            "v_real": None,
            **_typed(key[field]),
        }
        for field in sorted(key)
    ]


def key_order(key: Mapping[str, Any]) -> tuple[tuple[str, bool, float, str], ...]:
    """Return what sorts keys field by field, numbers by value and before texts."""
    # Of a list: for as few as these, a generator takes twice the time.
    return tuple(
        [
            (name, False, float(value), "")
            if isinstance(value, (int, float))
            else (name, True, 0.0, str(value))
            for name, value in key.items()
        ]
    )


def matches(type_id: int, constraints: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return what an artifact's row fulfils if its key fits all constraints.

    Args:
        constraints: Values by key field; a list, tuple, set or range allows each of its members.
    """
    return [artifact.c.type_id == type_id] + [
        artifact.c.id.in_(
            select(artifact_key.c.artifact_id).where(
                artifact_key.c.type_id == type_id,
                artifact_key.c.field == field,
                _any_of(value),
            )
        )
        for field, value in constraints.items()
    ]


def _any_of(value: Any) -> ColumnElement[bool]:
    is_many = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    texts: set[str] = set()
    ints: set[int] = set()
    reals: set[float] = set()
    asked = list(value) if is_many else [value]
    for one in asked:
        typed = _typed(one)
        if "v_text" in typed:
            texts.add(typed["v_text"])
        if "v_int" in typed:
            ints.add(typed["v_int"])
            reals.add(float(typed["v_int"]))
        if "v_real" in typed:
            reals.add(typed["v_real"])
            if typed["v_real"].is_integer() and abs(typed["v_real"]) < _INT_LIMIT:
                ints.add(int(typed["v_real"]))
    columns = artifact_key.c
    parts: list[ColumnElement[bool]] = [
        column.in_(sorted(values))
        for column, values in (
            (columns.v_text, texts),
            (columns.v_int, ints),
            (columns.v_real, reals),
        )
        if values
    ]
    if None in asked:
        empty = (columns.v_text, columns.v_int, columns.v_real)
        parts.append(and_(*(column.is_(None) for column in empty)))
    return or_(*parts) if parts else false()


def _typed(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {}
        case bool() | int() if -_INT_LIMIT <= value < _INT_LIMIT:
            return {"v_int": int(value)}
        case float():
            return {"v_real": float(value)}
        case date():
            return {"v_text": moment_text(value)}
        case str():
            text = clean_text(value)
            # Postgres cannot index a long text.
            return {"v_text": text if len(text) <= _LONGEST else str(digest_of(text))}
        case _:
            return {"v_text": str(digest_of(value))}


def moment_text(value: date) -> str:
    """Return a date or time as keys hold it, whatever zone it was asked in.

    Raises:
        CatalogError: It lies beyond the calendar in UTC: no key holds it.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        return in_utc(value).isoformat().replace("+00:00", "Z")
    return value.isoformat()
