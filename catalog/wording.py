"""Sizes, spans and times as people read them."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["counted", "duration", "minute", "size"]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_STEP = 1000
_MINUTE, _HOUR = 60, 3600


def counted(number: int, what: str) -> str:
    """Return a number of things such as `1 run` or `2 runs`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def size(size_bytes: int) -> str:
    """Return a size such as `6.5 kB`."""
    scaled, unit = float(size_bytes), 0
    while scaled >= _STEP and unit < len(_UNITS) - 1:
        scaled, unit = scaled / _STEP, unit + 1
    return f"{scaled:.0f} {_UNITS[unit]}" if unit == 0 else f"{scaled:.1f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Return a span such as `40 ms`, `2.5 s` or `41 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < _HOUR else f"{seconds / _HOUR:.1f} h"


def minute(moment: datetime) -> str:
    """Return a time such as `2026-05-01 12:00 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
