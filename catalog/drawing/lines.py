"""Lines of text for a notebook: as they stand, in its colours, the first one as a title."""

from __future__ import annotations

from html import escape

from rootcellar.catalog.drawing.colours import paint, themes
from rootcellar.catalog.drawing.lettering import readable

__all__ = ["html_lines"]

_FONT = "ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"
_RULES = (
    f".rc-lines{{overflow-x:auto;max-width:100%;display:inline-block;box-sizing:border-box;"
    f"border-radius:8px;padding:10px 14px;font:12.5px/1.55 {_FONT};"
    f"{paint('background', 'page')};{paint('color', 'ink')}}}"
    ".rc-lines pre{margin:0;padding:0;border:0;background:none;font:inherit;color:inherit}"
    f".rc-lines i{{font-style:normal;{paint('color', 'warn')}}}"
)


def html_lines(text: str, *, marked: str = "") -> str:
    """Return the lines as HTML that needs nothing else and follows light and dark.

    Args:
        marked: What stands out wherever a line holds it.
    """
    first, *rest = (escape(readable(line)) for line in text.split("\n"))
    if marked:
        mark = escape(marked)
        rest = [line.replace(mark, f"<i>{mark}</i>") for line in rest]
    lines = "\n".join([f"<b>{first}</b>", *rest])
    style = f"<style>{themes('.rc-lines')}{_RULES}</style>"
    return f'<div class="rc-lines">{style}<pre>{lines}</pre></div>'
