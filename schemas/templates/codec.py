"""Codecs: how the value of one key field becomes part of a URI, and is read back.

A codec takes values of exactly its type and renders different values differently. `decode` may be
lenient: the template renders what was read and compares, so only the canonical spelling matches.
"""

from __future__ import annotations

import math
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import unquote_to_bytes
from uuid import UUID

from rootcellar.schemas.errors import DeclarationError, InvalidKey
from rootcellar.schemas.shown import shown
from rootcellar.schemas.templates.encoding import (
    ENCODED_CHARACTERS,
    MAX_VALUE_BYTES,
    flaw_of,
    percent_encoded,
)
from rootcellar.schemas.templates.shape import DIGITS, NONZERO, Piece, Shape, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "ChoiceCodec",
    "Codec",
    "FloatCodec",
    "IntCodec",
    "KeyField",
    "Place",
    "TextCodec",
    "UuidCodec",
    "VersionCodec",
]

T = TypeVar("T")

_MAX_SHOWN = 80
_VERSION_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-")


@dataclass(frozen=True, slots=True)
class Place:
    """How a value stands at one place of a template.

    Attributes:
        spec: What follows the colon: empty, `d`, `03d` or a single directive such as `%Y`.
        reserved: The character that ends the field here, or empty; a text never shows it bare.
    """

    spec: str = ""
    reserved: str = ""


@dataclass(frozen=True, slots=True)
class KeyField:
    """A field's name and the template it stands in, for messages."""

    name: str
    template: str

    def refused(self, value: object, reason: str, remedy: str) -> InvalidKey:
        """Return the error for a value; shows at most 80 characters of it, escaped."""
        problem = f"field {self.name!r} cannot be {shown(value)}: {reason}"
        return InvalidKey(problem, "", self.template, remedy)

    def misdeclared(self, reason: str, remedy: str) -> DeclarationError:
        """Return the error for a field that cannot stand in its template as it is declared."""
        return DeclarationError(f"field {self.name!r} {reason}", "", self.template, remedy)

    def typed(self, value: object, kind: type[T]) -> T:
        """Return the value if it is of exactly this type: `True` is no int, `"1"` is not 1.

        Raises:
            InvalidKey: Another type, or a subclass.
        """
        if isinstance(value, kind) and type(value) is kind:
            return value
        reason = f"it is of type {type(value).__name__}, not {kind.__name__}"
        raise self.refused(value, reason, f"Pass a value of type {kind.__name__}")


class Codec(Protocol):
    """What a template needs to know about one field."""

    def encode(self, value: object, place: Place, /) -> str:
        """Return the value's text at that place: never empty, and without `/`.

        Raises:
            InvalidKey: The type is wrong, or the value is refused.
        """

    def decode(self, texts: Mapping[str, str], /) -> object:
        """Return the value that was read, given one text per spec.

        Raises:
            ValueError: No value renders as these texts.
            OverflowError: As ValueError, for times out of range.
        """

    def shape(self, place: Place, /) -> Shape:
        """Return which texts can stand at that place."""


@dataclass(frozen=True, slots=True)
class IntCodec:
    """Decimal, with the least number of digits that the spec asks for."""

    field: KeyField

    def encode(self, value: object, place: Place, /) -> str:
        """Return the decimal."""
        number = self.field.typed(value, int)
        if number.bit_length() > 3 * MAX_VALUE_BYTES:
            reason = "it has too many digits"
            raise self.field.refused(value, reason, "Use a str field for long numbers")
        return f"{number:{place.spec or 'd'}}"

    def decode(self, texts: Mapping[str, str], /) -> object:
        """Return the number."""
        return int(next(iter(texts.values())))

    def shape(self, place: Place, /) -> Shape:
        """Return exactly as many digits as asked for, or more without a leading zero."""
        width = int(place.spec[:-1] or 1)
        inner = max(width - 1, 1)  # the sign counts
        sign = Piece(frozenset("-"))
        return (
            (Piece(DIGITS, width, width),),
            (Piece(NONZERO), Piece(DIGITS, width, None)),
            (sign, Piece(DIGITS, inner, inner)),
            (sign, Piece(NONZERO), Piece(DIGITS, inner, None)),
        )


