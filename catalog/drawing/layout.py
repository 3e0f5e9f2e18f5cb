"""A layered layout: boxes in columns from left to right, and the way of every line between them.

Own and small because nothing under a permissive licence draws layers without a binary. After
Sugiyama, Tagawa and Toda (1981): columns by longest path, order by barycentre, heights by the
least squares that keep the order (pool adjacent violators).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rootcellar.catalog.drawing.crossings import order_columns
from rootcellar.catalog.drawing.layering import Layering, assign_layers
from rootcellar.catalog.drawing.levels import level
from rootcellar.catalog.drawing.net import Net, weave

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Box", "Layout", "Link", "Route", "arrange"]

PORT_PITCH = 15.0
"""Distance between two ports of a box; a line of small text fits in between."""

_BEND_LEAST, _BEND_MOST, _BEND_SHARE = 36.0, 130.0, 0.16


_Side = tuple[int, bool]
"""A box, and whether its right side is meant."""
_Port = tuple[bool, str]
"""Whether its links run backward, and its name."""


@dataclass(frozen=True, slots=True)
class Box:
    """A thing to place, with its size; `parity` 0 prefers even columns and 1 odd ones."""

    width: float
    height: float
    parity: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A line from one box to another, by their indices.

    Lines of one port leave or enter a box at one point. A port with room keeps that much of its
    line straight and free of others, for a label.
    """

    source: int
    target: int
    source_port: str = ""
    target_port: str = ""
    source_room: float = 0.0
    target_room: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one link: from left to right in pieces, in turn straight and bent.

    Attributes:
        points: An even number of places `(x, y)`. The line is level from each odd one to the next
            and bends in between. A loop has none.
        is_backward: True if the link runs against the reading direction: the last point is then
            at its source.
        is_loop: True if the link comes back to its own box.
    """

    points: tuple[tuple[float, float], ...]
    is_backward: bool = False
    is_loop: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The finished picture; the origin is its upper left corner.

    Attributes:
        centres: Middle of each box.
        widths: Width of each box: boxes of one parity are as wide as the widest in their column.
        columns: Column of each box.
        routes: Way of each link.
    """

    centres: tuple[tuple[float, float], ...]
    widths: tuple[float, ...]
    columns: tuple[int, ...]
    routes: tuple[Route, ...]
    width: float
    height: float


def arrange(boxes: Sequence[Box], links: Sequence[Link]) -> Layout:
    """Return a place for every box and a way for every link.

    Boxes of a column never overlap and no line of moderate length crosses one. The same input
    gives the same picture. Cycles are drawn; what closes them runs backward.
    """
    if not boxes:
        return Layout((), (), (), (), 0.0, 0.0)
    pairs = [(link.source, link.target) for link in links]
    layering = assign_layers(pairs, [box.parity for box in boxes])
    net = weave(pairs, [box.height for box in boxes], layering)
    order_columns(net)
    offsets = _port_offsets(net, links, layering.backward)
    return _finish(boxes, links, layering, net, _Measures(level(net, offsets), offsets))


def _port_offsets(
    net: Net, links: Sequence[Link], backward: frozenset[int]
) -> list[tuple[float, float]]:
    """Return for each link how far below the middle it leaves its left box and enters its right.

    Ports stand in the order of what they lead to. Links that run backward have their own.
    """
    places = net.places()
    ports: dict[_Side, dict[_Port, list[int]]] = {}
    ends: list[tuple[tuple[_Side, _Port], ...]] = []
    for index, (link, path) in enumerate(zip(links, net.paths, strict=True)):
        if not path:
            ends.append(())
            continue
        turned = index in backward
        names = (link.source_port, link.target_port)
        leaves = ((path[0], True), (turned, names[turned]))
        enters = ((path[-1], False), (turned, names[not turned]))
        for (side, port), other in ((leaves, path[1]), (enters, path[-2])):
            ports.setdefault(side, {}).setdefault(port, []).append(places[other])
        ends.append((leaves, enters))
    offsets: dict[tuple[_Side, _Port], float] = {}
    for side, found in ports.items():
        ordered = sorted(found, key=lambda port: (sum(found[port]) / len(found[port]), port))
        middle = (len(ordered) - 1) / 2
        offsets.update(((side, p), (n - middle) * PORT_PITCH) for n, p in enumerate(ordered))
    return [(offsets[both[0]], offsets[both[1]]) if both else (0.0, 0.0) for both in ends]


