"""A graph as a drawing: versions as sheets, runs as pills, arguments as names on their lines."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from rootcellar.catalog.drawing.colours import FONT, paint, themes
from rootcellar.catalog.drawing.layout import PORT_PITCH, Box, Layout, Link, Route, arrange
from rootcellar.catalog.drawing.lettering import readable, shorten, width, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootcellar.catalog.drawing.nodes import Drawable, GraphEdge, GraphNode

__all__ = ["draw"]

_MARGIN = 24.0
_TITLE, _DETAIL, _LABEL, _NOTE = 12.5, 10.5, 10.5, 10.5
_TEXT_MOST, _LABEL_MOST = 260.0, 110.0
_SHEET_PAD, _PILL_LEFT, _PILL_RIGHT = 12.0, 27.0, 15.0
_LOW, _TALL, _ROUND, _FOLD = 30.0, 42.0, 5.0, 8.0
_STACK = 3.5
_ARROW = 6.0
_LEAST_WIDTH = 260.0
_SHRINK = 0.8  # of its size a page may scale a drawing to; then it scrolls

_RUN_TONES = {
    "succeeded": "good", "failed": "bad", "running": "busy", "reused": "calm", "retried": "warn",
    "lost": "lost",
}  # fmt: skip
_VERSION_TONES = {"focus": "busy", "stale": "warn", "changed": "warn", "missing": "bad"}
_DASHED = frozenset({"missing", "retired", "superseded"})

# Signs inside a circle of radius 7, so that a state can be told without its colour.
_SIGNS = {
    "succeeded": "M-3 .3-.9 2.4 3.2-2.2",
    "failed": "M-2.3-2.3 2.3 2.3M2.3-2.3-2.3 2.3",
    "running": "M-1.6-2.7 2.8 0-1.6 2.7Z",
    "reused": "M-2.8-1.4H2.8M-2.8 1.4H2.8",
    "retried": "M2.6-1.6A3.1 3.1 0 1 0 3.1.5M3-3.6V-1.3H.7",
    "skipped": "M-2.3-2.5.5 0-2.3 2.5M2.4-2.5V2.5",
    "lost": "M-2.9 0h.01M0 0h.01M2.9 0h.01",
}

_RULES = "".join(
    f".rc-graph {selector}{{{';'.join(style)}}}"
    for selector, style in {
        "text": (f"font-family:{FONT}", f"font-size:{_TITLE}px", paint("fill", "ink")),
        ".d": (f"font-size:{_DETAIL}px", paint("fill", "faint")),
        ".l": (f"font-size:{_LABEL}px", paint("fill", "faint")),
        ".page": (paint("fill", "page"),),
        ".e": ("fill:none", "stroke-width:1.25", paint("stroke", "line")),
        ".b": ("stroke-dasharray:5 4",),
        ".a": ("stroke:none", paint("fill", "line")),
        ".s": ("stroke-width:1", paint("fill", "sheet"), paint("stroke", "rim")),
        ".x": ("stroke-dasharray:4 3",),
        ".c": ("fill:none", "stroke-width:1", paint("stroke", "rim")),
        ".i": (
            "fill:none", "stroke-width:1.6", "stroke-linecap:round", "stroke-linejoin:round",
            paint("stroke", "sheet"),
        ),
    }.items()
)  # fmt: skip
_TONES = "".join(
    f".rc-graph .{tone} .t{{stroke-width:1.1;fill-opacity:.11;stroke-opacity:.6;"
    f"{paint('fill', tone)};{paint('stroke', tone)}}}"
    f".rc-graph .{tone} .k{{{paint('fill', tone)}}}"
    f".rc-graph .{tone} .c{{stroke-opacity:.6;{paint('stroke', tone)}}}"
    for tone in ("good", "bad", "busy", "calm", "warn", "mute", "lost")
)


class _Drawn(NamedTuple):
    """A node with its words as they fit, and its box."""

    node: GraphNode
    title: str
    detail: str
    box: Box


def draw(graph: Drawable) -> str:
    """Return the graph as one self-contained SVG document."""
    indices = {node.id: index for index, node in enumerate(graph.nodes)}
    edges = [edge for edge in graph.edges if edge.source in indices and edge.target in indices]
    drawn = _measure(graph, edges, indices)
    links = [_link(edge, graph, indices) for edge in edges]
    layout = arrange([item.box for item in drawn], links)
    inner = max(layout.width + _STACK, _LEAST_WIDTH - 2 * _MARGIN)
    note = wrap(readable(graph.note), inner, _NOTE)
    height = layout.height + 2 * _MARGIN + (14 * len(note) + 12 if note else 0)
    if not graph.nodes:
        note, height = note or ["Nothing recorded"], 14.0 * max(len(note), 1) + 26
    parts = [
        _opening(inner + 2 * _MARGIN, height),
        f"<title>Lineage: {len(graph.nodes)} nodes, {len(edges)} edges</title>",
        f"<style>{themes('.rc-graph')}{_RULES}{_TONES}</style>",
        '<rect class="page" width="100%" height="100%" rx="8"/>',
        f'<g transform="translate({_n(_MARGIN)} {_n(_MARGIN)})">',
        *_lines(layout, edges, drawn),
        *(
            _node(item, centre, across)
            for item, centre, across in zip(drawn, layout.centres, layout.widths, strict=True)
        ),
        *_names(layout, links, drawn),
        "</g>",
        *_note(note, height),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _opening(across: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="rc-graph" role="img" width="{_n(across)}" '
        f'height="{_n(height)}" viewBox="0 0 {_n(across)} {_n(height)}" '
        f'style="max-width:100%;min-width:{_n(_SHRINK * across)}px;height:auto">'
    )


def _measure(graph: Drawable, edges: list[GraphEdge], indices: dict[str, int]) -> list[_Drawn]:
    ports: list[tuple[set[str], set[str]]] = [(set(), set()) for _ in graph.nodes]
    for edge in edges:
        ports[indices[edge.source]][1].add(edge.label if _at_source(edge, graph, indices) else "")
        ports[indices[edge.target]][0].add("" if _at_source(edge, graph, indices) else edge.label)
    drawn = []
    for node, sides in zip(graph.nodes, ports, strict=True):
        title = shorten(readable(node.title), _TEXT_MOST, _TITLE)
        detail = shorten(readable(node.detail), _TEXT_MOST, _DETAIL)
        across = max(width(title, _TITLE), width(detail, _DETAIL))
        across += _PILL_LEFT + _PILL_RIGHT if node.kind == "run" else 2 * _SHEET_PAD + 4
        tall = max(_TALL if detail else _LOW, PORT_PITCH * max(map(len, sides)) + 12)
        box = Box(max(across, 64.0), tall + 2 * _spare(node), parity=int(node.kind == "run"))
        drawn.append(_Drawn(node, title, detail, box))
    return drawn


def _spare(node: GraphNode) -> float:
    """Return how far the sheets behind a folded node stand out."""
    return 2 * _STACK if node.count > 1 else 0.0


def _at_source(edge: GraphEdge, graph: Drawable, indices: dict[str, int]) -> bool:
    """Return whether a label belongs to the source: an argument is its run's."""
    source, target = graph.nodes[indices[edge.source]], graph.nodes[indices[edge.target]]
    return source.kind == "run" and target.kind == "version"


