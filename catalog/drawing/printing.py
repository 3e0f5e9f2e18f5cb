"""A table for people: aligned text for terminals and logs, HTML for notebooks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from rootcellar.catalog.drawing.arrow import canonical_json
from rootcellar.catalog.drawing.colours import FONT, paint, themes
from rootcellar.catalog.drawing.lettering import columns_wide, readable, shorten_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.catalog.drawing.arrow import Column

__all__ = ["html_table", "text_table"]

_ROWS_TEXT, _ROWS_HTML = 20, 50
_CELL_MOST, _CELL_LEAST = 48, 24
_HTML_CELL_MOST = 72
_NOTHING = "\N{EN DASH}"
_JSON_WORDS = ("true", "false", "null")
_NUMBERS = ("int", "float")
_ELASTIC = ("str", "json")
_DIGEST = re.compile(r"([a-z0-9]+):([0-9a-f]{32,})")

_RULES = (
    f".rc-table{{overflow-x:auto;max-width:100%;display:inline-block;box-sizing:border-box;"
    f"border-radius:8px;padding:6px 8px;font:13px/1.45 {FONT};"
    f"{paint('background', 'page')};{paint('color', 'ink')}}}"
    ".rc-table table{border-collapse:collapse;margin:0;border:0;font:inherit;color:inherit}"
    ".rc-table th,.rc-table td{padding:5px 14px 5px 8px;text-align:left;white-space:nowrap;"
    "vertical-align:top;background:none;border:0}"
    f".rc-table th{{font-weight:600;font-size:12px;{paint('color', 'faint')};"
    f"{paint('border-bottom:1px solid', 'rim').replace('solid:', 'solid ')}}}"
    f".rc-table td{{{paint('border-bottom:1px solid', 'rule').replace('solid:', 'solid ')}}}"
    ".rc-table tr:last-child td{border-bottom:0}"
    ".rc-table .n{text-align:right;font-variant-numeric:tabular-nums}"
    ".rc-table time,.rc-table td.w{font-variant-numeric:tabular-nums}"
    ".rc-table code{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;"
    "background:none;color:inherit;padding:0}"
    f".rc-table .o{{{paint('color', 'mute')}}}"
    f".rc-table p{{margin:6px 8px 4px;font-size:12px;{paint('color', 'faint')}}}"
    f".rc-table tbody tr:hover{{{paint('background', 'band')}}}"
)


class _Cell(NamedTuple):
    """A value as it is shown, and whole."""

    shown: str
    whole: str


def text_table(columns: Sequence[Column], rows: Sequence[tuple[object, ...]], note: str) -> str:
    """Return the first rows as aligned text that fits the terminal, or 100 cells without one."""
    shown = rows[:_ROWS_TEXT]
    across = shutil.get_terminal_size((100, 24)).columns
    cells = [
        [_heading(column), *(_cell(row[place], column.kind).shown for row in shown)]
        for place, column in enumerate(columns)
    ]
    widths, kept = _fit([max(map(columns_wide, column)) for column in cells], columns, across)
    lines = []
    for place in range(len(shown) + 1):
        line = [
            _pad(column[place], wide, right=kind.kind in _NUMBERS)
            for column, wide, kind in zip(cells[:kept], widths, columns, strict=False)
        ]
        lines.append("  ".join(line).rstrip())
        if place == 0:
            lines.append("  ".join("─" * wide for wide in widths))
    more = _more(len(rows) - len(shown), len(columns) - kept)
    lines = lines if columns else []
    if not rows:
        lines.append("(no rows)")
    return "\n".join([*lines, *([f"… {more}"] if more else []), *_noted(note)])


def html_table(columns: Sequence[Column], rows: Sequence[tuple[object, ...]], note: str) -> str:
    """Return the first rows as HTML that needs nothing else and follows light and dark."""
    shown = rows[:_ROWS_HTML]
    head = "".join(
        f'<th{_css_class(column.kind)} scope="col">{escape(_heading(column))}</th>'
        for column in columns
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{_css_class(column.kind)}>{_html_cell(value, column.kind)}</td>"
            for value, column in zip(row, columns, strict=True)
        )
        + "</tr>"
        for row in shown
    )
    more = _more(len(rows) - len(shown), 0)
    foot = "no rows" if not rows else f"{more}" if more else ""
    notes = [part for part in (foot, readable(note)) if part]
    return (
        f'<div class="rc-table"><style>{themes(".rc-table")}{_RULES}</style>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        + "".join(f"<p>{escape(part)}</p>" for part in notes)
        + "</div>"
    )


def _heading(column: Column) -> str:
    name = readable(column.name)
    return f"{name} (UTC)" if column.kind == "time" else name


def _cell(value: object, kind: str) -> _Cell:
    if value is None:
        return _Cell(_NOTHING, "")
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return _Cell(f"{moment:%Y-%m-%d %H:%M:%S}", moment.isoformat())
    if isinstance(value, bool):
        return _Cell("yes" if value else "no", "")
    if isinstance(value, float):
        return _Cell(f"{value:.6g}", repr(value))
    if kind == "json":
        return _Cell(readable(_plain_json(value)), readable(canonical_json(value)))
    whole = readable(str(value))
    digest = _DIGEST.fullmatch(whole)
    return _Cell(f"{digest[1]}:{digest[2][:12]}…" if digest else whole, whole)


def _plain_json(value: object) -> str:
    """Return a mapping as `station=3, turbine=e126`, and any other value as JSON text."""
    if not isinstance(value, Mapping):
        return canonical_json(value)
    if not value:
        return _NOTHING
    return ", ".join(f"{name}={_plain_word(item)}" for name, item in value.items())


def _plain_word(value: object) -> str:
    """Return a text without its quotes if nothing else is spelt like it."""
    is_word = isinstance(value, str) and value.isidentifier()
    return str(value) if is_word and value not in _JSON_WORDS else canonical_json(value)


def _html_cell(value: object, kind: str) -> str:
    shown, whole = _cell(value, kind)
    if value is None:
        return f'<span class="o">{shown}</span>'
    if isinstance(value, datetime):
        return f'<time datetime="{whole}" title="{whole}">{shown}</time>'
    short = shorten_columns(shown, _HTML_CELL_MOST)
    title = f' title="{escape(whole)}"' if whole and short != whole else ""
    tag = "code" if _DIGEST.fullmatch(whole) else "span" if title else ""
    return f"<{tag}{title}>{escape(short)}</{tag}>" if tag else escape(short)


def _css_class(kind: str) -> str:
    return ' class="n"' if kind in _NUMBERS else ' class="w"' if kind == "time" else ""


def _fit(widths: list[int], columns: Sequence[Column], across: int) -> tuple[list[int], int]:
    """Return widths that fit and how many columns stay.

    Long text is cut, the widest first. Half a number or time would mislead: rather the last
    columns go.
    """
    is_elastic = [column.kind in _ELASTIC for column in columns]
    widths = [min(w, _CELL_MOST) if soft else w for w, soft in zip(widths, is_elastic, strict=True)]
    shortest = min(_CELL_LEAST, across)
    least = [min(w, shortest) if soft else w for w, soft in zip(widths, is_elastic, strict=True)]
    kept = len(widths)
    while kept > 1 and sum(least[:kept]) + 2 * (kept - 1) > across:
        kept -= 1
    widths = widths[:kept]
    excess = sum(widths) + 2 * (kept - 1) - across
    while excess > 0:
        place = max(range(kept), key=lambda place: widths[place] - least[place])
        if widths[place] <= least[place]:
            break
        widths[place] -= 1
        excess -= 1
    return widths, kept


def _pad(text: str, wide: int, *, right: bool) -> str:
    text = shorten_columns(text, wide)
    space = " " * (wide - columns_wide(text))
    return space + text if right else text + space


def _more(rows: int, columns: int) -> str:
    parts = [
        f"{count:,} more {name}{'s' if count > 1 else ''}"
        for count, name in ((rows, "row"), (columns, "column"))
        if count > 0
    ]
    return " and ".join(parts)


def _noted(note: str) -> list[str]:
    return [f"({readable(note)})"] if note else []