class _Measures(NamedTuple):
    """Heights of all vertices, and of each link's ends relative to its boxes."""

    ys: list[float]
    offsets: list[tuple[float, float]]


class _Column(NamedTuple):
    """The band of one column, and the same with the straight rooms beside it."""

    left: float
    right: float
    outer_left: float
    outer_right: float


def _finish(
    boxes: Sequence[Box],
    links: Sequence[Link],
    layering: Layering,
    net: Net,
    measures: _Measures,
) -> Layout:
    widths = _widths(boxes, layering)
    rooms = _rooms(links, layering, net)
    columns = _bands(net, widths, rooms, _bends(net, measures.ys))
    centres = []
    for vertex in range(len(boxes)):
        band = columns[net.column_of[vertex]]
        centres.append(((band.left + band.right) / 2, measures.ys[vertex]))
    routes = []
    for index, (path, (leave, enter)) in enumerate(zip(net.paths, measures.offsets, strict=True)):
        if not path:
            routes.append(Route((), is_loop=True))
            continue
        first, last = path[0], path[-1]
        (start, high), (end, low) = centres[first], centres[last]
        high, low = high + leave, low + enter
        points = [(start + widths[first] / 2, high)]
        points.append((columns[net.column_of[first]].outer_right, high))
        for vertex in path[1:-1]:
            band, y = columns[net.column_of[vertex]], measures.ys[vertex]
            points += [(band.outer_left, y), (band.outer_right, y)]
        points.append((columns[net.column_of[last]].outer_left, low))
        points.append((end - widths[last] / 2, low))
        routes.append(Route(tuple(points), is_backward=index in layering.backward))
    height = max(y + tall / 2 for y, tall in zip(measures.ys, net.heights, strict=True))
    return Layout(
        centres=tuple(centres),
        widths=widths,
        columns=layering.columns,
        routes=tuple(routes),
        width=columns[-1].right,
        height=height,
    )


def _widths(boxes: Sequence[Box], layering: Layering) -> tuple[float, ...]:
    widest: dict[tuple[int, int], float] = {}
    keys = [(column, box.parity) for column, box in zip(layering.columns, boxes, strict=True)]
    for key, box in zip(keys, boxes, strict=True):
        widest[key] = max(widest.get(key, 0.0), box.width)
    return tuple(widest[key] for key in keys)


def _bands(
    net: Net,
    widths: tuple[float, ...],
    rooms: list[tuple[float, float]],
    bends: list[float],
) -> list[_Column]:
    bands: list[_Column] = []
    x = before = 0.0
    for column, (after, coming), bend in zip(net.columns, rooms, bends, strict=True):
        right = x + max((widths[v] for v in column if not net.is_bend(v)), default=0.0)
        bands.append(_Column(x, right, x - before, right + after))
        x, before = right + after + bend + coming, coming
    return bands


def _rooms(links: Sequence[Link], layering: Layering, net: Net) -> list[tuple[float, float]]:
    """Return for the gap after each column the straight room at its left and its right side."""
    rooms = [(0.0, 0.0)] * len(net.columns)
    for index, (link, path) in enumerate(zip(links, net.paths, strict=True)):
        if not path:
            continue
        sides = (link.source_room, link.target_room)
        leave, enter = sides[::-1] if index in layering.backward else sides
        after, before = net.column_of[path[0]], net.column_of[path[-1]] - 1
        rooms[after] = (max(rooms[after][0], leave), rooms[after][1])
        rooms[before] = (rooms[before][0], max(rooms[before][1], enter))
    return rooms


def _bends(net: Net, ys: list[float]) -> list[float]:
    """Return the room for curves after each column: more where lines climb more."""
    climbs = [0.0] * len(net.columns)
    for a, b in net.steps():
        column = net.column_of[a]
        climbs[column] = max(climbs[column], abs(ys[a] - ys[b]))
    bends = [min(_BEND_MOST, _BEND_LEAST + _BEND_SHARE * climb) for climb in climbs]
    bends[-1] = 0.0
    return bends
