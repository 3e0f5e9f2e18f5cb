"""Boxes and the bends of long links as one net that only joins neighbouring columns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.catalog.drawing.layering import Layering

__all__ = ["Net", "weave"]

_BENDS_PER_BOX, _BENDS_LEAST = 4, 2_000


@dataclass(slots=True)
class Net:
    """Vertices in columns: first all boxes by their index, then the bends.

    Attributes:
        heights: Of each vertex; a bend has none.
        components: Number of the connected part of each vertex.
        column_of: Column of each vertex.
        paths: The vertices of each link from left to right; empty for a loop. The two of a link
            that got no bends may be far apart.
        columns: The vertices of each column from top to bottom.
    """

    heights: list[float]
    components: list[int]
    column_of: list[int]
    paths: list[list[int]]
    box_count: int
    columns: list[list[int]]

    def is_bend(self, vertex: int) -> bool:
        """Return whether a line passes here, not a box stands."""
        return vertex >= self.box_count

    def is_step(self, left: int, right: int) -> bool:
        """Return whether two vertices of a path stand in neighbouring columns."""
        return self.column_of[right] - self.column_of[left] == 1

    def steps(self) -> list[tuple[int, int]]:
        """Return the pairs of vertices in neighbouring columns that a link joins."""
        return [pair for path in self.paths for pair in pairwise(path) if self.is_step(*pair)]

    def places(self) -> list[int]:
        """Return the place of each vertex within its column."""
        places = [0] * len(self.heights)
        for column in self.columns:
            for place, vertex in enumerate(column):
                places[vertex] = place
        return places


def weave(links: Sequence[tuple[int, int]], heights: Sequence[float], layering: Layering) -> Net:
    """Return the net of these boxes and links, its columns in the order a walk meets them."""
    net = Net(
        heights=list(heights),
        components=list(layering.components),
        column_of=list(layering.columns),
        paths=[[] for _ in links],
        box_count=len(heights),
        columns=[[] for _ in range(max(layering.columns) + 1)],
    )
    ends = [pair[::-1] if n in layering.backward else pair for n, pair in enumerate(links)]
    spans = [layering.columns[right] - layering.columns[left] for left, right in ends]
    bends_after: dict[int, list[int]] = {}
    # Short links first: a reference that feeds a long chain would need bends without number.
    budget = max(_BENDS_LEAST, _BENDS_PER_BOX * len(heights))
    for index in sorted(range(len(links)), key=spans.__getitem__):
        left, right = ends[index]
        if left == right:
            continue
        bends = []
        if spans[index] - 1 <= budget:
            budget -= spans[index] - 1
            bends = _bend(net, left, right)
            bends_after.setdefault(left, []).extend(bends)
        net.paths[index] = [left, *bends, right]
    for box in layering.visit:
        for vertex in (box, *bends_after.get(box, ())):
            net.columns[net.column_of[vertex]].append(vertex)
    return net


def _bend(net: Net, left: int, right: int) -> list[int]:
    """Add a vertex in each column between two boxes and return them."""
    between = range(net.column_of[left] + 1, net.column_of[right])
    first = len(net.heights)
    net.heights += [0.0] * len(between)
    net.components += [net.components[left]] * len(between)
    net.column_of += between
    return list(range(first, len(net.heights)))
