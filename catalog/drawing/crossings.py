"""The order within each column: few lines that cross."""

from __future__ import annotations

from bisect import bisect_right, insort
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.catalog.drawing.net import Net

__all__ = ["count_crossings", "order_columns"]

_LARGE = 800
"""Vertices from which on fewer sweeps are made."""
_SMALL = 500
"""Vertices up to which neighbours are also tried the other way round, two by two."""

_PATIENCE = 3


class _Neighbours(NamedTuple):
    """Of each vertex: those in the column before, those in the one after, its connected part."""

    left: list[list[int]]
    right: list[list[int]]
    components: list[int]


def order_columns(net: Net) -> None:
    """Sort the vertices of the net's columns by the mean place of their neighbours.

    Unconnected parts stay apart: all of one part stand above all of the next.
    """
    near = _Neighbours([[] for _ in net.heights], [[] for _ in net.heights], net.components)
    for a, b in net.steps():
        near.right[a].append(b)
        near.left[b].append(a)
    current = [sorted(column, key=net.components.__getitem__) for column in net.columns]
    net.columns, fewest = [list(column) for column in current], count_crossings(current, near.right)
    size = len(net.heights)
    stale = 0
    for turn in range(3 if size > _LARGE else 8):
        if fewest == 0 or stale == _PATIENCE:
            break
        places = _places(current, size)
        if turn % 2:  # equal means change places, or many an order would never be tried
            for column in current:
                column.reverse()
        _sweep(current[1:], near.left, near.components, places)
        _sweep(current[-2::-1], near.right, near.components, places)
        if size <= _SMALL:
            _swap_neighbours(current, near, places)
        crossings = count_crossings(current, near.right)
        stale += 1
        if crossings < fewest:
            net.columns, fewest, stale = [list(column) for column in current], crossings, 0


def _places(columns: list[list[int]], size: int) -> list[int]:
    places = [0] * size
    for column in columns:
        for place, vertex in enumerate(column):
            places[vertex] = place
    return places


def count_crossings(columns: Sequence[Sequence[int]], right: Sequence[Sequence[int]]) -> int:
    """Return how many pairs of lines between neighbouring columns cross.

    Args:
        columns: Vertices of each column from top to bottom.
        right: For each vertex its neighbours in the next column.
    """
    crossings = 0
    for column, following in pairwise(columns):
        places = {vertex: place for place, vertex in enumerate(following)}
        passed: list[int] = []
        for vertex in column:
            ends = sorted(places[other] for other in right[vertex])
            for end in ends:
                crossings += len(passed) - bisect_right(passed, end)
            for end in ends:
                insort(passed, end)
    return crossings


def _sweep(
    columns: list[list[int]],
    neighbours: list[list[int]],
    components: list[int],
    places: list[int],
) -> None:
    for column in columns:
        keys = {}
        for vertex in column:
            found = neighbours[vertex]
            mean = sum(places[other] for other in found) / len(found) if found else places[vertex]
            keys[vertex] = (components[vertex], mean)
        column.sort(key=keys.__getitem__)
        for place, vertex in enumerate(column):
            places[vertex] = place


def _swap_neighbours(columns: list[list[int]], near: _Neighbours, places: list[int]) -> None:
    for column in columns:
        for place in range(len(column) - 1):
            above, below = column[place], column[place + 1]
            if near.components[above] != near.components[below]:
                continue
            gain = 0
            for side in (near.left, near.right):
                lower = [places[other] for other in side[below]]
                for up in (places[other] for other in side[above]):
                    gain += sum((up > down) - (up < down) for down in lower)
            if gain > 0:
                column[place], column[place + 1] = below, above
                places[above], places[below] = place + 1, place
