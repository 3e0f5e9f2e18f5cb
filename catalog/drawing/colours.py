"""The few colours of drawings and tables, by light and by dark."""

from __future__ import annotations

__all__ = ["FONT", "paint", "themes"]

FONT = "'Helvetica Neue',Helvetica,Arial,'Liberation Sans',sans-serif"

_LIGHT = {
    "page": "#fbfaf8",
    "sheet": "#ffffff",
    "band": "#f4f2ee",
    "rim": "#cdc9c1",
    "rule": "#e6e2db",
    "ink": "#25272c",
    "faint": "#72747b",
    "line": "#b4b1aa",
    "good": "#3f8a63",
    "bad": "#c2483d",
    "busy": "#3a74b8",
    "calm": "#3f8490",
    "warn": "#b07a1e",
    "mute": "#8b8d94",
    "lost": "#8a5ca8",
}
_DARK = {
    "page": "#1b1c1f",
    "sheet": "#26282c",
    "band": "#2a2c31",
    "rim": "#4a4d54",
    "rule": "#36383e",
    "ink": "#e6e4df",
    "faint": "#9c9ea6",
    "line": "#62656d",
    "good": "#6cbf93",
    "bad": "#ec857a",
    "busy": "#79aee6",
    "calm": "#77bcc8",
    "warn": "#dcae5c",
    "mute": "#8f929b",
    "lost": "#bf97da",
}


def paint(style: str, token: str) -> str:
    """Return a CSS declaration of one colour.

    It is written twice: programs that know no variables keep the first, light one.
    """
    return f"{style}:{_LIGHT[token]};{style}:var(--rc-{token})"


def themes(selector: str) -> str:
    """Return the CSS that sets the colours of an element: by the reader's system, or by its host.

    JupyterLab and VS Code have themes of their own, which go before the system's.
    """
    light, dark = (
        ";".join(f"--rc-{token}:{colour}" for token, colour in colours.items())
        for colours in (_LIGHT, _DARK)
    )
    hosts_light = f"[data-jp-theme-light=true] {selector},.vscode-light {selector}"
    hosts_dark = f"[data-jp-theme-light=false] {selector},.vscode-dark {selector}"
    return (
        f"{selector},{hosts_light}{{{light}}}"
        f"@media (prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
        f"{hosts_light}{{{light}}}{hosts_dark}{{{dark}}}"
    )
