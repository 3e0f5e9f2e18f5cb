"""`stale` and `impact`: what current versions depend on, and what depends on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rootcellar.cli import wording
from rootcellar.cli.documents import version_document
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import find_version, key_of, type_name_of
from rootcellar.cli.terminal import Column, Terminal

if TYPE_CHECKING:
    from rootcellar.catalog.answers.impact import Impact, Step
    from rootcellar.catalog.answers.staleness import Stale
    from rootcellar.catalog.drawing.table import Table

__all__ = ["COMMANDS"]

_LISTED = 50
_STALE_STYLES = {"changed": "yellow", "upstream": "cyan", "unknown": "dim"}


@click.command("stale")
@click.argument("type_name", metavar="[TYPE]", required=False)
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
def stale(ctx: click.Context, type_name: str | None, words: tuple[str, ...], *, limit: int) -> None:
    """List current versions whose inputs have changed since.

    Contents are compared, not times: an input that was made again with equal bytes has not changed.
    A key field that is given several times allows each of the values.
    """
    project = Project(ctx)
    answer = _find_stale(project, type_name, words, limit)
    found: list[Stale] = list(answer or ())
    more = bool(answer is not None and answer.note)
    if project.is_json:
        print_json({"stale": [_stale(one) for one in found], "more": more})
    elif not found:
        click.echo("Nothing is stale." if project.is_recorded else "Nothing is recorded yet.")
    else:
        note = f"There are more than these {len(found)}; --limit 0 lists all." if more else ""
        _print_stale(found, note)


def _find_stale(
    project: Project, type_name: str | None, words: tuple[str, ...], limit: int
) -> Table[Stale] | None:
    """Return what is stale; None if nothing of that kind is recorded."""
    key: dict[str, Any] = {}
    if type_name is not None:
        named = type_name_of(project, type_name)
        type_name, key = named.name, key_of(named, words)
    if not project.is_recorded:
        return None
    known = {one.name for one in project.catalog.types()}
    if type_name is not None and type_name not in known:
        return None  # declared, and not recorded yet
    return project.catalog.stale(type_name, max_rows=limit or 10**9, **key)


@click.command("impact")
@click.argument("words", metavar="X", nargs=-1, required=True)
@click.option(
    "--max-nodes",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Stop after so many artifacts.",
)
@common_options
@click.pass_context
def impact(ctx: click.Context, words: tuple[str, ...], *, max_nodes: int) -> None:
    """Show what depends on an artifact, and what to run again.

    Costs are those of past runs of each task. X is a type with its key, a logical URI, or the uid
    of a version; as in show.
    """
    project = Project(ctx)
    version = find_version(project, words)
    answer = project.catalog.impact(version, max_nodes=max_nodes)
    if project.is_json:
        print_json({"impact": _impact(answer)})
    else:
        _print_impact(answer)


def _print_stale(found: list[Stale], note: str) -> None:
    columns = (
        Column("artifact", least=28),
        Column("seq", rank=3, right=True),
        Column("cause", style=lambda cause: _STALE_STYLES.get(cause, "")),
        Column("argument", least=8, rank=2),
        Column("input", least=24),
        Column("read", right=True),
        Column("now", right=True),
    )
    rows = [
        [
            wording.artifact(one.type, one.key),
            str(one.seq),
            one.cause.value,
            one.argument,
            wording.artifact(one.input_type, one.input_key),
            str(one.recorded_seq),
            str(one.current_seq),
        ]
        for one in found
    ]
    Terminal().table(columns, rows, note=note)


def _print_impact(answer: Impact) -> None:
    terminal = Terminal()
    heading, *lines = str(answer).splitlines()
    terminal.line((heading, "bold"))
    for line in lines:
        terminal.cut_line((line, "dim"))
    if not answer.steps:
        return
    columns = (
        Column("step", right=True),
        Column("task", least=12, style="bold", keeps_end=True),
        Column("runs", right=True),
        Column("makes", least=20),
        Column("took", right=True),
        Column("in", rank=2, right=True),
        Column("out", rank=2, right=True),
        Column("from", rank=1, style="dim"),
    )
    terminal.line(("", ""))
    terminal.table(columns, [_step_row(step) for step in answer.plan()])


def _step_row(step: Step) -> list[str]:
    seconds, came, went = (
        step.all_of(one) for one in (step.seconds, step.downloaded_bytes, step.uploaded_bytes)
    )
    unknown = "by hand" if step.is_by_hand else "unknown"
    return [
        str(step.number),
        step.task or "an unknown task",
        str(len(step.runs)),
        ", ".join(f"{count} {name}" for name, count in step.types.items()),
        unknown if seconds is None else wording.duration(seconds),
        "" if came is None else wording.size(round(came)),
        "" if went is None else wording.size(round(went)),
        wording.count(step.past_runs, "past run") if step.past_runs else "",
    ]


def _stale(one: Stale) -> dict[str, Any]:
    return {
        "type": one.type,
        "key": one.key,
        "seq": one.seq,
        "version": one.version,
        "cause": one.cause.value,
        "argument": one.argument,
        "input": {"type": one.input_type, "key": one.input_key},
        "recorded": {"seq": one.recorded_seq, "version": one.recorded},
        "current": {"seq": one.current_seq, "version": one.current},
    }


def _impact(answer: Impact) -> dict[str, Any]:
    plan = answer.plan()
    return {
        "version": answer.version.uid,
        "versions": [{"depth": answer.depths[one.uid], **version_document(one)} for one in answer],
        "plan": {
            "steps": [_step(step) for step in plan],
            "runs": plan.runs,
            "unknown_runs": plan.unknown_runs,
            "seconds": plan.seconds,
            "least_seconds": plan.least_seconds,
            "downloaded_bytes": plan.downloaded_bytes,
            "uploaded_bytes": plan.uploaded_bytes,
        },
        "note": answer.note,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "step": step.number,
        "task": step.task,
        "is_by_hand": step.is_by_hand,
        "runs": list(step.runs),
        "types": dict(step.types),
        "seconds_each": step.seconds,
        "downloaded_bytes_each": step.downloaded_bytes,
        "uploaded_bytes_each": step.uploaded_bytes,
        "past_runs": step.past_runs,
    }


COMMANDS = {"stale": stale, "impact": impact}
