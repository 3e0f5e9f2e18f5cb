"""Codecs of dates and times: ISO 8601, or strftime directives of fixed width.

A field may stand at several places, such as `{day:%Y}/{day:%m-%d}`: all its directives together
must determine the value. Nothing is ever rounded: a time that its format cannot hold is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from rootcellar.schemas.templates.shape import DIGITS, Piece, Shape, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rootcellar.schemas.templates.codec import KeyField, Place

__all__ = ["DateCodec", "DatetimeCodec", "split_format"]

_DATE_DIRECTIVES = frozenset({"%Y", "%m", "%d", "%j"})
# Longest first: what a format leaves out must be nothing.
_CLOCK_DIRECTIVES = {"%H": "hour", "%M": "minute", "%S": "second", "%f": "microsecond"}


def _digits(first: str, width: int) -> tuple[Piece, ...]:
    return (Piece(frozenset(first)), Piece(DIGITS, width - 1, width - 1))


_PIECES = {
    "%Y": (Piece(DIGITS, 4, 4),),
    "%m": _digits("01", 2),
    "%d": _digits("0123", 2),
    "%j": _digits("0123", 3),
    "%H": _digits("012", 2),
    "%M": _digits("012345", 2),
    "%S": _digits("012345", 2),
    "%f": (Piece(DIGITS, 6, 6),),
}
_DATE_FORMAT = "%Y-%m-%d"
_TIME_FORMAT = "%Y%m%dT%H%M%S"


def split_format(spec: str) -> list[str]:
    """Return the spec's directives and the text between them, in order, as separate strings."""
    return [token for token in re.split(r"(%.?)", spec) if token]


def _pieces(spec: str) -> tuple[Piece, ...]:
    tokens = split_format(spec)
    return tuple(piece for token in tokens for piece in _PIECES.get(token) or spelled(token))


def _rendered(moment: date, directive: str) -> str:
    # strftime would write the year 800 as `800` on this platform and `0800` on that.
    if directive == "%Y":
        return f"{moment.year:04d}"
    return f"{moment:{directive}}"


def _date_of(texts: Mapping[str, str]) -> date:
    year = int(texts["%Y"])
    if "%m" in texts and "%d" in texts:
        return date(year, int(texts["%m"]), int(texts["%d"]))
    return date(year, 1, 1) + timedelta(days=int(texts["%j"]) - 1)


def _check_directives(
    field: KeyField, specs: Iterable[str], known: frozenset[str]
) -> frozenset[str]:
    """Return the directives of all these specs.

    Raises:
        DeclarationError: One is unknown, or a spec holds none.
    """
    found: set[str] = set()
    for spec in filter(None, specs):
        directives = {token for token in split_format(spec) if token.startswith("%")}
        unknown = sorted(directives - known) or ([] if directives else [spec])
        if unknown:
            allowed = " ".join(sorted(known))
            raise field.misdeclared(
                f"cannot be formatted with {unknown[0]!r}",
                f"Use only {allowed}, which have a fixed width and lose nothing",
            )
        found |= directives
    return frozenset(found)


def _holds_date(directives: frozenset[str]) -> bool:
    return "%Y" in directives and ({"%m", "%d"} <= directives or "%j" in directives)


@dataclass(frozen=True, slots=True)
class DateCodec:
    """`2026-01-31`, or directives that make up a whole date."""

    field: KeyField

    @classmethod
    def of(cls, field: KeyField, specs: Iterable[str]) -> DateCodec:
        """Return the codec for a field that is formatted with these specs.

        Raises:
            DeclarationError: Together they lose information, or one is unknown.
        """
        specs = tuple(specs)
        directives = _check_directives(field, specs, _DATE_DIRECTIVES)
        if "" not in specs and not _holds_date(directives):
            raise field.misdeclared(
                f"loses part of the date when formatted with {' '.join(sorted(directives))}",
                f"Use year, month and day, as in {{{field.name}:%Y-%m-%d}}, or an int field",
            )
        return cls(field)

    def encode(self, value: object, place: Place, /) -> str:
        """Return the date, or the part of it that the directive names."""
        day = self.field.typed(value, date)
        return _rendered(day, place.spec) if place.spec else day.isoformat()

    def decode(self, texts: Mapping[str, str], /) -> object:
        """Return the date."""
        return date.fromisoformat(texts[""]) if "" in texts else _date_of(texts)

    def shape(self, place: Place, /) -> Shape:
        """Return digits of fixed width."""
        return (_pieces(place.spec or _DATE_FORMAT),)


