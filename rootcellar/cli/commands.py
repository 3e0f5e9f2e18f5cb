"""The commands, each loaded when it is called, so that `--help` and a typing error cost nothing."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rootcellar import __version__
from rootcellar.cli.failures import exit_code_of, report_failure, report_usage
from rootcellar.cli.options import JSON_FLAG, Invocation, common_options, print_json
from rootcellar.schemas.errors import RootcellarError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["COMMANDS", "CommandTable", "celery_command", "command"]


_SETTINGS = {"help_option_names": ["-h", "--help"]}


class Entry(NamedTuple):
    """Where a command is defined, and the first sentence of its help."""

    module: str
    help: str


COMMANDS = {
    "demo": Entry("demo", "Run the energy atlas of Germany on a real worker."),
    "types": Entry("listing", "List the artifact types."),
    "ls": Entry("listing", "List current versions, newest first."),
    "show": Entry("showing", "Show everything about a version or a run."),
    "uri": Entry("files", "Give the URI of an artifact, or the artifact at a URI."),
    "pull": Entry("files", "Copy an artifact to a local file or folder, verified."),
    "push": Entry("files", "Publish a local file or folder as an artifact."),
    "import": Entry("importing", "Enter what lies in a store as artifacts, by their templates."),
    "runs": Entry("listing", "List runs, the last started first."),
    "lineage": Entry("tracing", "Show what a version was made from, or what became of it."),
    "map": Entry("pictures", "Show which types are made from which, by which task."),
    "diff": Entry("comparing", "Show how two versions, or two runs, differ."),
    "why": Entry("comparing", "Show why a version differs from an earlier one."),
    "stale": Entry("depending", "List current versions whose inputs have changed since."),
    "impact": Entry("depending", "Show what depends on an artifact, and what to run again."),
    "whence": Entry("origins", "Find out where a local file or folder came from."),
    "history": Entry("histories", "List all versions of an artifact, and what changed."),
    "readers": Entry("histories", "List the runs that read a version."),
    "locations": Entry("histories", "List where copies of a version are."),
    "reproduce": Entry("origins", "Show what it takes to make a version once more."),
    "retain": Entry("retaining", "List, and with --apply delete, what no retention keeps."),
    "deleted": Entry("retaining", "List what was deleted, and what could be made again."),
    "failures": Entry("surveys", "Count what failed, by task and error."),
    "gaps": Entry("surveys", "List keys that one type has and another lacks."),
    "coverage": Entry("tallies", "List each key of a grid, and whether its artifact is there."),
    "duplicates": Entry("tallies", "List bytes that several versions have, what costs most first."),
    "attempts": Entry("tallies", "List all runs of one Celery message, and what each left."),
    "cost": Entry("tallies", "Sum up time by phase, bytes and cache hits of each task."),
    "export": Entry("exchange", "Write a version with its whole history for other tools."),
    "merge": Entry("exchange", "Bring two catalogs together."),
    "openlineage": Entry("openlineage", "Tell OpenLineage of runs."),
    "cache": Entry("cache", "List, verify and evict what this host keeps."),
    "tag": Entry("marks", "Show, write or remove the tags of a version."),
    "alias": Entry("marks", "List names of versions, or let one stand for X."),
    "catalog": Entry("catalog", "Check and upgrade the catalog, and enter what waits for it here."),
    "config": Entry("configuration", "Show every setting, its value and where it came from."),
    "doctor": Entry("doctor", "Check settings, stores, cache, catalog and Celery's settings."),
}


class CommandTable(click.Group):
    """A click group that knows its commands' names and loads them on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load a command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"rootcellar.cli.{entry.module}")
        found: click.Command = module.COMMANDS[cmd_name]
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the options before the command's name."""
        as_json = JSON_FLAG in args
        with _usage_errors(as_json=as_json):
            ctx = super().make_context(info_name, args, parent, **extra)
        if as_json:
            Invocation.remember(ctx, is_json=True)
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours becomes one block on stderr."""
        called = Invocation.of(ctx)
        try:
            with _usage_errors(as_json=called.is_json):
                return super().invoke(ctx)
        except RootcellarError as error:
            called = Invocation.of(ctx)
            if called.is_debug:
                raise
            report_failure(error, as_json=called.is_json)
            ctx.exit(exit_code_of(error))


@contextmanager
def _usage_errors(*, as_json: bool) -> Iterator[None]:
    """Write click's own errors as JSON, if that was asked for."""
    try:
        yield
    except click.ClickException as error:
        if not as_json:
            raise
        report_usage(error)
        raise click.exceptions.Exit(error.exit_code) from error


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  click's signature
    if value:
        if Invocation.of(ctx).is_json:
            print_json({"version": __version__})
        else:
            click.echo(f"rootcellar {__version__}")
        ctx.exit()


@click.group(cls=CommandTable, context_settings=_SETTINGS)
@common_options
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version of rootcellar.",
)
def command() -> None:
    """Ask what files there are, where they came from, and bring them here."""


@click.group("rootcellar", cls=CommandTable, context_settings=_SETTINGS)
@common_options
@click.pass_context
def celery_command(ctx: click.Context) -> None:
    """Ask what files there are, where they came from, and bring them here."""
    # Celery's own context object; under it, `-A` has been read already.
    Invocation.remember(ctx, celery_app=getattr(ctx.obj, "app", None))
