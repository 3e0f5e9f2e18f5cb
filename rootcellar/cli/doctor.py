"""`doctor`: is everything there that tasks will need, and is Celery set so that no work is lost."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rootcellar.cli.celery_checks import check_celery
from rootcellar.cli.check import Check
from rootcellar.cli.checks import (
    check_cache,
    check_catalog,
    check_extras,
    check_registry,
    check_settings,
    check_spool,
    check_stores,
)
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.terminal import Terminal
from rootcellar.schemas.errors import RootcellarError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["COMMANDS"]

_STYLES = {"ok": "green", "note": "yellow", "problem": "bold red"}
_CHECKS: tuple[Callable[[Project], Iterable[Check]], ...] = (
    check_settings,
    check_registry,
    check_stores,
    check_cache,
    check_catalog,
    check_spool,
    check_extras,
    check_celery,
)


@click.command("doctor")
@common_options
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check settings, stores, cache, catalog and Celery's settings.

    Writes nothing that stays. Name the app with -A to have Celery's settings checked. Ends with 1
    if there is a problem; a note is none.
    """
    project = Project(ctx)
    found: list[Check] = []
    for check in _CHECKS:
        try:
            found.extend(check(project))
        except RootcellarError as error:
            found.append(Check.of(check.__name__.removeprefix("check_"), error))
            if check in {check_settings, check_registry}:
                break  # the rest would say the same again
    problems = sum(one.state == "problem" for one in found)
    if project.is_json:
        print_json({"is_ok": not problems, "checks": [asdict(one) for one in found]})
    else:
        _print(found, problems)
    ctx.exit(1 if problems else 0)


def _print(found: list[Check], problems: int) -> None:
    terminal = Terminal()
    wide = max(len(one.name) for one in found)
    for one in found:
        terminal.wrapped(
            ((f"{one.state:<7}  ", _STYLES[one.state]), (f"{one.name:<{wide}}  ", "bold")),
            one.detail,
        )
        if one.remedy:
            terminal.wrapped(((" " * (wide + 11), ""),), one.remedy, style="dim")
    click.echo()
    if problems:
        terminal.line((f"{problems} problem{'' if problems == 1 else 's'}.", "bold red"))
    else:
        terminal.line(("No problems.", "green"))


COMMANDS = {"doctor": doctor}
