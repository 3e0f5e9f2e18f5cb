"""`attempts`, `coverage`, `duplicates` and `cost`: what each left, what is there, at what price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rootcellar.cli import wording
from rootcellar.cli.documents import run_document, time_text
from rootcellar.cli.listing import read_since
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import find, key_of, type_name_of
from rootcellar.cli.terminal import Column, Terminal
from rootcellar.schemas.errors import NotInCatalog

if TYPE_CHECKING:
    from datetime import datetime

    from rootcellar.catalog.catalog import Catalog
    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.values import Run

__all__ = ["COMMANDS"]

_MOST = 10**9
_PHASES = ("stage_in", "body", "stage_out")
_STATES = {"present": "green", "stale": "yellow", "missing": "red"}


@click.command("attempts")
@click.argument("words", metavar="X", nargs=-1, required=True)
@common_options
@click.pass_context
def attempts(ctx: click.Context, words: tuple[str, ...]) -> None:
    """List all runs of one Celery message, and what each left.

    X is the uid of a run, a Celery task id, or what names a version: then of the run that made it.
    """
    project = Project(ctx)
    found = _attempts(project, project.recorded(), words)
    left: list[Any] = list(found.column("left"))
    if project.is_json:
        print_json(
            {
                "runs": [
                    {"left": made, **run_document(one)}
                    for made, one in zip(left, found, strict=True)
                ],
                "note": found.note,
            }
        )
        return
    columns = (
        Column("attempt", right=True),
        Column("state", style=lambda state: wording.STATE_STYLES.get(state, "")),
        Column("age", right=True),
        Column("took", rank=3, right=True),
        Column("delivery", rank=2),
        Column("error", least=16, rank=1),
        Column("left", least=16),
        Column("host", rank=4, style="dim"),
        Column("run", style="dim"),
    )
    rows = [
        [
            str(number),
            one.state.value,
            wording.age(one.started_at),
            wording.duration(one.seconds),
            "redelivered" if one.redelivered else "",
            f"{one.error.error.rpartition('.')[2]}: {one.error.message}" if one.error else "",
            ", ".join(made),
            one.host,
            wording.short(one.uid),
        ]
        for number, (one, made) in enumerate(zip(found, left, strict=True), start=1)
    ]
    Terminal().table(columns, rows, note=found.note)


def _attempts(project: Project, catalog: Catalog, words: tuple[str, ...]) -> Table[Run]:
    try:
        return catalog.attempts(find(project, words))
    except NotInCatalog:
        if len(words) > 1:
            raise
        return catalog.attempts(words[0])


@click.command("coverage")
@click.argument("type_name", metavar="TYPE")
@click.argument("words", metavar="[FIELD=VALUE]...", nargs=-1)
@click.option("--missing", is_flag=True, help="List only what is missing.")
@common_options
@click.pass_context
def coverage(ctx: click.Context, type_name: str, words: tuple[str, ...], *, missing: bool) -> None:
    """List each key of a grid, and whether its artifact is there.

    A key field that is given several times spans the grid; one that is left out takes all values
    that artifacts of the type have.
    """
    project = Project(ctx)
    catalog = project.recorded()
    found = type_name_of(project, type_name)
    grid = catalog.coverage(found.name, limit=_MOST, **key_of(found, words))
    # The columns beside the key are the last five; see `Surveying.coverage`.
    fields = grid.names[:-5]
    cells: list[tuple[dict[str, Any], Any]]
    cells = [(dict(zip(fields, row, strict=False)), row[len(fields) :]) for row in grid.rows]
    shown = [cell for cell in cells if not missing or cell[1][0] == "missing"]
    if project.is_json:
        keys = [{"key": key, **_standing(standing)} for key, standing in shown]
        print_json({"type": found.name, "keys": keys, "note": grid.note})
        return
    columns = (
        Column("artifact", least=20),
        Column("state", style=lambda state: _STATES.get(state, "")),
        Column("version", style="dim"),
    )
    rows = [
        [wording.artifact(found.name, key), state, wording.short(uid) if uid else ""]
        for key, (state, _, _, _, uid) in shown
    ]
    Terminal().table(columns, rows, note=grid.note)


def _standing(standing: tuple[Any, ...]) -> dict[str, Any]:
    state, recorded_at, size_bytes, seq, uid = standing
    return {
        "state": state,
        "recorded_at": time_text(recorded_at),
        "size_bytes": size_bytes,
        "seq": seq,
        "version": uid,
    }


@click.command("duplicates")
@click.argument("type_name", metavar="[TYPE]", required=False)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="List so many at most; 0 lists all.",
)
@common_options
@click.pass_context
def duplicates(ctx: click.Context, type_name: str | None, *, limit: int) -> None:
    """List bytes that several versions have, what costs most first."""
    project = Project(ctx)
    name = None if type_name is None else type_name_of(project, type_name).name
    contents: list[dict[str, Any]] = []
    note = ""
    if project.is_recorded:
        found = project.catalog.duplicates(name, limit=limit or _MOST)
        contents, note = [dict(row) for row in found], found.note
    if project.is_json:
        print_json({"contents": contents, "note": note})
        return
    if not contents:
        said = "No bytes are there twice." if project.is_recorded else "Nothing is recorded yet."
        click.echo(said)
        return
    columns = (
        Column("size", right=True),
        Column("extra", right=True),
        Column("places", right=True),
        Column("versions", rank=2, right=True),
        Column("artifacts", least=24),
        Column("digest", rank=1, style="dim"),
    )
    rows = [
        [
            wording.size(one["size_bytes"]),
            wording.size(one["extra_bytes"]),
            str(one["places"]),
            str(one["versions"]),
            ", ".join(one["which"]),
            one["digest"].partition(":")[2][:12],
        ]
        for one in contents
    ]
    Terminal().table(columns, rows, note=note)


@click.command("cost")
@click.option("--task", help="Sum up runs of this task only.")
@click.option(
    "--since",
    metavar="WHEN",
    callback=read_since,
    help="Sum up runs that started since then: 2h, 7d, 2026-01-31.",
)
@common_options
@click.pass_context
def cost(ctx: click.Context, *, task: str | None, since: datetime | None) -> None:
    """Sum up time by phase, bytes and cache hits of each task."""
    project = Project(ctx)
    tasks: list[dict[str, Any]] = []
    if project.is_recorded:
        tasks = [dict(row) for row in project.catalog.cost(task, since)]
    if project.is_json:
        print_json({"tasks": tasks})
        return
    if not tasks:
        click.echo("No run fits." if project.is_recorded else "Nothing is recorded yet.")
        return
    columns = (
        Column("task", least=12, style="bold", keeps_end=True),
        Column("runs", right=True),
        Column("failed", rank=2, right=True),
        Column("reused", rank=3, right=True),
        Column("stage in", right=True),
        Column("body", right=True),
        Column("stage out", right=True),
        Column("in", rank=1, right=True),
        Column("out", rank=1, right=True),
        Column("hits", rank=4, right=True),
    )
    rows = [
        [
            one["task"],
            str(one["runs"]),
            str(one["failed"] or ""),
            str(one["reused"] or ""),
            *(wording.duration(one[f"{phase}_seconds"]) for phase in _PHASES),
            wording.size(one["downloaded_bytes"]),
            wording.size(one["uploaded_bytes"]),
            "" if one["hit_ratio"] is None else f"{one['hit_ratio']:.0%}",
        ]
        for one in tasks
    ]
    Terminal().table(columns, rows)


COMMANDS = {
    "attempts": attempts,
    "coverage": coverage,
    "duplicates": duplicates,
    "cost": cost,
}