def _link(edge: GraphEdge, graph: Drawable, indices: dict[str, int]) -> Link:
    label = readable(edge.label)
    room = width(shorten(label, _LABEL_MOST, _LABEL), _LABEL) + 14 if label else 0.0
    source, target = indices[edge.source], indices[edge.target]
    if _at_source(edge, graph, indices):
        room += _spare(graph.nodes[source])
        return Link(source, target, source_port=label, source_room=room, target_room=_ARROW + 4)
    return Link(source, target, target_port=label, target_room=room + _ARROW)


def _lines(layout: Layout, edges: list[GraphEdge], drawn: list[_Drawn]) -> Iterator[str]:
    heads: dict[tuple[float, float, int], None] = {}
    level: set[tuple[float, float, float]] = set()
    for edge, link, route in zip(edges, _ends(edges, drawn), layout.routes, strict=True):
        says = f"{drawn[link[0]].node.title} → {drawn[link[1]].node.title}"
        tip = _tip(f"{edge.label}: {says}" if edge.label else says)
        if route.is_loop:
            yield f'<path class="e b" d="{_loop(layout, link[0], drawn)}">{tip}</path>'
            continue
        style = "e b" if route.is_backward else "e"
        yield f'<path class="{style}" d="{_way(route, level)}">{tip}</path>'
        x, y = route.points[0 if route.is_backward else -1]
        heads[x, y, 1 if route.is_backward else -1] = None
    for x, y, side in heads:
        back = x + side * _ARROW
        yield (f'<path class="a" d="M{_n(x)} {_n(y)}L{_n(back)} {_n(y - 3.4)}V{_n(y + 3.4)}Z"/>')


def _ends(edges: list[GraphEdge], drawn: list[_Drawn]) -> list[tuple[int, int]]:
    indices = {item.node.id: index for index, item in enumerate(drawn)}
    return [(indices[edge.source], indices[edge.target]) for edge in edges]


def _way(route: Route, level: set[tuple[float, float, float]]) -> str:
    (x, y), *rest = route.points
    steps = [f"M{_n(x)} {_n(y)}"]
    for place, (end_x, end_y) in enumerate(rest):
        if place % 2 == 0:
            # Fifteen lines into one port share its last piece: drawn once, or it would look bold.
            is_drawn = (x, end_x, y) in level
            steps.append(f"M{_n(end_x)} {_n(y)}" if is_drawn else f"H{_n(end_x)}")
            level.add((x, end_x, y))
        elif end_y == y:
            steps.append(f"H{_n(end_x)}")
        else:
            middle = _n((x + end_x) / 2)
            steps.append(f"C{middle} {_n(y)} {middle} {_n(end_y)} {_n(end_x)} {_n(end_y)}")
        x, y = end_x, end_y
    return "".join(steps)


