"""A walk as a graph of versions and the runs between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.catalog.drawing.graph import Graph, GraphEdge, GraphNode
from rootcellar.catalog.wording import duration, minute, size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rootcellar.catalog.lineage import Walk
    from rootcellar.catalog.values import Run, Version

__all__ = ["draw", "runs_between"]


def runs_between(walk: Walk) -> set[int]:
    """Return the row ids of the runs that a drawing of the walk shows.

    Going downstream, the run that made the start is no part of the answer.
    """
    if walk.direction == "upstream":
        return set(walk.made_by.values())
    return {edge.run_id for edge in walk.edges} & set(walk.made_by.values())


def draw(walk: Walk, versions: Mapping[int, Version], runs: Mapping[int, Run]) -> Graph:
    """Return the graph of a walk.

    Args:
        versions: All versions of the walk, by row id.
        runs: The runs between them, by row id.
    """
    nodes = [
        _version_node(versions[row_id], is_start=row_id == walk.start)
        for row_id in sorted(walk.depths, key=lambda one: (walk.depths[one], versions[one].order))
    ]
    nodes += [_run_node(runs[row_id]) for row_id in sorted(runs)]
    read = [
        GraphEdge(versions[edge.version_id].uid, runs[edge.run_id].uid, edge.argument)
        for edge in sorted(walk.edges, key=lambda one: versions[one.version_id].order)
        if edge.run_id in runs
    ]
    made = [
        GraphEdge(runs[run_id].uid, versions[row_id].uid)
        for row_id, run_id in walk.made_by.items()
        if run_id in runs
    ]
    return Graph(tuple(nodes), tuple(read + made), note=walk.truncated)


def _version_node(version: Version, *, is_start: bool) -> GraphNode:
    detail = f"version {version.seq}, {size(version.size_bytes)}"
    state = "retired" if version.state == "deleted" else version.state
    return GraphNode(
        id=version.uid,
        kind="version",
        title=version.artifact,
        detail=detail,
        state="focus" if is_start else state,
        group=version.type,
    )


def _run_node(run: Run) -> GraphNode:
    took = "" if run.seconds is None else f", {duration(run.seconds)}"
    return GraphNode(
        id=run.uid,
        kind="run",
        title=run.task or run.kind,
        detail=f"{minute(run.started_at)}{took}",
        state=run.state.value,
        group=run.task,
    )
