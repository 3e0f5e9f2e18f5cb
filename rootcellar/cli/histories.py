"""`history`, `readers` and `locations`: what became of an artifact, who read it, where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rootcellar.catalog.answers.copies import Standing
from rootcellar.cli import wording
from rootcellar.cli.documents import run_document, version_document
from rootcellar.cli.listing import read_since
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import find_version
from rootcellar.cli.terminal import Column, Terminal
from rootcellar.runtime import stores_of
from rootcellar.still_there import examiner

if TYPE_CHECKING:
    from datetime import datetime

    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.values import Run, Version

__all__ = ["COMMANDS"]

F = TypeVar("F", bound=Callable[..., Any])

_MOST = 10**9
_CHANGES = {"changed": "yellow", "same bytes": "dim", "unknown": "yellow"}
_FOUND = {"unchanged": "green", "changed": "yellow", "gone": "red", "unknown": "yellow"}


def _limited(function: F) -> F:
    """Add the option that cuts a list."""
    return click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=50,
        show_default=True,
        help="List so many at most; 0 lists all.",
    )(function)


@click.command("history")
@click.argument("words", metavar="X", nargs=-1, required=True)
@_limited
@common_options
@click.pass_context
def history(ctx: click.Context, words: tuple[str, ...], *, limit: int) -> None:
    """List all versions of an artifact, and what changed.

    X is a type with its key, or the uid of a version; a logical URI lists what was written there,
    whatever the artifact. The newest stands first.
    """
    project = Project(ctx)
    most = limit or _MOST
    if len(words) == 1 and "://" in words[0]:
        found = project.recorded().uri_history(words[0], max_rows=most)
    else:
        found = project.recorded().history(find_version(project, words), max_rows=most)
    changes = [str(change) for change in found.column("change")]
    if project.is_json:
        print_json(
            {
                "versions": [
                    {"change": change, **version_document(one)}
                    for change, one in zip(changes, found, strict=True)
                ],
                "note": found.note,
            }
        )
        return
    _print_history(found, changes)


def _print_history(found: Table[Version], changes: list[str]) -> None:
    columns = (
        Column("artifact", least=16, style="bold"),
        Column("seq", right=True),
        Column("recorded", rank=1),
        Column("change", style=lambda change: _CHANGES.get(change, "")),
        Column("size", right=True),
        Column("rows", rank=4, right=True),
        Column("made by", least=8, rank=2, keeps_end=True),
        Column("there", rank=3),
        Column("version", style="dim"),
    )
    rows = [
        [
            wording.artifact(one.type, one.key),
            str(one.seq),
            f"{one.recorded_at:%Y-%m-%d %H:%M} UTC",
            change,
            wording.size(one.size_bytes),
            "" if one.row_count is None else str(one.row_count),
            one.task or one.origin,
            "yes" if one.is_present else "no",
            wording.short(one.uid),
        ]
        for one, change in zip(found, changes, strict=True)
    ]
    Terminal().table(columns, rows, note=found.note)


@click.command("readers")
@click.argument("words", metavar="X", nargs=-1, required=True)
@click.option("--transitive", is_flag=True, help="List who read what was made from it, too.")
@click.option(
    "--since",
    metavar="WHEN",
    callback=read_since,
    help="List runs that started since then: 2h, 7d, 2026-01-31.",
)
@_limited
@common_options
@click.pass_context
def readers(
    ctx: click.Context,
    words: tuple[str, ...],
    *,
    transitive: bool,
    since: datetime | None,
    limit: int,
) -> None:
    """List the runs that read a version.

    X is a type with its key (its current version), a logical URI, or the uid of a version.
    """
    project = Project(ctx)
    version = find_version(project, words)
    found = project.catalog.readers(version, since, transitive=transitive, limit=limit or _MOST)
    names = ("depth", "argument", "how")
    how = list(zip(*(found.column(name) for name in names), strict=True))
    if project.is_json:
        print_json(
            {
                "version": version.uid,
                "runs": [
                    {**dict(zip(names, reading, strict=True)), **run_document(one)}
                    for reading, one in zip(how, found, strict=True)
                ],
                "note": found.note,
            }
        )
        return
    if not found:
        click.echo(f"No run fits that read {version}.")
        return
    _print_readers(found, [[str(part) for part in reading] for reading in how])


def _print_readers(found: Table[Run], how: list[list[str]]) -> None:
    columns = (
        Column("age", right=True),
        Column("task", least=12, style="bold", keeps_end=True),
        Column("state", style=lambda state: wording.STATE_STYLES.get(state, "")),
        Column("steps", rank=2, right=True),
        Column("as", least=8, rank=1),
        Column("how", rank=3),
        Column("host", rank=4, style="dim"),
        Column("run", style="dim"),
    )
    rows = [
        [
            wording.age(one.started_at),
            one.task,
            one.state.value,
            *reading,
            one.host,
            wording.short(one.uid),
        ]
        for one, reading in zip(found, how, strict=True)
    ]
    Terminal().table(columns, rows, note=found.note)


@click.command("locations")
@click.argument("words", metavar="X", nargs=-1, required=True)
@click.option("--verify", is_flag=True, help="Look into the stores whether each is still there.")
@common_options
@click.pass_context
def locations(ctx: click.Context, words: tuple[str, ...], *, verify: bool) -> None:
    """List where copies of a version are.

    X is a type with its key (its current version), a logical URI, or the uid of a version. With
    --verify the exit code is 1 if none of them is found unchanged.
    """
    project = Project(ctx)
    version = find_version(project, words)
    examine = examiner(stores_of(project.settings)) if verify else False
    found = project.catalog.locations(version, verify=examine)
    standings = list(zip(found.column("found"), found.column("problem"), strict=True))
    if project.is_json:
        print_json(
            {
                "version": version.uid,
                "locations": [
                    {"found": standing, "problem": problem, **version_document(one)}
                    for (standing, problem), one in zip(standings, found, strict=True)
                ],
                "note": found.note,
            }
        )
    else:
        _print_locations(found)
    is_lost = verify and Standing.UNCHANGED.value not in found.column("found")
    ctx.exit(1 if is_lost else 0)


def _print_locations(found: Table[Version]) -> None:
    columns = (
        Column("uri", least=24),
        Column("found", style=lambda text: _FOUND.get(text, "")),
        Column("recorded as", rank=2),
        Column("artifact", least=16, rank=1),
        Column("seq", rank=3, right=True),
        Column("problem", least=16, rank=4),
        Column("version", style="dim"),
    )
    looks = zip(found.column("found"), found.column("problem"), strict=True)
    rows = [
        [
            one.uri,
            str(standing or ""),
            one.state,
            wording.artifact(one.type, one.key),
            str(one.seq),
            str(problem or ""),
            wording.short(one.uid),
        ]
        for one, (standing, problem) in zip(found, looks, strict=True)
    ]
    Terminal().table(columns, rows, note=found.note)


COMMANDS = {"history": history, "readers": readers, "locations": locations}
