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
    rows = _reached(connection, start, direction=direction, limit=max_nodes + 2)
    is_cut = len(rows) > max_nodes + 1
    del rows[max_nodes + 1 :]
    found = {start, *(row_id for row_id, _ in rows)}
    made_by = {row_id: run_id for row_id, run_id in rows if run_id is not None}
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
) -> list[tuple[int, int | None]]:
    """Return the ids of versions and of the runs that made them."""
    if direction == "downstream":
        near = _near(connection, start, limit)
        if near is not None:
            return near
    first = select(version.c.id, version.c.run_id).where(version.c.id == start)
    reached = first.cte("reached", recursive=True)
    step = _step_up(reached) if direction == "upstream" else _step_down(reached)
    reached = reached.union(step)
    query = select(reached.c.id, reached.c.run_id).limit(limit)
    return [(row_id, run_id) for row_id, run_id in connection.execute(query).all()]


def _near(connection: Connection, start: int, limit: int) -> list[tuple[int, int | None]] | None:
    """Return what is found downstream within a few steps; None if that is neither all nor enough.

    The recursive query looks at all readers of a version before it gives the first of them. What
    nearly every run reads has millions, of which a step by itself reads no more than are wanted.
    """
    found: dict[int, int | None] = {start: None}
    level = [start]
    for _ in range(_STEPS):
        most = limit * min(len(level), _OFTEN)
        query = (
            select(version.c.id, version.c.run_id)
            .join(run_input, run_input.c.run_id == version.c.run_id)
            .where(among(connection, run_input.c.version_id, level))
            .limit(most)
        )
        rows = connection.execute(query).all()
        fresh = {row_id: run_id for row_id, run_id in rows if row_id not in found}
        found.update(fresh)
        if not fresh or len(found) >= limit:
            return list(found.items())[:limit]
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
    rows = connection.execute(query).all()
    return [(row_id, run_id, name) for row_id, run_id, name in rows if row_id in found]


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
    read_by: dict[int, set[int]] = {}
    reads: dict[int, set[int]] = {}
    makes: dict[int, set[int]] = {}
    for row_id, run_id, _ in readings:
        read_by.setdefault(row_id, set()).add(run_id)
        reads.setdefault(run_id, set()).add(row_id)
    for row_id, run_id in made_by.items():
        makes.setdefault(run_id, set()).add(row_id)
    depths = {start: 0}
    level, depth = [start], 0
    while level:
        depth += 1
        if direction == "upstream":
            runs = {made_by[row_id] for row_id in level if row_id in made_by}
            reached = {row_id for run_id in runs for row_id in reads.get(run_id, ())}
        else:
            runs = {run_id for row_id in level for run_id in read_by.get(row_id, ())}
            reached = {row_id for run_id in runs for row_id in makes.get(run_id, ())}
        level = sorted(row_id for row_id in reached if row_id not in depths)
        depths.update(dict.fromkeys(level, depth))
    return depths
