"""Columns for the boxes of a drawing: cycles broken, every link pointing from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Layering", "assign_layers"]

_UNSEEN, _OPEN, _DONE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Layering:
    """Where each box stands before anything is placed.

    Attributes:
        columns: Column of each box, from 0 and without gaps.
        backward: Indices of links that close a cycle; they are laid out the other way round.
        components: Number of the connected part each box belongs to.
        visit: Boxes in the order a walk along the links meets them.
    """

    columns: tuple[int, ...]
    backward: frozenset[int]
    components: tuple[int, ...]
    visit: tuple[int, ...]


def assign_layers(links: Sequence[tuple[int, int]], parities: Sequence[int]) -> Layering:
    """Return the column of every box by the longest path to it.

    A box that reads less than it feeds moves right, next to what it feeds, so that a source that
    is used late does not draw a line across the whole picture.

    Args:
        links: Source and target of each link; a link from a box to itself is ignored.
        parities: 0 or 1 for each box: whether it prefers even or odd columns. Where links only
            join different parities, no column mixes them.
    """
    outgoing: list[list[int]] = [[] for _ in parities]
    incoming: list[list[int]] = [[] for _ in parities]
    for index, (source, target) in enumerate(links):
        if source != target:
            outgoing[source].append(index)
            incoming[target].append(index)
    backward, visit = _break_cycles(links, outgoing, incoming)
    after: list[list[int]] = [[] for _ in parities]
    before: list[list[int]] = [[] for _ in parities]
    for index, (source, target) in enumerate(links):
        if source == target:
            continue
        first, second = (target, source) if index in backward else (source, target)
        after[first].append(second)
        before[second].append(first)
    columns = _longest_paths(after, before, parities)
    used = {column: rank for rank, column in enumerate(sorted(set(columns)))}
    return Layering(
        columns=tuple(used[column] for column in columns),
        backward=backward,
        components=_components(after, before, visit),
        visit=visit,
    )


def _break_cycles(
    links: Sequence[tuple[int, int]], outgoing: list[list[int]], incoming: list[list[int]]
) -> tuple[frozenset[int], tuple[int, ...]]:
    state = [_UNSEEN] * len(outgoing)
    backward: set[int] = set()
    visit: list[int] = []
    starts = [box for box, found in enumerate(incoming) if not found]
    for start in [*starts, *range(len(outgoing))]:
        if state[start] != _UNSEEN:
            continue
        state[start] = _OPEN
        visit.append(start)
        stack = [(start, iter(outgoing[start]))]
        while stack:
            box, remaining = stack[-1]
            index = next(remaining, None)
            if index is None:
                state[box] = _DONE
                stack.pop()
                continue
            target = links[index][1]
            if state[target] == _OPEN:
                backward.add(index)
            elif state[target] == _UNSEEN:
                state[target] = _OPEN
                visit.append(target)
                stack.append((target, iter(outgoing[target])))
    return frozenset(backward), tuple(visit)


def _longest_paths(
    after: list[list[int]], before: list[list[int]], parities: Sequence[int]
) -> list[int]:
    columns = [-1] * len(after)
    waiting = [len(found) for found in before]
    order = [box for box, count in enumerate(waiting) if count == 0]
    for box in order:  # grows while it is read
        columns[box] = max(columns[box], parities[box])
        for target in after[box]:
            columns[target] = max(columns[target], columns[box] + 1)
            waiting[target] -= 1
            if waiting[target] == 0:
                order.append(target)
    for box in reversed(order):
        if len(after[box]) > len(before[box]):
            columns[box] = min(columns[target] for target in after[box]) - 1
    return columns


def _components(
    after: list[list[int]], before: list[list[int]], visit: tuple[int, ...]
) -> tuple[int, ...]:
    numbers = [-1] * len(after)
    count = 0
    for start in visit:
        if numbers[start] >= 0:
            continue
        numbers[start] = count
        stack = [start]
        while stack:
            box = stack.pop()
            for other in (*after[box], *before[box]):
                if numbers[other] < 0:
                    numbers[other] = count
                    stack.append(other)
        count += 1
    return tuple(numbers)
