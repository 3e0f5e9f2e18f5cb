"""Amounts of disk as people write them: `200 GB`, `64 MiB`, `80%` of the file system."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

__all__ = ["Amount", "spelled"]

_FORM = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|[kmgtp]?i?b)?", re.IGNORECASE)
_STEP, _BINARY_STEP = 1000, 1024
_PREFIXES = ("", "k", "m", "g", "t", "p")
_WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of bytes, or a share of a file system's size.

    Attributes:
        share: From 0 to 1; None if the amount is a number of bytes.
    """

    size_bytes: int
    share: float | None = None

    @classmethod
    def parse(cls, text: str | int) -> Self:
        """Read `200 GB` (thousands), `64 MiB` (1024s), a bare number of bytes, or `80%`.

        Raises:
            ValueError: It is none of these, or more than 100%.
        """
        form = _FORM.fullmatch(str(text).strip())
        unit = (form["unit"] or "b").lower() if form else ""
        if form is None or unit == "ib":
            raise ValueError(f"not an amount of disk: {text!r}; write '200 GB', '64 MiB' or '80%'")
        number = float(form["number"])
        if unit == "%":
            if number > _WHOLE:
                raise ValueError(f"more than the whole disk: {text!r}")
            return cls(0, number / _WHOLE)
        step = _BINARY_STEP if unit.endswith("ib") else _STEP
        return cls(int(number * step ** _PREFIXES.index(unit.removesuffix("b").removesuffix("i"))))

    def of(self, total_bytes: int) -> int:
        """Return the number of bytes on a file system of that size."""
        return self.size_bytes if self.share is None else int(total_bytes * self.share)


def spelled(size_bytes: int) -> str:
    """Return `812 B` or `48.2 MB`, in steps of a thousand, for messages."""
    amount = float(size_bytes)
    if abs(amount) < _STEP:
        return f"{size_bytes} B"
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= _STEP
        if abs(amount) < _STEP - 0.05:
            return f"{amount:.1f} {unit}"
    return f"{amount / _STEP:.1f} PB"
