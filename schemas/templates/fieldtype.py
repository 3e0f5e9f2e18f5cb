"""From a field's annotation to its codec."""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

from rootcellar.schemas.templates.codec import (
    ChoiceCodec,
    Codec,
    FloatCodec,
    IntCodec,
    KeyField,
    TextCodec,
    UuidCodec,
)
from rootcellar.schemas.templates.encoding import flaw_of
from rootcellar.schemas.templates.moment import DateCodec, DatetimeCodec

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SUPPORTED_TYPES", "codec_for"]

SUPPORTED_TYPES = (
    "int, str, bool, float, date, datetime, UUID, an Enum or a Literal of str or int values"
)

_INT_SPEC = re.compile(r"d|0[1-9][0-9]?d|")


def codec_for(field: KeyField, annotation: Any, specs: Iterable[str]) -> Codec:
    """Return how values of this annotation are rendered where these specs are used.

    Args:
        field: For messages.
        annotation: A type, a Literal, or either in Annotated.
        specs: What follows the colon at each of the field's places; empty where nothing does.

    Raises:
        DeclarationError: The type is none of `SUPPORTED_TYPES`, or a spec is not for it.
    """
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    specs = tuple(specs)
    if annotation is date:
        return DateCodec.of(field, specs)
    if annotation is datetime:
        return DatetimeCodec.of(field, specs)
    if annotation is int:
        _check_specs(field, specs, _INT_SPEC, "Use d, or 0 and a width such as 02d")
        return IntCodec(field)
    codec = _plain_codec(field, annotation)
    _check_specs(field, specs, re.compile(""), "Leave the format out")
    return codec


def _plain_codec(field: KeyField, annotation: Any) -> Codec:
    if annotation is str:
        return TextCodec(field)
    if annotation is float:
        return FloatCodec(field)
    if annotation is UUID:
        return UuidCodec(field)
    if annotation is bool:
        return ChoiceCodec(field, ((True, "true"), (False, "false")))
    if get_origin(annotation) is Literal:
        return _choice_codec(field, [(value, value) for value in get_args(annotation)])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _choice_codec(field, [(member, member.value) for member in annotation])
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    raise field.misdeclared(f"is of type {name}, which no URI can hold", f"Use {SUPPORTED_TYPES}")


def _check_specs(
    field: KeyField, specs: Iterable[str], allowed: re.Pattern[str], remedy: str
) -> None:
    for spec in specs:
        if not allowed.fullmatch(spec):
            raise field.misdeclared(f"cannot be formatted with {spec!r}", remedy)


def _choice_codec(field: KeyField, values: list[tuple[object, object]]) -> ChoiceCodec:
    """Return the codec of these choices, each with the value that it is rendered by.

    Raises:
        DeclarationError: A value is no str or int, is refused as a text, or renders as another.
    """
    choices: dict[str, object] = {}
    for choice, value in values:
        if type(value) not in {str, int}:
            problem = f"has the value {value!r}, which is neither str nor int"
            raise field.misdeclared(problem, f"Use {SUPPORTED_TYPES}")
        text = str(value)
        flaw = flaw_of(text)
        if flaw is not None:
            raise field.misdeclared(f"has the value {text!a}: {flaw.reason}", flaw.remedy)
        if text in choices:
            problem = f"has two values that render as {text!r}"
            raise field.misdeclared(problem, "Give each value a text of its own")
        choices[text] = choice
    if not choices:
        raise field.misdeclared("is an Enum without members", "Give it members")
    return ChoiceCodec(field, tuple((choice, text) for text, choice in choices.items()))