@dataclass(frozen=True, slots=True)
class DatetimeCodec:
    """`20260131T120000Z` in UTC for aware values, without `Z` for naive ones, or directives.

    What is read back is in UTC. It equals what was rendered, but for the hour that a clock change
    repeats: Python lets such a local time equal no time of another zone.

    Attributes:
        directives: Of all places; what the value holds beyond them must be zero.
        is_whole: The full form stands somewhere, so that the directives need not hold everything.
        is_aware: A format ends in `Z`: the values are aware. Without the full form nothing else
            tells the two apart.
    """

    field: KeyField
    directives: frozenset[str]
    is_whole: bool
    is_aware: bool

    @classmethod
    def of(cls, field: KeyField, specs: Iterable[str]) -> DatetimeCodec:
        """Return the codec for a field that is formatted with these specs.

        Raises:
            DeclarationError: Together they hold no date or no hour, or one is unknown.
        """
        specs = tuple(specs)
        known = _DATE_DIRECTIVES | _CLOCK_DIRECTIVES.keys()
        directives = _check_directives(field, specs, known)
        if "" not in specs and not (_holds_date(directives) and "%H" in directives):
            raise field.misdeclared(
                f"loses part of the time when formatted with {' '.join(sorted(directives))}",
                f"Use date and hour at least, as in {{{field.name}:%Y%m%dT%HZ}}, or a date field",
            )
        return cls(field, directives, "" in specs, any(spec.endswith("Z") for spec in specs))

    def encode(self, value: object, place: Place, /) -> str:
        """Return the time, aware ones in UTC, or the part of it that the directive names."""
        moment = self.field.typed(value, datetime)
        is_aware = moment.utcoffset() is not None
        if is_aware:
            try:
                moment = moment.astimezone(UTC)
            except OverflowError as error:
                reason = "it lies outside the years 1 to 9999 in UTC"
                raise self.field.refused(value, reason, "Pass a time in UTC") from error
        if not self.is_whole:
            self._check_fits(value, moment, is_aware=is_aware)
        if place.spec:
            return _rendered(moment, place.spec)
        fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
        tokens = split_format(_TIME_FORMAT)
        text = "".join(_rendered(moment, t) if t in _PIECES else t for t in tokens)
        return f"{text}{fraction}{'Z' if is_aware else ''}"

    def _check_fits(self, value: object, moment: datetime, *, is_aware: bool) -> None:
        if is_aware and not self.is_aware:
            remedy = (
                f"Pass a time without tzinfo, or let the format of {self.field.name!r} end in Z"
            )
            raise self.field.refused(value, "its format holds no time zone", remedy)
        if self.is_aware and not is_aware:
            remedy = "Give it a tzinfo, such as datetime.UTC"
            raise self.field.refused(value, "its format ends in Z but it has no time zone", remedy)
        for directive, unit in _CLOCK_DIRECTIVES.items():
            if directive not in self.directives and getattr(moment, unit):
                reason = f"its {unit} is {getattr(moment, unit)}, which its format cannot hold"
                raise self.field.refused(
                    value, reason, f"Round it, or put {directive} in the format"
                )

    def decode(self, texts: Mapping[str, str], /) -> object:
        """Return the time, in UTC if it is aware."""
        if "" in texts:
            return datetime.fromisoformat(texts[""])
        day = _date_of(texts)
        clock = {unit: int(texts.get(name, "0")) for name, unit in _CLOCK_DIRECTIVES.items()}
        zone = UTC if self.is_aware else None
        return datetime(day.year, day.month, day.day, **clock, tzinfo=zone)

    def shape(self, place: Place, /) -> Shape:
        """Return digits of fixed width; the full form with and without fraction and `Z`."""
        if place.spec:
            return (_pieces(place.spec),)
        return tuple(
            (*_pieces(_TIME_FORMAT), *_pieces(fraction), *_pieces(zone))
            for fraction in ("", ".%f")
            for zone in ("", "Z")
        )
