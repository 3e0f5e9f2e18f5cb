"""Values as people read them: short and of one length."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "STATE_STYLES",
    "age",
    "artifact",
    "count",
    "duration",
    "moment",
    "rate",
    "short",
    "size",
]

STATE_STYLES = {
    "running": "cyan",
    "succeeded": "green",
    "reused": "green",
    "failed": "red",
    "lost": "red",
    "retried": "yellow",
    "skipped": "yellow",
}

_STEP = 1000
_MINUTE, _HOUR, _DAY, _WEEK = 60, 3600, 86400, 7 * 86400
_SHORT = 8


def age(then: datetime) -> str:
    """Return `5 s`, `3 min`, `2 h` or `4 d` for the time since, and the day after a week."""
    seconds = (datetime.now(UTC) - then).total_seconds()
    if not 0 <= seconds < _WEEK:
        return f"{then.astimezone():%Y-%m-%d}"
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name}"
    return f"{seconds:.0f} s"


def moment(then: datetime) -> str:
    """Return a time whole, in UTC, and how long ago it was."""
    passed = age(then)
    ago = f" ({passed} ago)" if " " in passed else ""
    return f"{then.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC{ago}"


def duration(seconds: float | None) -> str:
    """Return `40 ms`, `1.4 s`, `12 s`, `3 min 20 s` or `2 h 5 min`; empty for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:  # noqa: PLR2004  below, tenths matter
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def size(size_bytes: int) -> str:
    """Return `812 B` or `48.2 MB`, in steps of a thousand."""
    if size_bytes < _STEP:
        return f"{size_bytes} B"
    amount = float(size_bytes)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= _STEP
        if amount < _STEP - 0.05:
            return f"{amount:.1f} {unit}"
    return f"{amount / _STEP:.1f} PB"


def rate(bytes_per_second: float | None) -> str:
    """Return `48.2 MB/s`; empty for None."""
    return "" if bytes_per_second is None else f"{size(round(bytes_per_second))}/s"


def count(number: int, noun: str) -> str:
    """Return `1 row` or `8 760 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")


def short(uid: str) -> str:
    """Return the end of a uid, which differs where beginnings are alike."""
    return uid[-_SHORT:]


def artifact(type_name: str, key: Mapping[str, Any]) -> str:
    """Return an artifact as it is typed: `generation station=3 tilt=30`."""
    return " ".join([type_name, *(f"{name}={spelled(value)}" for name, value in key.items())])


def spelled(value: Any) -> str:
    """Return a JSON value as it is typed on a command line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
