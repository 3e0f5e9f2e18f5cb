"""What people see: lines, labelled facts and tables that fit the terminal.

On a terminal, tables drop and shorten columns to fit; into a file or a pipe everything is written
whole and without colours. rich decides what is a terminal and obeys NO_COLOR.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from rootcellar.catalog.drawing.lettering import columns_wide, readable, shorten_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Column", "Terminal"]

_GAP = "  "

Style = str | Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table for people.

    Attributes:
        least: Cells it may be shortened to; 0 if it is never shortened.
        rank: Columns of the highest rank go first if room is short; 0 stays.
        right: Numbers stand right.
        style: rich's, or a function from the cell's text to it.
        keeps_end: Shortened at the beginning, as suits dotted names.
    """

    title: str
    least: int = 0
    rank: int = 0
    right: bool = False
    style: Style = ""
    keeps_end: bool = False


class Terminal:
    """A stream for people."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._console = Console(
            file=stream or sys.stdout, highlight=False, markup=False, emoji=False, soft_wrap=True
        )

    @property
    def across(self) -> int | None:
        """Cells per line; None where lines may have any length."""
        if self._console.is_terminal or os.environ.get("COLUMNS"):
            return self._console.width
        return None

    def line(self, *parts: tuple[str, str]) -> None:
        """Write one line of parts, each with its style."""
        self._console.print(Text.assemble(*parts))

    def cut_line(self, *parts: tuple[str, str]) -> None:
        """Write one line, shortened to fit."""
        text = Text.assemble(*((readable(part), style) for part, style in parts))
        if self.across is not None:
            text.truncate(self.across, overflow="ellipsis")
        self._console.print(text)

    def wrapped(self, lead: Sequence[tuple[str, str]], text: str, *, style: str = "") -> None:
        """Write a lead and a text that goes on below itself where the line is full."""
        indent = sum(len(part) for part, _ in lead)
        room = max((self.across or sys.maxsize) - indent, 20)
        lines = textwrap.wrap(readable(text), room, break_on_hyphens=False) or [""]
        self.line(*lead, (lines[0], style))
        for line in lines[1:]:
            self.line((" " * indent, ""), (line, style))

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Write labels and what belongs to them; what is empty is left out."""
        shown = [(label, text) for label, text in facts if text]
        wide = max((len(label) for label, _ in shown), default=0)
        for label, text in shown:
            self.line((f"{label:<{wide}} ", "dim"), (readable(text), ""))

    def table(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
        *,
        indent: str = "",
        note: str = "",
    ) -> None:
        """Write rows under their titles; columns that are empty throughout are left out."""
        cells = [[readable(cell) for cell in row] for row in rows]
        kept = [n for n in range(len(columns)) if any(row[n] for row in cells)]
        widths = {
            n: max(columns_wide(text) for text in (columns[n].title, *(row[n] for row in cells)))
            for n in kept
        }
        if self.across is not None:
            widths = _fitted(columns, widths, self.across - len(indent))
        self._row(columns, widths, [column.title for column in columns], indent, titles=True)
        for row in cells:
            self._row(columns, widths, row, indent, titles=False)
        if note:
            self.line((f"{indent}{note}", "dim"))

    def _row(
        self,
        columns: Sequence[Column],
        widths: dict[int, int],
        row: Sequence[str],
        indent: str,
        *,
        titles: bool,
    ) -> None:
        line = Text(indent)
        for n, wide in widths.items():
            text = _shortened(row[n], wide, keeps_end=columns[n].keeps_end)
            padding = " " * (wide - columns_wide(text))
            style = "dim" if titles else _style(columns[n], row[n])
            if columns[n].right:
                line.append(padding)
            line.append(text, style)
            if not columns[n].right:
                line.append(padding)
            line.append(_GAP)
        line.rstrip()
        self._console.print(line)


def _shortened(text: str, wide: int, *, keeps_end: bool) -> str:
    return shorten_columns(text[::-1], wide)[::-1] if keeps_end else shorten_columns(text, wide)


def _style(column: Column, cell: str) -> str:
    return column.style(cell) if callable(column.style) else column.style


def _fitted(columns: Sequence[Column], widths: dict[int, int], across: int) -> dict[int, int]:
    """Return the widths of the columns that stay: first some go, then some are shortened."""
    widths = dict(widths)
    least = {n: min(columns[n].least or wide, wide) for n, wide in widths.items()}
    while _total(least) > across:
        last = max(least, key=lambda n: columns[n].rank)
        if columns[last].rank == 0:
            break
        del least[last], widths[last]
    while _total(widths) > across:
        widest = max(widths, key=lambda n: widths[n] - least[n])
        if widths[widest] == least[widest]:
            break
        widths[widest] -= 1
    return widths


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * max(len(widths) - 1, 0)