def _loop(layout: Layout, index: int, drawn: list[_Drawn]) -> str:
    x, y = layout.centres[index]
    top = y - drawn[index].box.height / 2
    return f"M{_n(x + 12)} {_n(top)}c6-13-30-13-24 0"


def _names(layout: Layout, links: list[Link], drawn: list[_Drawn]) -> Iterator[str]:
    names: dict[tuple[float, float, bool, str], None] = {}  # a port's name is written once
    for link, route in zip(links, layout.routes, strict=True):
        for label, is_source in ((link.source_port, True), (link.target_port, False)):
            if not label or route.is_loop:
                continue
            is_left = is_source != route.is_backward
            x, y = route.points[0 if is_left else -1]
            if is_left:
                x += _spare(drawn[link.source if is_source else link.target].node)
            names[x, y, is_left, label] = None
    for x, y, is_left, label in names:
        fitting = shorten(label, _LABEL_MOST, _LABEL)
        where = _n(x + 5) if is_left else _n(x - _ARROW - 3)
        anchor = "" if is_left else ' text-anchor="end"'
        tip = _tip(label) if fitting != label else ""
        yield f'<text class="l" x="{where}" y="{_n(y - 4)}"{anchor}>{_safe(fitting)}{tip}</text>'


def _node(item: _Drawn, centre: tuple[float, float], across: float) -> str:
    node = item.node
    tones = _RUN_TONES if node.kind == "run" else _VERSION_TONES
    tone = tones.get(node.state, "mute" if node.kind == "run" else "")
    tall = item.box.height - 2 * _spare(node)
    left, top = centre[0] - across / 2, centre[1] - tall / 2
    shape = _pill if node.kind == "run" else _sheet
    tip = "\n".join(part for part in (node.title, node.detail, node.state) if part)
    pieces = [f'<g class="{tone}" transform="translate({_n(left)} {_n(top)})">', _tip(tip)]
    if node.count > 1:
        for step in (2, 1):
            shift = _n(step * _STACK)
            pieces.append(f'<g transform="translate({shift} {shift})">')
            pieces.append(shape(across, tall, node.state, is_top=False) + "</g>")
    pieces.append(shape(across, tall, node.state, is_top=True))
    x = _PILL_LEFT if node.kind == "run" else _SHEET_PAD
    middle = tall / 2
    if item.detail:
        pieces.append(f'<text x="{_n(x)}" y="{_n(middle - 2.5)}">{_safe(item.title)}</text>')
        pieces.append(
            f'<text class="d" x="{_n(x)}" y="{_n(middle + 12)}">{_safe(item.detail)}</text>'
        )
    else:
        pieces.append(f'<text x="{_n(x)}" y="{_n(middle + 4.3)}">{_safe(item.title)}</text>')
    return "".join([*pieces, "</g>"])


def _pill(across: float, tall: float, state: str, *, is_top: bool) -> str:
    frame = f'width="{_n(across)}" height="{_n(tall)}" rx="{_n(min(tall, _TALL) / 2)}"'
    body = f'<rect class="s" {frame}/><rect class="t" {frame}/>'
    if not is_top:
        return body
    sign = _SIGNS.get(state, "")
    mark = f'<circle class="k" r="{7 if sign else 3.5}"/>'
    if sign:
        mark += f'<path class="i" d="{sign}"/>'
    return body + f'<g transform="translate(15.5 {_n(tall / 2)})">{mark}</g>'


def _sheet(across: float, tall: float, state: str, *, is_top: bool) -> str:
    edge, inner = across - _FOLD, across - _ROUND
    outline = (
        f"M{_n(_ROUND)} 0H{_n(edge)}L{_n(across)} {_n(_FOLD)}V{_n(tall - _ROUND)}"
        f"Q{_n(across)} {_n(tall)} {_n(inner)} {_n(tall)}H{_n(_ROUND)}"
        f"Q0 {_n(tall)} 0 {_n(tall - _ROUND)}V{_n(_ROUND)}Q0 0 {_n(_ROUND)} 0Z"
    )
    dashed = " x" if state in _DASHED else ""
    body = f'<path class="s{dashed}" d="{outline}"/>'
    if _VERSION_TONES.get(state):
        body += f'<path class="t{dashed}" d="{outline}"/>'
    if is_top:
        body += f'<path class="c" d="M{_n(edge)} 0V{_n(_FOLD)}H{_n(across)}"/>'
    return body


def _note(lines: list[str], height: float) -> Iterator[str]:
    for place, line in enumerate(lines):
        y = height - 16 - 14 * (len(lines) - 1 - place)
        yield f'<text class="d" x="{_n(_MARGIN)}" y="{_n(y)}">{_safe(line)}</text>'


def _tip(words: str) -> str:
    # Line by line: a line break is welcome in a tooltip.
    return f"<title>{escape(chr(10).join(map(readable, words.split(chr(10)))))}</title>"


def _safe(words: str) -> str:
    return escape(readable(words))


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
