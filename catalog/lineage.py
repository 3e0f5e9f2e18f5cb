"""Walking from version to version: what one was made from, and what was made from it.

The walk is one recursive query over version ids, each with the one run that made it. A depth beside
the id, or UNION ALL, visits a version once per path, which grows without bound in diamonds and long
chains of self-updates; depth is counted afterwards, over edges fetched for the versions found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from rootcellar.catalog.among import among
from rootcellar.catalog.columnwise import columns_of
from rootcellar.catalog.tables import run_input, version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import CTE, Connection

    from rootcellar.catalog.values import Direction

__all__ = ["Edge", "Walk", "walk"]

_STEPS = 6
"""Of a walk downstream that are made one by one."""
_OFTEN = 4
"""How often a version may be found in one step, by the several inputs of a run."""


class Edge(NamedTuple):
    """A run's reading of a version: `version_id` went into run `run_id` as `argument`."""

    version_id: int
    run_id: int
    argument: str


class _Found(NamedTuple):
    """A version that is reached, the run that made it, and its distance if that is known."""

    version_id: int
    run_id: int | None
    depth: int


@dataclass(frozen=True, slots=True)
class Walk:
    """The versions that were found, by row id.

    Attributes:
        depths: Steps from the start, which has 0; in the order of distance.
        made_by: The producing run of each version that has one.
        edges: All readings by which found versions lead to found versions; none if it is not drawn.
        truncated: Why there may be more, as a sentence; empty if this is all.
    """

    start: int
    direction: Direction
    depths: Mapping[int, int]
    made_by: Mapping[int, int]
    edges: tuple[Edge, ...]
    truncated: str


def walk(
    connection: Connection,
    start: int,
    *,
    direction: Direction,
    max_nodes: int,
    max_depth: int | None,
    is_drawn: bool = False,
) -> Walk:
    """Return what is upstream or downstream of a version, nearest first.

    Args:
        connection: To read with.
        start: Row id of the version.
        direction: Where to go.
        is_drawn: Return the edges, too.
        max_nodes: Stop after as many versions besides the start.
        max_depth: Leave out what is more steps away; None for no limit.
    """
    # One more than the start and what may be shown, to see whether there is more.
    near = _near(connection, start, max_nodes + 2) if direction == "downstream" else None
    rows = near or _reached(connection, start, direction=direction, limit=max_nodes + 2)
    is_cut = len(rows) > max_nodes + 1
    del rows[max_nodes + 1 :]
    found = {one.version_id for one in rows} | {start}
    made_by = {one.version_id: one.run_id for one in rows if one.run_id is not None}
    if near and not is_drawn:
        readings, depths = [], {one.version_id: one.depth for one in near}
    else:
        readings = _readings(connection, made_by, found)
        depths = _depths(start, made_by, readings, direction=direction)
    kept = {
        row_id: depth for row_id, depth in depths.items() if max_depth is None or depth <= max_depth
    }
    reasons = [f"stopped after {max_nodes} versions"] if is_cut else []
    if len(kept) < len(depths):
        reasons.append(f"stopped after {max_depth} steps")
    return Walk(
        start=start,
        direction=direction,
        depths=kept,
        made_by={row_id: run_id for row_id, run_id in made_by.items() if row_id in kept},
        edges=_edges(readings, kept) if is_drawn else (),
        truncated=f"{' and '.join(reasons)}; there are more" if reasons else "",
    )


def _reached(
    connection: Connection, start: int, *, direction: Direction, limit: int
) -> list[_Found]:
    """Return versions in any order; their depths are not known."""
    first = select(version.c.id, version.c.run_id).where(version.c.id == start)
    reached = first.cte("reached", recursive=True)
    step = _step_up(reached) if direction == "upstream" else _step_down(reached)
    reached = reached.union(step)
    found = columns_of(connection, select(reached.c.id, reached.c.run_id).limit(limit))
    return [_Found(row_id, run_id, 0) for row_id, run_id in zip(*found.values(), strict=True)]


def _near(connection: Connection, start: int, limit: int) -> list[_Found] | None:
    """Return what is found downstream within a few steps; None if that is neither all nor enough.

    The start is the first, without the run that made it.

    The recursive query looks at all readers of a version before it gives the first of them. What
    nearly every run reads has millions, of which a step by itself reads no more than are wanted.
    """
    found = {start: _Found(start, None, 0)}
    level = [start]
    for depth in range(1, _STEPS + 1):
        most = limit * min(len(level), _OFTEN)
        query = (
            select(version.c.id, version.c.run_id)
            .join(run_input, run_input.c.run_id == version.c.run_id)
            .where(among(connection, run_input.c.version_id, level))
            .limit(most)
        )
        rows = connection.execute(query).all()
        fresh = {
            row_id: _Found(row_id, run_id, depth) for row_id, run_id in rows if row_id not in found
        }
        found.update(fresh)
        if not fresh or len(found) >= limit:
            return list(found.values())[:limit]
        if len(rows) == most:
            return None
        level = list(fresh)
    return None


def _step_up(reached: CTE) -> Any:
    return (
        select(version.c.id, version.c.run_id)
        .select_from(reached)
        .join(run_input, run_input.c.run_id == reached.c.run_id)
        .join(version, version.c.id == run_input.c.version_id)
    )


def _step_down(reached: CTE) -> Any:
    return (
        select(version.c.id, version.c.run_id)
        .select_from(reached)
        .join(run_input, run_input.c.version_id == reached.c.id)
        .join(version, version.c.run_id == run_input.c.run_id)
    )


def _readings(
    connection: Connection, made_by: Mapping[int, int], found: set[int]
) -> list[tuple[int, int, str]]:
    """Return what these runs read of what was found: version, run and argument."""
    runs = sorted(set(made_by.values()))
    query = select(run_input.c.version_id, run_input.c.run_id, run_input.c.argument).where(
        among(connection, run_input.c.run_id, runs), run_input.c.version_id.is_not(None)
    )
    rows = zip(*columns_of(connection, query).values(), strict=True)
    return [row for row in rows if row[0] in found]


def _edges(readings: Iterable[tuple[int, int, str]], kept: Mapping[int, int]) -> tuple[Edge, ...]:
    """Return readings by run, argument and version, each once."""
    edges = {Edge(*reading) for reading in readings if reading[0] in kept}
    return tuple(sorted(edges, key=lambda edge: (edge.run_id, edge.argument, edge.version_id)))


def _depths(
    start: int,
    made_by: Mapping[int, int],
    readings: Iterable[tuple[int, int, str]],
    *,
    direction: Direction,
) -> dict[int, int]:
    """Count steps breadth first, from version to run to version."""
    follow: dict[int, list[int]] = {}
    if direction == "upstream":
        to_runs = {row_id: [run_id] for row_id, run_id in made_by.items()}
        for row_id, run_id, _ in readings:
            follow.setdefault(run_id, []).append(row_id)
    else:
        to_runs = {}
        for row_id, run_id, _ in readings:
            to_runs.setdefault(row_id, []).append(run_id)
        for row_id, run_id in made_by.items():
            follow.setdefault(run_id, []).append(row_id)
    depths = {start: 0}
    level, depth = [start], 0
    while level:
        depth += 1
        # What a run leads to is looked at once, however many versions lead to the run.
        reached = [
            other
            for row_id in level
            for run_id in to_runs.get(row_id, ())
            for other in follow.pop(run_id, ())
            if other not in depths
        ]
        level = sorted(set(reached)) if reached[1:] else reached
        depths.update(dict.fromkeys(level, depth))
    return depths
