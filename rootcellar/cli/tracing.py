"""`lineage`: what a version was made from, and what became of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rootcellar.cli import wording
from rootcellar.cli.documents import version_document
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import find_version
from rootcellar.cli.terminal import Terminal

if TYPE_CHECKING:
    from rootcellar.catalog.catalog import Catalog
    from rootcellar.catalog.drawing.graph import Graph
    from rootcellar.catalog.values import Direction, Version

__all__ = ["COMMANDS"]

_STATE = re.compile(r"(.*)\[(\w+)\]( \(shown above\))?")
_QUIET = {"focus", "present", "succeeded"}


@click.command("lineage")
@click.argument("words", metavar="X", nargs=-1, required=True)
@click.option("--downstream", is_flag=True, help="Show what became of it.")
@click.option("--depth", type=click.IntRange(min=1), help="Go so many steps at most.")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw it into this file, which needs nothing else.",
)
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart, for Markdown pages.")
@common_options
@click.pass_context
def lineage(
    ctx: click.Context,
    words: tuple[str, ...],
    *,
    downstream: bool,
    depth: int | None,
    svg: Path | None,
    mermaid: bool,
) -> None:
    """Show what a version was made from, or what became of it.

    X is a type with its key, a logical URI, or the uid of a version; as in show.
    """
    project = Project(ctx)
    version = find_version(project, words)
    direction: Direction = "downstream" if downstream else "upstream"
    graph = project.catalog.graph(version, direction, max_depth=depth)
    if svg is not None:
        _write(svg, graph.to_svg())
    if project.is_json:
        print_json(_document(project.catalog, version, graph, direction, depth))
    elif mermaid:
        click.echo(graph.to_mermaid(), nl=False)
    elif svg is not None:
        click.echo(f"{svg}")
    else:
        _print_tree(graph)


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(path), error.strerror) from error


def _print_tree(graph: Graph) -> None:
    """Print the tree; states that are as they should be are left out."""
    terminal = Terminal()
    for line in graph.to_text().splitlines():
        match = _STATE.fullmatch(line)
        if match is None:
            terminal.cut_line((line, ""))
            continue
        text, state, above = match[1].rstrip(), match[2], match[3] or ""
        shown = "" if state in _QUIET else f"  {state}"
        terminal.cut_line(
            (text, ""), (shown, wording.STATE_STYLES.get(state, "yellow")), (above, "dim")
        )


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
