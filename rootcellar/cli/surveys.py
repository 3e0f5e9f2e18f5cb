"""`failures` and `gaps`: what went wrong how often, and what is not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rootcellar.catalog.answers.failings import Failures
from rootcellar.catalog.drawing.lettering import readable
from rootcellar.cli import wording
from rootcellar.cli.documents import run_document, time_text
from rootcellar.cli.listing import read_since
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import key_of, type_name_of
from rootcellar.cli.terminal import Column, Terminal

if TYPE_CHECKING:
    from datetime import datetime

    from rootcellar.catalog.drawing.table import Row, Table

__all__ = ["COMMANDS"]

_MOST = 10**9
_LISTED = 50


@click.command("failures")
@click.option("--task", help="Count runs of this task only.")
@click.option(
    "--since",
    metavar="WHEN",
    callback=read_since,
    help="Count runs that started since then: 2h, 7d, 2026-01-31.",
)
@common_options
@click.pass_context
def failures(ctx: click.Context, *, task: str | None, since: datetime | None) -> None:
    """Count what failed, by task and error.

    The most frequent stands first, with its last run as an example: see `show` for all of it.
    """
    project = Project(ctx)
    found = Failures((), ())
    if project.is_recorded:
        found = project.catalog.failures(task, since)
    if project.is_json:
        print_json(
            {
                "groups": [_group_document(group) for group in found.groups],
                "runs": [run_document(one) for one in found],
                "note": found.note,
            }
        )
    elif not found:
        click.echo("No run failed." if project.is_recorded else "Nothing is recorded yet.")
    else:
        _print_groups(found.groups)


def _group_document(group: Row) -> dict[str, Any]:
    document: dict[str, Any] = dict(group)
    return {**document, **{name: time_text(document[name]) for name in ("first", "last")}}


def _print_groups(groups: Table[Row]) -> None:
    columns = (
        Column("count", right=True),
        Column("task", least=12, style="bold", keeps_end=True),
        Column("error", least=12, style="red", keeps_end=True),
        Column("cause", rank=3),
        Column("first", rank=4, right=True),
        Column("last", rank=1, right=True),
        Column("message", least=20, rank=2),
        Column("run", style="dim"),
    )
    found: list[dict[str, Any]] = [dict(group) for group in groups]
    rows = [
        [
            str(one["count"]),
            one["task"],
            (one["error"] or "").rpartition(".")[2] or one["state"],
            one["cause"] or "",
            wording.age(one["first"]),
            wording.age(one["last"]),
            one["message"] or "",
            wording.short(one["run"]),
        ]
        for one in found
    ]
    Terminal().table(columns, rows)


@click.command("gaps")
@click.argument("have", metavar="HAVE")
@click.argument("lack", metavar="LACK")
@click.argument("words", metavar="[FIELD=VALUE]...", nargs=-1)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_LISTED,
    show_default=True,
    help="List so many at most; 0 lists all.",
)
@common_options
@click.pass_context
def gaps(ctx: click.Context, have: str, lack: str, words: tuple[str, ...], *, limit: int) -> None:
    """List keys that one type has and another lacks.

    Keys belong together if they agree in the fields that both types have. A key field that is
    given several times allows each of the values.
    """
    project = Project(ctx)
    catalog = project.recorded()
    there, missing = type_name_of(project, have), type_name_of(project, lack)
    key = key_of(there, words)
    found = catalog.gaps(have=there.name, lack=missing.name, limit=limit or _MOST, **key)
    keys: list[dict[str, Any]] = [dict(row) for row in found]
    if project.is_json:
        print_json({"have": there.name, "lack": missing.name, "keys": keys, "note": found.note})
        return
    terminal = Terminal()
    for one in keys:
        terminal.line((readable(wording.artifact(there.name, one)), ""))
    terminal.line((found.note, "dim"))


COMMANDS = {"failures": failures, "gaps": gaps}