@dataclass(frozen=True, slots=True)
class FloatCodec:
    """The shortest decimal that reads back as the same number."""

    field: KeyField

    def encode(self, value: object, _place: Place, /) -> str:
        """Return `repr`, which is the same on every platform; minus zero is zero."""
        number = self.field.typed(value, float)
        if not math.isfinite(number):
            raise self.field.refused(value, "it is not a finite number", "Pass a finite number")
        return repr(number + 0.0)

    def decode(self, texts: Mapping[str, str], /) -> object:
        """Return the number."""
        return float(texts[""])

    def shape(self, _place: Place, /) -> Shape:
        """Return both notations of `repr`, each with and without a sign."""
        digits, point = Piece(DIGITS, 1, None), Piece(frozenset("."))
        exponent = (Piece(frozenset("e")), Piece(frozenset("+-")), Piece(DIGITS, 2, 3))
        plain = (
            (digits, point, digits),
            (Piece(DIGITS), *exponent),
            (Piece(DIGITS), point, digits, *exponent),
        )
        return (*plain, *((Piece(frozenset("-")), *pieces) for pieces in plain))


@dataclass(frozen=True, slots=True)
class UuidCodec:
    """The canonical 36 characters."""

    field: KeyField

    def encode(self, value: object, _place: Place, /) -> str:
        """Return lower-case hexadecimal with hyphens."""
        return str(self.field.typed(value, UUID))

    def decode(self, texts: Mapping[str, str], /) -> object:
        """Return the UUID."""
        return UUID(texts[""])

    def shape(self, _place: Place, /) -> Shape:
        """Return five groups with hyphens between."""
        digits = DIGITS | frozenset("abcdef")
        groups = [Piece(digits, width, width) for width in (8, 4, 4, 4, 12)]
        hyphen = Piece(frozenset("-"))
        return ((groups[0], *(piece for group in groups[1:] for piece in (hyphen, group))),)


@dataclass(frozen=True, slots=True)
class TextCodec:
    """Percent-encoded UTF-8."""

    field: KeyField

    def encode(self, value: object, place: Place, /) -> str:
        """Return the text with all but the safe characters encoded."""
        text = self.field.typed(value, str)
        flaw = flaw_of(text)
        if flaw is not None:
            raise self.field.refused(value, flaw.reason, flaw.remedy)
        return percent_encoded(text, place.reserved)

    def decode(self, texts: Mapping[str, str], /) -> object:
        """Return the text."""
        return unquote_to_bytes(texts[""]).decode()

    def shape(self, place: Place, /) -> Shape:
        """Return any row of safe characters, `%` and its digits."""
        return ((Piece(ENCODED_CHARACTERS - {place.reserved}, 1, None),),)


@dataclass(frozen=True, slots=True)
class ChoiceCodec:
    """One of a few values known beforehand: bool, Enum, Literal.

    Attributes:
        choices: Each value with its text before encoding; no text twice.
    """

    field: KeyField
    choices: tuple[tuple[object, str], ...]

    def encode(self, value: object, place: Place, /) -> str:
        """Return the text of the value."""
        for choice, text in self.choices:
            if type(value) is type(choice) and value == choice:
                return percent_encoded(text, place.reserved)
        names = ", ".join(repr(choice) for choice, _ in self.choices)
        remedy = f"Pass one of {names[: 4 * _MAX_SHOWN]}"
        raise self.field.refused(value, "it is none of its values", remedy)

    def decode(self, texts: Mapping[str, str], /) -> object:
        """Return the value with that text."""
        found = unquote_to_bytes(texts[""]).decode()
        return {text: choice for choice, text in self.choices}.get(found)

    def shape(self, place: Place, /) -> Shape:
        """Return each text in full."""
        return tuple(spelled(percent_encoded(text, place.reserved)) for _, text in self.choices)


@dataclass(frozen=True, slots=True)
class VersionCodec:
    """The uid of a version, for the reserved `{version}`."""

    field: KeyField

    @classmethod
    def of(cls, field: KeyField, specs: Iterable[str]) -> VersionCodec:
        """Return the codec.

        Raises:
            DeclarationError: It is formatted.
        """
        for spec in filter(None, specs):
            raise field.misdeclared(f"cannot be formatted with {spec!r}", "Leave the format out")
        return cls(field)

    def encode(self, value: object, _place: Place, /) -> str:
        """Return the uid as it is."""
        uid = self.field.typed(value, str)
        if not 0 < len(uid) <= MAX_VALUE_BYTES or not _VERSION_CHARACTERS.issuperset(uid):
            reason = "it is not a version uid"
            raise self.field.refused(
                value, reason, "Pass the uid of a version, as new_uid makes it"
            )
        return uid

    def decode(self, texts: Mapping[str, str], /) -> object:
        """Return the uid."""
        return texts[""]

    def shape(self, _place: Place, /) -> Shape:
        """Return any row of letters, digits and hyphens."""
        return ((Piece(_VERSION_CHARACTERS, 1, None),),)
