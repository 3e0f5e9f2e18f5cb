"""`lineage`: what a version was made from, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rootcellar.cli.documents import version_document
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.pictures import picture_options, show_graph, write_pictures
from rootcellar.cli.project import Project
from rootcellar.cli.subject import find_version

if TYPE_CHECKING:
    from rootcellar.catalog.catalog import Catalog
    from rootcellar.catalog.drawing.graph import Graph
    from rootcellar.catalog.values import Direction, Version

__all__ = ["COMMANDS"]


@click.command("lineage")
@click.argument("words", metavar="X", nargs=-1, required=True)
@click.option("--downstream", is_flag=True, help="Show what became of it.")
@click.option("--depth", type=click.IntRange(min=1), help="Go so many steps at most.")
@picture_options
@common_options
@click.pass_context
def lineage(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    *,
    downstream: bool,
    depth: int | None,
    **forms: Any,
) -> None:
    """Show what a version was made from, or what became of it.

    X is a type with its key, a logical URI, or the uid of a version; as in show.
    """
    project = Project(ctx)
    version = find_version(project, words)
    direction: Direction = "downstream" if downstream else "upstream"
    graph = project.catalog.graph(version, direction, max_depth=depth)
    if project.is_json:
        write_pictures(graph, forms)
        print_json(_document(project.catalog, version, graph, direction, depth))
    else:
        show_graph(graph, forms)


def _document(
    catalog: Catalog,
    version: Version,
    graph: Graph,
    direction: Direction,
    depth: int | None,
) -> dict[str, Any]:
    ask = catalog.downstream if direction == "downstream" else catalog.upstream
    relatives = ask(version, max_depth=depth)
    depths = dict(zip(relatives.column("version"), relatives.column("depth"), strict=True))
    return {
        "version": version.uid,
        "direction": direction,
        "versions": [
            {"depth": depths.get(one.uid, 0), **version_document(one)}
            for one in (version, *relatives)
        ],
        "runs": [
            {"run": node.id, "task": node.title, "state": node.state}
            for node in graph.nodes
            if node.kind == "run"
        ],
        "edges": [
            {"source": edge.source, "target": edge.target, "argument": edge.label}
            for edge in graph.edges
        ],
        "note": graph.note,
    }


COMMANDS = {"lineage": lineage}
