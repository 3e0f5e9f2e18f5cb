"""How a value that was refused is shown in a message: short, escaped, and never secret or slow."""

from __future__ import annotations

from datetime import date
from enum import Enum
from uuid import UUID

__all__ = ["shown"]

_MAX_CHARACTERS = 80
_MAX_BITS = 200


def shown(value: object) -> str:
    """Return at most 80 characters that stand for a value.

    Only plain values show themselves. Any other shows its type: its own repr may be long, slow or
    secret, or hold a path of this host.
    """
    if type(value) is str:
        text = ascii(value[:_MAX_CHARACTERS])
    elif type(value) is int and value.bit_length() > _MAX_BITS:
        text = "an integer of many digits"  # Python refuses to print it
    elif value is None or type(value) in {bool, int, float}:
        text = repr(value)
    elif isinstance(value, Enum):
        text = f"{type(value).__name__}.{value.name}"
    elif isinstance(value, date | UUID):
        text = str(value)
    else:
        text = f"this {type(value).__name__}"
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 3]}..."
