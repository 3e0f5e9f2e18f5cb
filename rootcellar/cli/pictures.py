"""`map`, and what it has in common with `lineage`: a graph in whatever form is wanted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rootcellar.cli import wording
from rootcellar.cli.listing import read_since
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.terminal import Terminal

if TYPE_CHECKING:
    from datetime import datetime

    from rootcellar.catalog.drawing.graph import Graph

__all__ = ["COMMANDS", "picture_options", "show_graph", "write_pictures"]

F = TypeVar("F", bound=Callable[..., Any])

_STATE = re.compile(r"(.*)\[(\w+)\]( \(shown above\))?")
_QUIET = {"focus", "present", "succeeded"}


def _refuse_option(
    _ctx: click.Context, _parameter: click.Parameter, path: Path | None
) -> Path | None:
    if path is not None and str(path).startswith("-"):
        raise click.BadParameter(
            f"{str(path)!r} is an option. A file of that name needs its whole path."
        )
    return path


def picture_options(function: F) -> F:
    """Add the options that say in which form a graph is given."""
    path = click.Path(dir_okay=False, path_type=Path)
    options = (
        click.option(
            "--svg",
            type=path,
            callback=_refuse_option,
            help="Draw it into this file, which needs nothing else.",
        ),
        click.option(
            "--html",
            type=path,
            callback=_refuse_option,
            help="Draw it into this file, as a page.",
        ),
        click.option(
            "--mermaid", is_flag=True, help="Print a Mermaid flowchart, for Markdown pages."
        ),
        click.option("--dot", is_flag=True, help="Print it whole in the language of Graphviz."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def show_graph(graph: Graph, forms: dict[str, Any]) -> None:
    """Write and print the forms that were asked for; without any, a tree."""
    written = write_pictures(graph, forms)
    if forms["mermaid"]:
        click.echo(graph.to_mermaid(), nl=False)
    elif forms["dot"]:
        click.echo(graph.to_dot(), nl=False)
    elif not written:
        _print_tree(graph)
    else:
        click.echo("\n".join(map(str, written)))


def write_pictures(graph: Graph, forms: dict[str, Any]) -> list[Path]:
    """Write the files that were asked for, and return them."""
    written = {name: path for name in ("svg", "html") if (path := forms[name]) is not None}
    for name, path in written.items():
        _write(path, graph.to_svg() if name == "svg" else graph.to_html())
    return list(written.values())


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


@click.command("map")
@click.option(
    "--since",
    metavar="WHEN",
    callback=read_since,
    help="Look at runs that started since then: 2h, 7d, 2026-01-31.",
)
@picture_options
@common_options
@click.pass_context
def type_map(ctx: click.Context, /, *, since: datetime | None, **forms: Any) -> None:
    """Show which types are made from which, by which task.

    It is drawn from what ran, whatever the keys: a task that never ran is not on it.
    """
    project = Project(ctx)
    graph = project.recorded().map(since)
    if project.is_json:
        write_pictures(graph, forms)
        print_json(_document(graph))
    else:
        show_graph(graph, forms)


def _document(graph: Graph) -> dict[str, Any]:
    titles = {node.id: node for node in graph.nodes}
    return {
        "types": [
            {"type": node.title, "about": node.detail}
            for node in graph.nodes
            if node.kind == "version"
        ],
        "tasks": [
            {"task": node.title, "about": node.detail} for node in graph.nodes if node.kind == "run"
        ],
        "edges": [
            {
                "source": titles[edge.source].title,
                "target": titles[edge.target].title,
                "argument": edge.label,
            }
            for edge in graph.edges
        ],
    }


COMMANDS = {"map": type_map}
