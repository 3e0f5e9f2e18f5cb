"""Times in questions: an aware time, a day, a text, or a span before now."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from rootcellar.schemas.errors import CatalogError

__all__ = ["Moment", "in_utc", "is_time", "moment_of", "span_of"]

Moment = datetime | date | timedelta | str
"""An aware time, a day, ISO text, or a span before now, also as a text such as `7d`.

What has no zone is UTC, a day begins.
"""

_SPAN = re.compile(r"(\d+)\s*(s|min|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?")
_REMEDY = "Write it as 2026-01-31, 2026-01-31T12:00+01:00 or, so long ago, 7d"


def is_time(text: str) -> bool:
    """Tell whether a text is written as a span or a time, not as the name of a version."""
    return bool(_SPAN.fullmatch(text.strip()) or _DATE.fullmatch(text))


def span_of(text: str) -> timedelta | None:
    """Return the span that a text such as `2h` or `7d` means; None if it is written otherwise.

    Raises:
        CatalogError: It is longer than any calendar.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        return None
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except (OverflowError, ValueError) as error:
        raise _too_long(text) from error


def moment_of(when: Moment) -> datetime:
    """Return the aware time that is meant.

    Raises:
        CatalogError: A time without a zone that is no text, or what is no time.
    """
    match when:
        case str():
            span = span_of(when)
            return _read(when) if span is None else _ago(span)
        case timedelta():
            return _ago(when)
        case datetime() if when.tzinfo is None:
            raise CatalogError(
                f"the time {when.isoformat()} has no time zone",
                remedy="Give it one, as in when.astimezone(), or pass a timedelta",
            )
        case datetime():
            return in_utc(when)
        case date():
            return datetime.combine(when, time(), UTC)
        case _:
            raise CatalogError(
                f"{when!r:.80} is no time", remedy="Pass a time, a day, ISO text or a span"
            )


def in_utc(when: datetime) -> datetime:
    """Return an aware time in UTC.

    Raises:
        CatalogError: It is before the year 1 there, or after 9999.
    """
    try:
        return when.astimezone(UTC)
    except OverflowError as error:
        raise CatalogError(
            f"the time {when.isoformat()} is beyond the calendar", remedy="Choose one within it"
        ) from error


def _ago(span: timedelta) -> datetime:
    try:
        return datetime.now(UTC) - span
    except OverflowError as error:
        raise _too_long(str(span)) from error


def _read(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise CatalogError(f"{text[:80]!r} is no time", remedy=_REMEDY) from error
    return in_utc(found if found.tzinfo else found.replace(tzinfo=UTC))


def _too_long(text: str) -> CatalogError:
    return CatalogError(f"the span {text[:80]} is longer than any calendar", remedy="Shorten it")
