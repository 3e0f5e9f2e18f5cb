"""Graph: versions and the runs between them, as a value that draws and writes itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.drawing import notation, svg
from rootcellar.catalog.drawing.nodes import GraphEdge, GraphNode
from rootcellar.schemas.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rootcellar.catalog.drawing.widget import GraphWidget

__all__ = ["FOLD_ABOVE", "Graph", "GraphEdge", "GraphNode"]

FOLD_ABOVE = 150
"""Nodes above which a drawing folds groups: more than a person can read."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Lineage</title>
<meta name="color-scheme" content="light dark"></head>
<body style="margin:16px">
{drawing}
</body>
</html>
"""
_WORST_FIRST = ("failed", "lost", "missing", "stale", "changed", "retried", "running")


@dataclass(frozen=True, slots=True, repr=False)
class Graph:
    """Nodes and edges in the direction the data flows.

    Cycles, loops and edges that repeat are kept. Edges to unknown nodes are not drawn.

    Attributes:
        note: What the reader must know, such as that a limit cut the graph. Every form shows it.
    """

    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[GraphEdge, ...] = ()
    note: str = ""

    def folded(self) -> Graph:
        """Return the graph of groups: one node for all nodes of a kind and group.

        A group of one stays as it is. A folded node carries the worst state of its members and
        tells their number, in the title, and their states, in the detail.
        """
        groups: dict[tuple[str, str], list[GraphNode]] = {}
        for node in self.nodes:
            # A node without a group stands alone; ids cannot meet groups as the pair differs.
            key = (node.kind, node.group) if node.group else ("", node.id)
            groups.setdefault(key, []).append(node)
        nodes = []
        fate: dict[str, str] = {}
        for key, members in groups.items():
            # The control character keeps this id apart from any that came from the catalog.
            node = members[0] if len(members) == 1 else _fold("\x1f".join(key), members)
            nodes.append(node)
            fate.update((member.id, node.id) for member in members)
        edges = {
            GraphEdge(fate[edge.source], fate[edge.target], edge.label): None
            for edge in self.edges
            if edge.source in fate and edge.target in fate
        }
        return Graph(tuple(nodes), tuple(edges), self.note)

    def to_svg(self, *, fold_above: int = FOLD_ABOVE) -> str:
        """Return a drawing that needs nothing else: no script, no font, no other file.

        It follows the reader's light or dark scheme. With more than `fold_above` nodes, groups
        are folded and the note says so.
        """
        return svg.draw(self._shown(fold_above))

    def to_mermaid(self, *, fold_above: int = FOLD_ABOVE) -> str:
        """Return a Mermaid flowchart, for Markdown pages."""
        return notation.mermaid(self._shown(fold_above))

    def to_dot(self) -> str:
        """Return the whole graph, never folded, in the language of Graphviz."""
        return notation.dot(self)

    def to_text(self, *, fold_above: int = FOLD_ABOVE) -> str:
        """Return an indented tree for terminals and logs.

        It starts from the side with fewer ends: from a result it goes upstream, from a source
        downstream. Every node's own branch is shown once.
        """
        return notation.text(self._shown(fold_above))

    def to_html(self, *, fold_above: int = FOLD_ABOVE) -> str:
        """Return the drawing as a page of its own, to be kept or sent."""
        return _PAGE.format(drawing=self.to_svg(fold_above=fold_above))

    def to_networkx(self) -> Any:
        """Return the whole graph, never folded, as a `networkx.MultiDiGraph`.

        Nodes are ids, with what a `GraphNode` has as attributes; edges have a `label`. The note is
        the graph's.

        Raises:
            CatalogError: networkx is not installed.
        """
        try:
            import networkx as nx  # noqa: PLC0415  optional
        except ImportError as error:
            raise CatalogError("to_networkx() needs networkx", remedy="Install networkx") from error
        graph = nx.MultiDiGraph(note=self.note)
        for node in self.nodes:
            facts = asdict(node)
            graph.add_node(facts.pop("id"), **facts)
        known = {node.id for node in self.nodes}
        graph.add_edges_from(
            (edge.source, edge.target, {"label": edge.label})
            for edge in self.edges
            if edge.source in known and edge.target in known
        )
        return graph

    def widget(self, *, fold_above: int = FOLD_ABOVE) -> GraphWidget:
        """Return the drawing to be moved, zoomed and clicked, in JupyterLab, VS Code or marimo.

        A click shows what is known of a node, and sets the widget's `selected` to its id: of a
        version or a run its uid, which the catalog takes as an `x`.

        Raises:
            CatalogError: The extra `widget` is not installed.
        """
        try:
            from rootcellar.catalog.drawing.widget import GraphWidget  # noqa: PLC0415  an extra
        except ImportError as error:
            raise CatalogError(
                "the interactive view needs anywidget", remedy="Install rootcellar[widget]"
            ) from error
        return GraphWidget(self._shown(fold_above))

    def _shown(self, fold_above: int) -> Graph:
        if len(self.nodes) <= fold_above:
            return self
        folded = self.folded()
        if len(folded.nodes) == len(self.nodes):
            return self
        folding = f"{len(self.nodes)} nodes folded into {len(folded.nodes)} groups"
        note = f"{self.note} ({folding})" if self.note else folding
        return Graph(folded.nodes, folded.edges, note)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x:auto;max-width:100%">{self.to_svg()}</div>'

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        drawing = self.to_svg()
        bundle = {
            "image/svg+xml": drawing,
            "text/html": f'<div style="overflow-x:auto;max-width:100%">{drawing}</div>',
            "text/vnd.mermaid": self.to_mermaid(),
            "text/plain": self.to_text(),
        }
        return {
            kind: form
            for kind, form in bundle.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }


def _fold(node_id: str, members: list[GraphNode]) -> GraphNode:
    count = sum(member.count for member in members)
    states = Counter[str]()
    for member in members:
        states[member.state] += member.count
    first = members[0]
    return GraphNode(
        id=node_id,
        kind=first.kind,
        title=f"{count} \N{MULTIPLICATION SIGN} {first.group}",
        detail=_tell(states),
        state=next((state for state in _WORST_FIRST if state in states), _commonest(states)),
        group=first.group,
        count=count,
    )


def _tell(states: Counter[str]) -> str:
    known = {state: count for state, count in states.items() if state}
    if len(states) == 1:
        return "".join(f"all {state}" for state in known)
    return ", ".join(f"{count} {state}" for state, count in Counter(known).most_common())


def _commonest(states: Iterable[str]) -> str:
    return Counter(states).most_common(1)[0][0]
