"""`types`, `ls` and `runs`: what there is, as tables."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from rootcellar.catalog.times import moment_of, span_of
from rootcellar.cli import wording
from rootcellar.cli.documents import run_document, version_document
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import key_of, type_name_of
from rootcellar.cli.terminal import Column, Terminal
from rootcellar.schemas.errors import CatalogError
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from rootcellar.catalog.values import ArtifactType, Run, Version

__all__ = ["COMMANDS", "read_since"]

_NEWEST = 50
_NOTHING = "Nothing is recorded yet."


@click.command("types")
@common_options
@click.pass_context
def types(ctx: click.Context) -> None:
    """List the artifact types."""
    project = Project(ctx)
    found = _types(project)
    if project.is_json:
        print_json({"types": found})
        return
    if not found:
        click.echo("No types are known. Name the Celery app with -A, or set registry.")
        return
    columns = (
        Column("type", style="bold"),
        Column("arguments", least=9, rank=2),
        Column("uri", least=28),
        Column("format", rank=4),
        Column("artifacts", right=True),
        Column("what", least=24, rank=3, style="dim"),
    )
    rows = [
        [
            one["type"],
            ", ".join(one["arguments"]),
            one["uri_template"],
            one["format"],
            str(one["artifacts"]),
            one["what"],
        ]
        for one in found
    ]
    Terminal().table(columns, rows)


def _types(project: Project) -> list[dict[str, Any]]:
    """Return the declared types joined with the recorded ones; the declaration of today wins."""
    recorded: dict[str, ArtifactType] = (
        {one.name: one for one in project.catalog.types()} if project.is_recorded else {}
    )
    known = {name: _type(one, _fields(one)) for name, one in recorded.items()}
    for record in project.registry.records() if project.registry is not None else ():
        before = recorded.get(record.name)
        known[record.name] = {
            **_type(record, record.definition),
            "is_declared": True,
            "artifacts": before.artifacts if before else 0,
        }
    return [known[name] for name in sorted(known)]


def _fields(one: ArtifactType) -> dict[str, Any]:
    return one.definition


def _type(one: Any, definition: dict[str, Any]) -> dict[str, Any]:
    documentation = definition.get("documentation") or ""
    return {
        "type": one.name,
        "arguments": list(one.arguments),
        "uri_template": one.uri_template,
        "key": definition.get("key", {}),
        "format": definition.get("format", {}).get("name", ""),
        "media_type": one.media_type,
        "kind": one.kind,
        "artifacts": getattr(one, "artifacts", 0),
        "registry": one.registry,
        "is_declared": False,
        "what": documentation.strip().partition("\n")[0],
    }


@click.command("ls")
@click.argument("type_name", metavar="[TYPE]", required=False)
@click.argument("words", metavar="[FIELD=VALUE]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="List every version, not only current ones.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_NEWEST,
    show_default=True,
    help="List so many at most; 0 lists all.",
)
@common_options
@click.pass_context
def ls(
    ctx: click.Context, type_name: str | None, words: tuple[str, ...], *, is_all: bool, limit: int
) -> None:
    """List current versions, newest first.

    A key field that is given several times allows each of the values.
    """
    project = Project(ctx)
    found = _versions(project, type_name, words, is_all=is_all, limit=limit)
    shown = found[:limit] if limit else found
    if project.is_json:
        print_json(
            {"versions": [version_document(one) for one in shown], "more": len(found) > len(shown)}
        )
        return
    if not shown:
        click.echo("No version fits." if project.is_recorded else _NOTHING)
        return
    _print_versions(shown, _more(found, shown))


def _versions(
    project: Project, type_name: str | None, words: tuple[str, ...], *, is_all: bool, limit: int
) -> list[Version]:
    """Return the versions that fit, newest first; one more than the limit if there are more."""
    key: dict[str, Any] = {}
    if type_name is not None:
        found = type_name_of(project, type_name)
        type_name, key = found.name, key_of(found, words)
    if not project.is_recorded:
        return []
    catalog = project.catalog
    names = [one.name for one in catalog.types()]
    if type_name is not None and type_name not in names:
        return []  # declared, and not recorded yet
    if is_all:
        return list(catalog.versions(type_name, max_rows=limit + 1 if limit else 10**9, **key))
    heads: list[Version] = []
    for name in names if type_name is None else [type_name]:
        heads.extend(catalog.heads(name, **key))
    return sorted(heads, key=lambda one: (one.recorded_at, one.uid), reverse=True)


def _print_versions(shown: list[Version], note: str) -> None:
    columns = (
        Column("artifact", least=36),
        Column("seq", rank=3, right=True),
        Column("age", right=True),
        Column("size", right=True),
        Column("rows", rank=2, right=True),
        Column("made by", least=10, rank=1, keeps_end=True),
        Column("version", style="dim"),
    )
    rows = [
        [
            wording.artifact(one.type, one.key),
            str(one.seq),
            wording.age(one.recorded_at),
            wording.size(one.size_bytes),
            "" if one.row_count is None else str(one.row_count),
            one.task or one.origin,
            wording.short(one.uid),
        ]
        for one in shown
    ]
    Terminal().table(columns, rows, note=note)


def _more(found: list[Any], shown: list[Any]) -> str:
    if len(found) == len(shown):
        return ""
    return f"There are more than these {len(shown)}; --limit 0 lists all."


def read_since(
    _ctx: click.Context, _parameter: click.Parameter, text: str | None
) -> datetime | None:
    """Read `2h`, `7d`, `2026-01-31` or a whole ISO time; one without a zone is local."""
    if text is None:
        return None
    try:
        span = span_of(text)
        return moment_of(_local(text) if span is None else span)
    except CatalogError as error:
        raise click.BadParameter(f"{error.problem}.") from error


def _local(text: str) -> datetime:
    try:
        written = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is neither a span such as 2h or 7d nor a date such as 2026-01-31."
        ) from error
    try:
        return written.astimezone()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"the time {text} is beyond the calendar.") from error


@click.command("runs")
@click.option("--task", help="List runs of this task only.")
@click.option(
    "--state",
    type=click.Choice([one.value for one in RunState]),
    help="List runs in this state only.",
)
@click.option(
    "--since",
    metavar="WHEN",
    callback=read_since,
    help="List runs that started since then: 2h, 7d, 2026-01-31.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=_NEWEST,
    show_default=True,
    help="List so many at most; 0 lists all.",
)
@common_options
@click.pass_context
def runs(
    ctx: click.Context, *, task: str | None, state: str | None, since: datetime | None, limit: int
) -> None:
    """List runs, the last started first."""
    project = Project(ctx)
    found: list[Run] = []
    if project.is_recorded:
        most = limit + 1 if limit else 10**9
        found = list(project.catalog.runs(task, state, since=since, limit=most))
    shown = found[:limit] if limit else found
    if project.is_json:
        print_json({"runs": [run_document(one) for one in shown], "more": len(found) > len(shown)})
        return
    if not shown:
        click.echo("No run fits." if project.is_recorded else _NOTHING)
        return
    _print_runs(shown, _more(found, shown))


def _print_runs(shown: list[Run], note: str) -> None:
    columns = (
        Column("age", right=True),
        Column("task", least=12, style="bold", keeps_end=True),
        Column("state", style=lambda state: wording.STATE_STYLES.get(state, "")),
        Column("took", right=True),
        Column("in", rank=3, right=True),
        Column("out", rank=3, right=True),
        Column("hits", rank=5, right=True),
        Column("error", least=24, rank=1),
        Column("host", rank=4, style="dim"),
        Column("run", style="dim"),
    )
    rows = [
        [
            wording.age(one.started_at),
            one.task,
            one.state.value,
            wording.duration(one.seconds),
            wording.size(one.downloaded_bytes),
            wording.size(one.uploaded_bytes),
            "" if one.hit_ratio is None else f"{one.hit_ratio:.0%}",
            f"{one.error.error.rpartition('.')[2]}: {one.error.message}" if one.error else "",
            one.host,
            wording.short(one.uid),
        ]
        for one in shown
    ]
    Terminal().table(columns, rows, note=note)


COMMANDS = {"types": types, "ls": ls, "runs": runs}
