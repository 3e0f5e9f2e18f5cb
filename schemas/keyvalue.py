"""Key values: the one form that equal ones have, and their spelling in JSON."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

__all__ = ["canonical", "from_json", "to_json", "type_text"]

_DATE_LENGTH = len("2026-01-31")


def canonical(value: object) -> object:
    """Return the one form of all equal values: aware times in UTC, and no minus zero."""
    if type(value) is float:
        return value + 0.0
    if type(value) is datetime and value.utcoffset() is not None:
        try:
            return value.astimezone(UTC)
        except OverflowError:
            return value  # the template refuses it, and says why
    return value


def to_json(value: object) -> Any:
    """Return the JSON value that stands for a key value."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def from_json(annotation: Any, value: object) -> object:
    """Return the value of a key field's type that a JSON value stands for.

    Understands ISO 8601 for dates and times, texts for UUIDs, the value of an Enum's member, and
    whole numbers for floats. Whatever is no such spelling comes back as it is.
    """
    try:
        if type(value) is str:
            return _from_text(annotation, value)
        if type(value) is int:
            return float(value) if annotation is float else _member(annotation, value)
    except (ValueError, OverflowError):
        return value
    return value


def _from_text(annotation: Any, text: str) -> object:
    if annotation is date:
        return date.fromisoformat(text)
    if annotation is datetime:
        # A bare date is no time: it would be midnight of nobody knows where.
        return datetime.fromisoformat(text) if len(text) > _DATE_LENGTH else text
    return UUID(text) if annotation is UUID else _member(annotation, text)


def _member(annotation: Any, value: str | int) -> object:
    if not (isinstance(annotation, type) and issubclass(annotation, Enum)):
        return value
    same = (m for m in annotation if type(m.value) is type(value) and m.value == value)
    return next(same, value)


def type_text(annotation: Any) -> str:
    """Return `int` for int, `Literal['a', 3]` for itself, `Region('north', 'south')` for an Enum.

    Two types of key values have one text only if they allow the same values.
    """
    if get_origin(annotation) is Literal:
        return f"Literal[{', '.join(map(repr, get_args(annotation)))}]"
    name = annotation.__name__
    if issubclass(annotation, Enum):
        return f"{name}({', '.join(repr(member.value) for member in annotation)})"
    return str(name)
