"""Text on its way to a drawing or a terminal: what may be shown, and how wide it is."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["columns_wide", "readable", "shorten", "shorten_columns", "width", "wrap"]

_UNSHOWABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_SPACES = re.compile(r"[\t\n\r\v\f\x85\u2028\u2029]+")
_ELLIPSIS = "…"

# Advance widths in thousandths of the font size, of the metrics that Helvetica, Arial and
# Liberation Sans share; the drawings ask for these fonts so that the estimate holds.
_WIDTHS = {
    **dict.fromkeys("ijl'|", 222),
    **dict.fromkeys(" fIt.,:;/\\![]", 278),
    **dict.fromkeys("r()-`", 333),
    **dict.fromkeys("ckJsvxyz", 500),
    **dict.fromkeys("FTZ=+<>~", 600),
    **dict.fromkeys("ABEKPSVXY&", 667),
    **dict.fromkeys("CDHNRUw", 722),
    **dict.fromkeys("GOQ", 778),
    **dict.fromkeys("mM%", 850),
    **dict.fromkeys("W@…—", 1000),
}


def readable(text: str) -> str:
    """Return the text on one line, with what no display may get replaced by `\ufffd`.

    Control characters, lone surrogates and marks that turn the reading direction could end an XML
    document, drive a terminal or make a title lie.
    """
    return _UNSHOWABLE.sub("\ufffd", _SPACES.sub(" ", text))


def width(text: str, size: float) -> float:
    """Return the estimated width of the text at this font size, in the unit of the size."""
    return sum(_WIDTHS.get(letter) or _other_width(letter) for letter in text) * size / 1000


def _other_width(letter: str) -> int:
    if letter.isascii():
        return 556
    if unicodedata.combining(letter):
        return 0
    return 1000 if unicodedata.east_asian_width(letter) in "WF" else 640


def shorten(text: str, room: float, size: float) -> str:
    """Return the text, cut with an ellipsis if it is wider than the room."""
    if width(text, size) <= room:
        return text
    room -= width(_ELLIPSIS, size)
    end = 0
    for letter in text:
        room -= width(letter, size)
        if room < 0:
            break
        end += 1
    return text[:end].rstrip() + _ELLIPSIS


def wrap(text: str, room: float, size: float) -> list[str]:
    """Return the text as lines no wider than the room, cut where a single word is wider."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(shorten(word, room, size))
    return lines


def columns_wide(text: str) -> int:
    """Return how many cells of a terminal the text fills."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


def shorten_columns(text: str, room: int) -> str:
    """Return the text, cut with an ellipsis if it fills more cells than the room has."""
    if columns_wide(text) <= room:
        return text
    end, left = 0, room - 1
    for letter in text:
        left -= columns_wide(letter)
        if left < 0:
            break
        end += 1
    return text[:end].rstrip() + _ELLIPSIS
