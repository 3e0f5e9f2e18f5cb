"""Which texts may be a value in a URI, and how they are written there."""

from __future__ import annotations

import re
import string
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ENCODED_CHARACTERS", "MAX_VALUE_BYTES", "Flaw", "flaw_of", "percent_encoded"]

MAX_VALUE_BYTES = 200
"""Of one value in UTF-8, before percent-encoding. S3 allows 1024 for a whole name."""

# `~` is left out: local stores expand it to a home folder where it leads.
_SAFE = frozenset(string.ascii_letters + string.digits + "-_.=+@,")

ENCODED_CHARACTERS = _SAFE | {"%"}
"""All that `percent_encoded` ever returns; the digits of `%2F` are safe characters themselves."""

_BIDI_CONTROLS = frozenset(
    map(chr, [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a text cannot be a value, and what to do."""

    reason: str
    remedy: str


def _climbs(text: str) -> bool:
    return not {".", ".."}.isdisjoint(re.split(r"[/\\]", text))


def _has_category(text: str, *categories: str) -> bool:
    return any(unicodedata.category(character) in categories for character in text)


_TOO_LONG = Flaw(f"it is longer than {MAX_VALUE_BYTES} bytes", "Use a shorter name")

# In this order: length before anything that walks through the text, surrogates before encoding.
_FLAWS: tuple[tuple[Callable[[str], bool], Flaw], ...] = (
    (lambda text: not text, Flaw("it is empty", "Give it at least one character")),
    (lambda text: len(text) > MAX_VALUE_BYTES, _TOO_LONG),
    (
        lambda text: _has_category(text, "Cs"),
        Flaw("it holds a lone surrogate", "Decode it as UTF-8 first"),
    ),
    (lambda text: len(text.encode()) > MAX_VALUE_BYTES, _TOO_LONG),
    # Refused although `/` is encoded: some gateways decode %2F before they look for `..`.
    (_climbs, Flaw("it could climb out of its folder", "Leave out the parts '.' and '..'")),
    (
        lambda text: _has_category(text, "Cc", "Zl", "Zp"),
        Flaw("it holds a control character or a line break", "Remove it"),
    ),
    (
        lambda text: not _BIDI_CONTROLS.isdisjoint(text),
        Flaw("it holds a control for the direction of writing", "Remove it"),
    ),
    (
        lambda text: not unicodedata.is_normalized("NFC", text),
        Flaw("it is not in Unicode NFC", "Pass unicodedata.normalize('NFC', value)"),
    ),
)


def flaw_of(text: str) -> Flaw | None:
    """Return why this text may not be the value of a field, or None if it may."""
    return next((flaw for is_flawed, flaw in _FLAWS if is_flawed(text)), None)


def percent_encoded(text: str, reserved: str = "") -> str:
    """Return the text as UTF-8 with all but the safe characters as `%XX`, `reserved` too."""
    table = _encoded_bytes(reserved)
    return "".join(table[byte] for byte in text.encode())


@lru_cache(maxsize=64)
def _encoded_bytes(reserved: str) -> tuple[str, ...]:
    bare = _SAFE - {reserved}
    return tuple(chr(byte) if chr(byte) in bare else f"%{byte:02X}" for byte in range(256))
