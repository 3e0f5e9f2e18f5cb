"""`openlineage relay`: telling OpenLineage of runs, where no worker does."""

from __future__ import annotations

import signal
import threading

import click

from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.relaying_process import relay_options
from rootcellar.schemas.errors import CatalogUnavailable

__all__ = ["COMMANDS"]


@click.group("openlineage")
@common_options
def openlineage() -> None:
    """Tell OpenLineage of runs.

    The client's own configuration says whom: OPENLINEAGE_URL, OPENLINEAGE__TRANSPORT__…, or a file
    openlineage.yml.
    """


@openlineage.command("relay", short_help="Tell of each run from where the last relay left off.")
@click.option("--follow", is_flag=True, help="Go on until interrupted.")
@click.option("--all", "everything", is_flag=True, help="Begin with the very first run.")
@common_options
@click.pass_context
def relay(ctx: click.Context, *, follow: bool, everything: bool) -> None:
    """Send a START and an end event for each run, from where the last relay left off.

    The first relay of a catalog begins with the runs after it, unless told --all. An event may
    come twice, and none is left out.
    """
    project = Project(ctx)
    relay = project.catalog.relay(relay_options(project.settings))
    relay.begin(from_first=everything)
    sent = 0
    try:
        if follow:
            ended = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: ended.set())
            signal.signal(signal.SIGINT, lambda *_: ended.set())
            relay.follow(ended.wait)
            return
        while not (step := relay.step()).is_done:
            sent += step.sent
            if step.problem or step.is_elsewhere:
                raise CatalogUnavailable(
                    f"after {sent} events: {step.problem or 'another process relays at present'}",
                    remedy="Try again: it goes on where it stopped",
                )
    finally:
        relay.close()
    if project.is_json:
        print_json({"sent": sent})
    else:
        click.echo(f"{sent} events sent")


COMMANDS = {"openlineage": openlineage}
