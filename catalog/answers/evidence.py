"""Pairs of versions that were examined, and their picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.catalog.drawing.graph import Graph, GraphEdge, GraphNode
from rootcellar.catalog.wording import minute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.catalog.answers.causes import Cause
    from rootcellar.catalog.answers.difference import How
    from rootcellar.catalog.answers.made import Made
    from rootcellar.catalog.values import Version

__all__ = ["Examined", "OtherInput", "draw"]

_DRAWN = 500


@dataclass(frozen=True, slots=True)
class OtherInput:
    """One artifact that both runs read, with other content or perhaps so."""

    place: str
    before: Version
    after: Version
    how: How


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """Two versions and what differs between the runs that made them.

    Attributes:
        made: The run that made `after`.
        own: Causes that lie in the runs themselves.
        data: Inputs whose contents differ, or may.
        foreign: Where the bytes came from, if not both are of tasks; nothing else can be said then.
    """

    after: Version
    before: Version
    made: Made | None
    own: tuple[Cause, ...] = ()
    data: tuple[OtherInput, ...] = ()
    foreign: str = ""


def draw(focus: Version, examined: Sequence[Examined]) -> Graph:
    """Return the later side as a graph: what differs is `changed`, with the earlier number."""
    nodes = {focus.uid: _version_node(focus, "focus")}
    edges: dict[GraphEdge, None] = {}
    before = {one.after.uid: one.before for one in examined}
    before |= {other.after.uid: other.before for one in examined for other in one.data}
    for one in examined:
        if one.made is None or len(nodes) >= _DRAWN:
            continue
        run = one.made.run
        kinds = ", ".join(cause.kind.value for cause in one.own)
        told = f"differs in {kinds}" if kinds else minute(run.started_at)
        nodes[run.uid] = GraphNode(
            run.uid, "run", run.task or run.kind, told, run.state.value, run.task
        )
        edges[GraphEdge(run.uid, one.after.uid)] = None
        for read in one.made.reads:
            if read.version is not None:
                edges[GraphEdge(read.version.uid, run.uid, read.argument)] = None
                _add(nodes, read.version, before)
    if focus.uid in before:
        nodes[focus.uid] = _version_node(focus, "focus", before[focus.uid])
    note = f"stopped after {_DRAWN} nodes" if len(nodes) >= _DRAWN else ""
    kept = tuple(edge for edge in edges if edge.source in nodes and edge.target in nodes)
    return Graph(tuple(nodes.values()), kept, note)


def _add(nodes: dict[str, GraphNode], version: Version, before: dict[str, Version]) -> None:
    if version.uid in nodes or len(nodes) >= _DRAWN:
        return
    earlier = before.get(version.uid)
    present = "retired" if version.state == "deleted" else version.state
    nodes[version.uid] = _version_node(version, "changed" if earlier else present, earlier)


def _version_node(version: Version, state: str, earlier: Version | None = None) -> GraphNode:
    was = f", was {earlier.seq}" if earlier is not None and earlier.seq != version.seq else ""
    return GraphNode(
        version.uid,
        "version",
        version.artifact,
        f"version {version.seq}{was}",
        state,
        version.type,
    )
