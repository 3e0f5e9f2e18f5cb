"""Walking from version to version: what one was made from, and what was made from it.

The walk is one recursive query over version ids alone. A depth beside the id, or UNION ALL, visits
a version once per path, which grows without bound in diamonds and long chains of self-updates;
depth is counted afterwards, over edges fetched for the versions found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, literal, select

from rootcellar.catalog.tables import run_input, version
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import CTE, Connection

    from rootcellar.catalog.values import Direction

__all__ = ["Edge", "Walk", "walk"]


@dataclass(frozen=True, slots=True)
class Edge:
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
        edges: All readings by which found versions lead to found versions.
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
) -> Walk:
    """Return what is upstream or downstream of a version, nearest first.

    Args:
        max_nodes: Stop after as many versions besides the start.
        max_depth: Leave out what is more steps away; None for no limit.
    """
    # One more than the start and what may be shown, to see whether there is more.
    ids = _reached(connection, start, direction=direction, limit=max_nodes + 2)
    is_cut = len(ids) > max_nodes + 1
    found = set(ids[: max_nodes + 1]) | {start}
    made_by = _made_by(connection, sorted(found))
    edges = _edges(connection, made_by, found)
    depths = _depths(start, made_by, edges, direction=direction)
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
        edges=tuple(edge for edge in edges if edge.version_id in kept),
        truncated=f"{' and '.join(reasons)}; there are more" if reasons else "",
    )


def _reached(
    connection: Connection, start: int, *, direction: Direction, limit: int
) -> Sequence[int]:
    # Typed, because psycopg sends a small number as a smallint and the columns are bigints.
    first = select(literal(start, BigInteger).label("version_id"))
    reached = first.cte("reached", recursive=True)
    step = _step_up(reached) if direction == "upstream" else _step_down(reached)
    reached = reached.union(step)
    return connection.execute(select(reached.c.version_id).limit(limit)).scalars().all()


def _step_up(reached: CTE) -> Any:
    return (
        select(run_input.c.version_id)
        .select_from(reached)
        .join(version, version.c.id == reached.c.version_id)
        .join(run_input, run_input.c.run_id == version.c.run_id)
        .where(run_input.c.version_id.is_not(None))
    )


def _step_down(reached: CTE) -> Any:
    return (
        select(version.c.id)
        .select_from(reached)
        .join(run_input, run_input.c.version_id == reached.c.version_id)
        .join(version, version.c.run_id == run_input.c.run_id)
    )


def _made_by(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    made_by: dict[int, int] = {}
    for some in chunks(ids):
        query = select(version.c.id, version.c.run_id).where(
            version.c.id.in_(some), version.c.run_id.is_not(None)
        )
        made_by.update((row_id, run_id) for row_id, run_id in connection.execute(query))
    return made_by


def _edges(connection: Connection, made_by: Mapping[int, int], found: set[int]) -> list[Edge]:
    edges: list[Edge] = []
    for some in chunks(sorted(set(made_by.values()))):
        query = (
            select(run_input.c.version_id, run_input.c.run_id, run_input.c.argument)
            .where(run_input.c.run_id.in_(some), run_input.c.version_id.is_not(None))
            .distinct()
            .order_by(run_input.c.run_id, run_input.c.argument, run_input.c.version_id)
        )
        edges += [Edge(*row) for row in connection.execute(query) if row.version_id in found]
    return edges


def _depths(
    start: int, made_by: Mapping[int, int], edges: Iterable[Edge], *, direction: Direction
) -> dict[int, int]:
    """Count steps breadth first, from version to run to version."""
    read_by: dict[int, set[int]] = {}
    reads: dict[int, set[int]] = {}
    makes: dict[int, set[int]] = {}
    for edge in edges:
        read_by.setdefault(edge.version_id, set()).add(edge.run_id)
        reads.setdefault(edge.run_id, set()).add(edge.version_id)
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
        level = sorted(reached - depths.keys())
        depths.update(dict.fromkeys(level, depth))
    return depths
