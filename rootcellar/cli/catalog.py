"""`catalog`: the database that remembers, and the records that wait for it on this host."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rootcellar.away import enter
from rootcellar.cli import wording
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.terminal import Column, Terminal
from rootcellar.spool import Spool

if TYPE_CHECKING:
    from rootcellar.catalog.values import CatalogHealth
    from rootcellar.spool import Replayed, Waiting

__all__ = ["COMMANDS"]

_STYLES = {"start": "cyan", "end": "green"}


@click.group("catalog")
@common_options
def catalog() -> None:
    """Check and upgrade the catalog, and enter what waits for it here."""


@catalog.command("check")
@common_options
@click.pass_context
def check(ctx: click.Context) -> None:
    """Show how the catalog is. Changes nothing; ends with 1 if it cannot be used."""
    project = Project(ctx)
    found = project.catalog.check()
    waiting = len(Spool(project.settings.spool_folder).waiting())
    if project.is_json:
        print_json({"is_usable": found.is_usable, **asdict(found), "waiting": waiting})
    else:
        _print_health(found, waiting)
    ctx.exit(1 if found.problem or not found.is_reachable else 0)


def _print_health(found: CatalogHealth, waiting: int) -> None:
    made = "" if found.created_at is None else wording.moment(found.created_at)
    Terminal().facts(
        (
            ("catalog", found.url),
            ("uid", found.uid),
            ("created", made),
            ("revision", found.revision or ("none yet" if found.is_reachable else "")),
            ("needed", found.expected),
            ("problem", found.problem),
            ("waiting", wording.count(waiting, "record") if waiting else ""),
        )
    )


@catalog.command("upgrade")
@common_options
@click.pass_context
def upgrade(ctx: click.Context) -> None:
    """Bring an older catalog to the tables of this version. Safe to repeat.

    A SQLite file is copied beside itself first, and is upgraded by whoever opens it anyway. A
    Postgres database is upgraded by this command only: back it up before. Workers of the older
    version keep their records on disk from then on, until they are upgraded too.
    """
    project = Project(ctx)
    before = project.catalog.check().revision
    project.catalog.upgrade()
    now = project.catalog.check()
    if project.is_json:
        print_json({"from": before, "revision": now.revision})
    elif before == now.revision:
        click.echo(f"It is at revision {now.revision} already.")
    else:
        click.echo(f"Upgraded from revision {before or 'none'} to {now.revision}.")


@catalog.command("replay")
@click.option("--rejected", is_flag=True, help="Try again what was rejected, too.")
@common_options
@click.pass_context
def replay(ctx: click.Context, *, rejected: bool) -> None:
    """Enter the records that wait on this host. Ends with 1 if some still wait, or were rejected.

    Processes that stage files do so by themselves. Entering a record twice changes nothing.
    """
    project = Project(ctx)
    spool = Spool(project.settings.spool_folder)
    if rejected:
        spool.take_back()
    done = spool.replay(lambda run: enter(project.catalog, run))
    if project.is_json:
        print_json(asdict(done))
    else:
        _print_replayed(done, spool)
    ctx.exit(1 if done.left or done.rejected else 0)


def _print_replayed(done: Replayed, spool: Spool) -> None:
    if done == type(done)():
        click.echo("Nothing waits on this host.")
        return
    click.echo(f"{wording.count(done.entered, 'record')} entered.")
    if done.rejected:
        click.echo(
            f"{wording.count(done.rejected, 'record')} rejected, now in {spool.reject_folder}."
        )
    if done.left:
        click.echo(f"{wording.count(done.left, 'record')} still waiting: {done.problem}.")


@catalog.command("spool", short_help="List what waits on this host, and what was rejected.")
@click.option("--limit", default=50, show_default=True, help="At most so many; 0 is all.")
@common_options
@click.pass_context
def spool(ctx: click.Context, *, limit: int) -> None:
    """List what waits on this host, the oldest first, and what was rejected and why."""
    project = Project(ctx)
    found = Spool(project.settings.spool_folder)
    waiting, rejected = found.waiting(), found.rejected()
    if project.is_json:
        print_json(
            {
                "folder": str(found.folder),
                "waiting": [asdict(one) for one in waiting[: limit or None]],
                "waiting_in_all": len(waiting),
                "rejected": [{"name": name, "reason": reason} for name, reason in rejected.items()],
            }
        )
        return
    if not waiting:
        click.echo("Nothing waits on this host.")
    else:
        _print_waiting(waiting, limit)
    for name, reason in rejected.items():
        Terminal().cut_line(("rejected ", "red"), (f"{name}  {reason}", ""))


def _print_waiting(waiting: list[Waiting], limit: int) -> None:
    shown = waiting[: limit or None]
    more = len(waiting) - len(shown)
    columns = (
        Column("run", style="bold"),
        Column("what", style=lambda what: _STYLES.get(what, "")),
        Column("age", right=True),
        Column("size", right=True, rank=1),
    )
    rows = [
        [wording.short(one.run), one.what, wording.age(one.since), wording.size(one.size_bytes)]
        for one in shown
    ]
    Terminal().table(columns, rows, note=f"{more} more; --limit 0 lists all" if more else "")


COMMANDS = {"catalog": catalog}
