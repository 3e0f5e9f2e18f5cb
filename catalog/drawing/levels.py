"""How high each box and bend stands: lines nearly straight, groups around what they share."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.catalog.drawing.net import Net

__all__ = ["level"]

_BOX_GAP, _LINE_GAP, _PART_GAP = 16.0, 12.0, 34.0
_KEEP_LONG = 8.0
_NEAR = 60.0
_LARGE = 1_500

_Force = tuple[int, float, float]
"""A neighbour, how strongly it draws, and how far below it the drawn one wants to be."""


class _Segment(NamedTuple):
    """One step of a link, from a vertex to one in the next column that lies `drop` lower."""

    left: int
    right: int
    drop: float


class _Forces(NamedTuple):
    """What draws each vertex: from the column before, from the one after, from both."""

    pulls: list[list[_Force]]
    pushes: list[list[_Force]]
    both: list[list[_Force]]


def level(net: Net, offsets: Sequence[tuple[float, float]]) -> list[float]:
    """Return the height of the middle of every vertex; the upper edge of all is 0.

    Args:
        net: Its columns in their final order.
        offsets: For each link, how far below the middle it leaves its left box and enters its
            right one.
    """
    forces = _forces(net, _segments(net, offsets))
    gaps = [_gaps(net, column) for column in net.columns]
    ys = [0.0] * len(net.heights)
    for column, below in zip(net.columns, gaps, strict=True):
        y = -sum(below) / 2
        for vertex, gap in zip(column, below, strict=True):
            y += gap
            ys[vertex] = y
    is_large = len(ys) > _LARGE
    steps = [(forces.pulls, 1), (forces.pushes, -1)] * (1 if is_large else 2)
    steps.append((forces.pulls, 1))
    steps += [(forces.both, -1), (forces.both, 1)] * (1 if is_large else 4)
    for drawing, direction in steps:
        for n in range(len(gaps))[::direction]:
            _settle(net.columns[n], gaps[n], drawing, ys)
    for column, below in zip(net.columns, gaps, strict=True):
        _straighten(column, below, forces.pulls, ys)
    top = min(y - height / 2 for y, height in zip(ys, net.heights, strict=True))
    return [round(y - top, 2) for y in ys]


def _segments(net: Net, offsets: Sequence[tuple[float, float]]) -> list[_Segment]:
    segments = []
    for path, (leave, enter) in zip(net.paths, offsets, strict=True):
        for n, (a, b) in enumerate(pairwise(path)):
            if net.is_step(a, b):
                drop = (leave if n == 0 else 0.0) - (enter if n == len(path) - 2 else 0.0)
                segments.append(_Segment(a, b, drop))
    return segments


def _forces(net: Net, segments: list[_Segment]) -> _Forces:
    leaving = Counter(a for a, _, _ in segments)
    entering = Counter(b for _, b, _ in segments)
    pulls: list[list[_Force]] = [[] for _ in net.heights]
    pushes: list[list[_Force]] = [[] for _ in net.heights]
    for a, b, drop in segments:
        # One among many draws a hub as much as the others do; the hub draws each of them little.
        stiffness = _KEEP_LONG if net.is_bend(a) and net.is_bend(b) else 1.0
        pulls[b].append((a, stiffness / leaving[a], drop))
        pushes[a].append((b, stiffness / entering[b], -drop))
    return _Forces(pulls, pushes, [x + y for x, y in zip(pulls, pushes, strict=True)])


def _gaps(net: Net, column: list[int]) -> list[float]:
    """Return the least distance of each vertex of a column from the one above it."""
    distances = [0.0]
    for above, below in pairwise(column):
        gap = _LINE_GAP if net.is_bend(above) or net.is_bend(below) else _BOX_GAP
        if net.components[above] != net.components[below]:
            gap = _PART_GAP
        distances.append((net.heights[above] + net.heights[below]) / 2 + gap)
    return distances


def _settle(
    column: list[int],
    gaps: list[float],
    forces: list[list[_Force]],
    ys: list[float],
) -> None:
    """Move a column to the least squares of what its vertices want, in order and apart."""
    blocks: list[tuple[float, float, int]] = []  # sum of weighted wishes, of weights, length
    depth, depths = 0.0, []
    for vertex, gap in zip(column, gaps, strict=True):
        depth += gap
        depths.append(depth)
        weight, wish = 0.001, 0.001 * ys[vertex]
        for other, pull, drop in forces[vertex]:
            goal = ys[other] + drop
            # No stronger from afar: one distant reader must not draw a box away from its like.
            distance = abs(goal - ys[vertex])
            strength = pull if distance <= _NEAR else pull * _NEAR / distance
            weight += strength
            wish += strength * goal
        wish, length = wish - weight * depth, 1
        while blocks and blocks[-1][0] * weight >= wish * blocks[-1][1]:
            earlier = blocks.pop()
            wish, weight, length = wish + earlier[0], weight + earlier[1], length + earlier[2]
        blocks.append((wish, weight, length))
    place = 0
    for wish, weight, length in blocks:
        for vertex in column[place : place + length]:
            ys[vertex] = wish / weight + depths[place]
            place += 1


def _straighten(
    column: list[int],
    gaps: list[float],
    pulls: list[list[_Force]],
    ys: list[float],
) -> None:
    """Take out the small bends of lines that nothing else bends, as far as there is room."""
    for place, vertex in enumerate(column):
        if len(pulls[vertex]) != 1:
            continue
        other, strength, drop = pulls[vertex][0]
        if strength < 1:
            continue
        goal = ys[other] + drop
        if place + 1 < len(column):
            goal = min(goal, ys[column[place + 1]] - gaps[place + 1])
        if place:
            goal = max(goal, ys[column[place - 1]] + gaps[place])
        ys[vertex] = goal
