"""A graph as text: a tree for terminals, Mermaid and Graphviz for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.catalog.drawing.lettering import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootcellar.catalog.drawing.nodes import Drawable, GraphNode

__all__ = ["dot", "mermaid", "text"]

_EMPTY = "(nothing recorded)"


def mermaid(graph: Drawable) -> str:
    """Return the graph as a Mermaid flowchart."""
    names = {node.id: f"n{index}" for index, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        label = _entities(node.title) + (f"<br/>{_entities(node.detail)}" if node.detail else "")
        left, right = ('(["', '"])') if node.kind == "run" else ('["', '"]')
        lines.append(f"    {names[node.id]}{left}{label or ' '}{right}")
    for edge in graph.edges:
        if edge.source in names and edge.target in names:
            label = f'|"{_entities(edge.label)}"|' if edge.label else ""
            lines.append(f"    {names[edge.source]} -->{label} {names[edge.target]}")
    if graph.note:
        lines.append(f'    note["{_entities(graph.note)}"]')
        lines.append("    style note stroke-dasharray:3")
    return "\n".join(lines) + "\n"


def _entities(words: str) -> str:
    # Mermaid reads Markdown, HTML, directives and entities even between quotes: only what cannot
    # mean anything stays as it is.
    return "".join(
        letter if letter.isalnum() or letter in " _.,()=/-" else f"#{ord(letter)};"
        for letter in readable(words)
    )


def dot(graph: Drawable) -> str:
    """Return the graph in the language of Graphviz."""
    names = {node.id: f"n{index}" for index, node in enumerate(graph.nodes)}
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [fontname="Helvetica", fontsize=11];']
    for node in graph.nodes:
        label = _quoted("\n".join(part for part in (node.title, node.detail) if part))
        shape = 'box, style="rounded"' if node.kind == "run" else "note"
        lines.append(f"  {names[node.id]} [label={label}, shape={shape}];")
    for edge in graph.edges:
        if edge.source in names and edge.target in names:
            label = f" [label={_quoted(edge.label)}]" if edge.label else ""
            lines.append(f"  {names[edge.source]} -> {names[edge.target]}{label};")
    if graph.note:
        lines.append(f'  label={_quoted(graph.note)}; labelloc="b"; labeljust="l";')
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "\\n".join(readable(line) for line in escaped.split("\n")) + '"'


def text(graph: Drawable) -> str:
    """Return the graph as an indented tree, each node's branch once."""
    lines = list(_tree(graph)) or [_EMPTY]
    if graph.note:
        lines.append(f"({readable(graph.note)})")
    return "\n".join(lines)


def _tree(graph: Drawable) -> Iterator[str]:
    nodes = {node.id: node for node in graph.nodes}
    ahead: dict[str, list[tuple[str, str]]] = {name: [] for name in nodes}
    back: dict[str, list[tuple[str, str]]] = {name: [] for name in nodes}
    for edge in graph.edges:
        if edge.source in nodes and edge.target in nodes:
            ahead[edge.source].append((edge.label, edge.target))
            back[edge.target].append((edge.label, edge.source))
    sources = [name for name in nodes if not back[name]]
    sinks = [name for name in nodes if not ahead[name]]
    starts, branches, arrow = (
        (sources, ahead, "→") if 0 < len(sources) < len(sinks) else (sinks, back, "←")
    )
    shown: set[str] = set()
    for start in [*starts, *nodes]:
        if start in shown:
            continue
        stack: list[tuple[str, str, str, str]] = [(start, "", "", "")]
        while stack:
            name, label, lead, indent = stack.pop()
            again = name in shown
            shown.add(name)
            mark = " (shown above)" if again else ""
            label = f"{arrow} {readable(label)}: " if label else f"{arrow} " if lead else ""
            yield f"{lead}{label}{_told(nodes[name])}{mark}"
            if again:
                continue
            following = branches[name]
            for place in reversed(range(len(following))):
                last = place == len(following) - 1
                stack.append(
                    (
                        following[place][1],
                        following[place][0],
                        indent + ("└─ " if last else "├─ "),
                        indent + ("   " if last else "│  "),
                    )
                )


def _told(node: GraphNode) -> str:
    parts = [readable(node.title)]
    if node.detail:
        parts.append(readable(node.detail))
    # A folded node's detail tells its states already.
    if node.state and node.count == 1:
        parts.append(f"[{readable(node.state)}]")
    return "  ".join(parts)
