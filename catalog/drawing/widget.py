"""The interactive view of a graph: the same drawing, to be moved, zoomed and clicked."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from rootcellar.catalog.drawing import svg
from rootcellar.catalog.drawing.colours import FONT, paint, themes
from rootcellar.catalog.drawing.lettering import readable

if TYPE_CHECKING:
    from rootcellar.catalog.drawing.nodes import Drawable

__all__ = ["GraphWidget"]

_SCRIPT = Path(__file__).with_name("widget.js")
_RULES = {
    "": (
        "display:flex;flex-direction:column;border-radius:8px;overflow:hidden",
        f"font:13px/1.45 {FONT}",
        paint("background", "page"),
        paint("color", "ink"),
    ),
    " .rc-stage": (
        "position:relative;overflow:hidden;cursor:grab;touch-action:none;outline-offset:-2px",
    ),
    " .rc-stage.rc-held": ("cursor:grabbing",),
    " .rc-stage svg": ("display:block;transform-origin:0 0;max-width:none!important",),
    " .rc-node": ("cursor:pointer",),
    " .rc-node:focus": ("outline:none",),
    " .rc-node.rc-chosen .s,.rc-widget .rc-node:focus-visible .s": (
        "stroke-width:2.2",
        paint("stroke", "busy"),
    ),
    " .rc-tools": ("position:absolute;right:8px;top:8px;display:flex;gap:4px",),
    " button": (
        "font:inherit;min-width:28px;height:28px;padding:0 8px;border-radius:6px;cursor:pointer",
        "border-width:1px;border-style:solid",
        paint("border-color", "rim"),
        paint("background", "sheet"),
        paint("color", "ink"),
    ),
    " .rc-facts": (
        "padding:8px 14px;min-height:24px;border-top-width:1px;border-top-style:solid",
        paint("border-color", "rule"),
    ),
    " .rc-facts b": ("font-weight:600",),
    " .rc-facts dl": (
        "display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:4px 0 0",
    ),
    # A notebook has rules of its own for lists: bold, and a fifth of the width.
    " .rc-facts dt": (
        "float:none;width:auto;font-weight:400;white-space:nowrap",
        paint("color", "faint"),
    ),
    " .rc-facts dd": ("margin:0;overflow-wrap:anywhere",),
    " .rc-facts p": ("margin:0", paint("color", "faint")),
}
_STYLE = themes(".rc-widget") + "".join(
    f".rc-widget{selector}{{{';'.join(style)}}}" for selector, style in _RULES.items()
)


class GraphWidget(anywidget.AnyWidget):
    """A graph in a notebook; made by `Graph.widget`.

    Attributes:
        drawing: The graph as SVG; its nodes stand in the order of `nodes`.
        nodes: What a `GraphNode` has, one mapping each.
        edges: Of each the `source`, `target` and `label`.
        note: What the reader must know, or empty.
        selected: The id of the node that was clicked, or empty. May be set.
        height: Of the view, in pixels.
    """

    _esm = _SCRIPT
    _css = _STYLE

    drawing = traitlets.Unicode().tag(sync=True)
    nodes = traitlets.List(traitlets.Dict()).tag(sync=True)
    edges = traitlets.List(traitlets.Dict()).tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(420).tag(sync=True)

    def __init__(self, graph: Drawable, **traits: Any) -> None:
        ids = {node.id for node in graph.nodes}
        super().__init__(
            drawing=svg.draw(graph),
            nodes=[_shown(asdict(node)) for node in graph.nodes],
            edges=[
                _shown(asdict(edge))
                for edge in graph.edges
                if edge.source in ids and edge.target in ids
            ],
            note=readable(graph.note),
            **traits,
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the view, and the drawing for where no widget can be shown."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        told = f"{len(self.nodes)} nodes, {len(self.edges)} edges"
        return {**data, "image/svg+xml": self.drawing, "text/plain": told}, metadata


def _shown(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields as they may be shown; ids stay, as they are compared."""
    ids = {"id", "source", "target"}
    return {
        name: readable(value) if isinstance(value, str) and name not in ids else value
        for name, value in fields.items()
    }
