"""Shape: which texts a field can render, as far as grammar and overlap proof must know."""

from __future__ import annotations

import string
from dataclasses import dataclass

__all__ = ["DIGITS", "NONZERO", "Piece", "Shape", "continuing", "fixed_width", "spelled"]

DIGITS = frozenset(string.digits)
NONZERO = DIGITS - {"0"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters out of one set, `least` to `most` long; None is no limit."""

    characters: frozenset[str]
    least: int = 1
    most: int | None = 1


Shape = tuple[tuple[Piece, ...], ...]
"""Alternatives, each a sequence of pieces. May hold more texts than are rendered, never fewer."""


def spelled(text: str) -> tuple[Piece, ...]:
    """Return the pieces of exactly this text."""
    return tuple(Piece(frozenset(character)) for character in text)


def fixed_width(shape: Shape) -> int | None:
    """Return how many characters every text of the shape has, or None if they differ."""
    widths = {
        sum(piece.least for piece in pieces)
        if all(piece.least == piece.most for piece in pieces)
        else None
        for pieces in shape
    }
    return widths.pop() if len(widths) == 1 else None


def continuing(shape: Shape) -> frozenset[str]:
    """Return every character that can stand in a text of the shape after its first place.

    The first place is left out because a sign can only stand there: `{year}-{month}` is clear.
    """
    found: set[str] = set()
    for first, *rest in shape:
        if first.most != 1:
            found |= first.characters
        for piece in rest:
            found |= piece.characters
    return frozenset(found)
