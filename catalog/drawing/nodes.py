"""The parts of a graph, and what a graph must have to be drawn or written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Drawable", "GraphEdge", "GraphNode"]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A version or a run, or many of one group folded into one.

    Attributes:
        id: Unique within the graph.
        title: What it is, such as `Weather(station=3)`.
        detail: A second line, such as `v7, 48.2 MB`.
        state: Of a run, one of `RunState`. Of a version: `focus` is the one asked about, `stale`
            and `changed` warn, `missing`, `superseded` and `retired` have no bytes any more; any
            other is drawn plain.
        group: What it is one of: the artifact type or the task. Empty: never folded.
        count: How many nodes it stands for.
    """

    id: str
    kind: Literal["version", "run"]
    title: str
    detail: str = ""
    state: str = ""
    group: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """Data that flows from one node into another; the label is the argument's name."""

    source: str
    target: str
    label: str = ""


class Drawable(Protocol):
    """Nodes, edges in the direction the data flows, and a note for the reader."""

    @property
    def nodes(self) -> tuple[GraphNode, ...]:
        """Each with an id of its own."""

    @property
    def edges(self) -> tuple[GraphEdge, ...]:
        """By the ids of nodes; those that name no node are left out."""

    @property
    def note(self) -> str:
        """What the reader must know, or empty."""
