"""`show`: everything about one version or one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rootcellar.catalog.drawing.columns_told import columns_told
from rootcellar.catalog.values import Run, RunInput, RunOutput, Version
from rootcellar.cli import wording
from rootcellar.cli.documents import edge_document, run_document, version_document
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import find
from rootcellar.cli.terminal import Column, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootcellar.catalog.catalog import Catalog
    from rootcellar.catalog.drawing.table import Row, Table

__all__ = ["COMMANDS"]

_MOST_COLUMNS = 100


@click.command("show")
@click.argument("words", metavar="X", nargs=-1, required=True)
@common_options
@click.pass_context
def show(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show everything about a version or a run.

    X is a type with its key (generation station=3 tilt=30), a logical URI, an alias, or the uid
    of a version or a run; of a uid the last characters are enough.
    """
    project = Project(ctx)
    found = find(project, words)
    if isinstance(found, Run):
        _show_run(found, as_json=project.is_json)
    else:
        _show_version(project.catalog, found, as_json=project.is_json)


def _show_version(catalog: Catalog, version: Version, *, as_json: bool) -> None:
    head = catalog.head(version.type, version.key)
    is_current = head is not None and head.uid == version.uid
    run = version.run
    inputs: list[RunInput] = list(run.inputs) if run is not None else []
    columns = columns_told(version.schema, version.statistics)
    if as_json:
        document = {
            **version_document(version),
            "is_current": is_current,
            "made_by": None if run is None else run_document(run),
            "inputs": [edge_document(edge) for edge in inputs],
            "columns": [dict(row) for row in columns],
        }
        print_json({"version": document})
        return
    terminal = Terminal()
    standing = "current" if is_current else "a newer version is recorded"
    if not version.is_present:
        gone = {"deleted": "deleted by its type's retention", "missing": "missing in its store"}
        standing += f", {gone.get(version.state, 'no longer at its URI')}"
    terminal.line(
        (wording.artifact(version.type, version.key), "bold"),
        (f"  version {version.seq}, {standing}", "dim"),
    )
    terminal.facts(
        [
            ("uri", version.uri),
            ("digest", str(version.digest)),
            ("size", _extent(version)),
            ("format", version.media_type),
            ("schema", version.schema_fingerprint or ""),
            ("state", f"{version.pin.token} when it was recorded"),
            ("recorded", wording.moment(version.recorded_at)),
            ("version", version.uid),
            ("made by", _maker(run)),
            ("run", version.run_uid),
        ]
    )
    _show_edges(terminal, "inputs", inputs)
    _show_columns(terminal, columns)


def _show_columns(terminal: Terminal, columns: Table[Row]) -> None:
    rows = [
        ["" if value is None else wording.spelled(value) for value in row]
        for row in columns.rows[:_MOST_COLUMNS]
    ]
    if not rows:
        return
    titles = (
        Column("column", least=10),
        Column("type", least=10),
        Column("nulls", rank=2, right=True),
        Column("min", least=10, rank=1),
        Column("max", least=10, rank=1),
    )
    more = len(columns) - len(rows)
    click.echo()
    terminal.table(titles, rows, note=f"… {wording.count(more, 'more column')}" if more else "")


def _extent(version: Version) -> str:
    parts = [wording.size(version.size_bytes)]
    if version.row_count is not None:
        parts.append(wording.count(version.row_count, "row"))
    if version.members is not None:
        parts.append(wording.count(version.members, "file"))
    return ", ".join(parts)


def _maker(run: Run | None) -> str:
    if run is None:
        return "no run of ours; these bytes were found"
    arguments = " ".join(f"{name}={_argument(value)}" for name, value in run.arguments.items())
    return f"{run.task} {arguments}".strip()


def _argument(value: Any) -> str:
    """Return a call's argument in short: an artifact by its key."""
    if isinstance(value, dict) and "$type" in value:
        key = value.get("key") or value.get("where") or {}
        return f"{value['$type']}({', '.join(f'{n}={wording.spelled(v)}' for n, v in key.items())})"
    if isinstance(value, list):
        return f"[{', '.join(_argument(one) for one in value)}]"
    return wording.spelled(value)


def _show_run(run: Run, *, as_json: bool) -> None:
    inputs: list[RunInput] = list(run.inputs)
    outputs: list[RunOutput] = list(run.outputs)
    if as_json:
        document = {
            **run_document(run),
            "inputs": [edge_document(edge) for edge in inputs],
            "outputs": [edge_document(edge) for edge in outputs],
        }
        print_json({"run": document})
        return
    terminal = Terminal()
    state = run.state.value
    terminal.line((run.task or "an unknown task", "bold"), ("  ", ""), (state, _style(state)))
    terminal.facts(
        [
            ("run", run.uid),
            ("task id", run.task_id),
            ("arguments", _arguments(run)),
            ("started", wording.moment(run.started_at)),
            ("took", _phases(run)),
            ("moved", _moved(run)),
            ("cache", _cache(run)),
            ("retries", str(run.retries) if run.retries else ""),
            ("delivery", "redelivered" if run.redelivered else ""),
            ("reused", f"outputs of run {run.reused_run}" if run.reused_run else ""),
            ("sent by", f"run {run.parent_run}" if run.parent_run else ""),
            ("code", _code(run)),
            ("where", _place(run)),
            ("python", _python(run)),
        ]
    )
    _show_edges(terminal, "inputs", inputs)
    _show_edges(terminal, "outputs", outputs)
    _show_error(terminal, run)


def _style(state: str) -> str:
    return wording.STATE_STYLES.get(state, "")


def _arguments(run: Run) -> str:
    return " ".join(f"{name}={_argument(value)}" for name, value in run.arguments.items())


def _phases(run: Run) -> str:
    if run.seconds is None:
        return ""
    phases = (
        f"{name} {wording.duration(seconds)}"
        for name, seconds in (
            ("stage in", run.phases.stage_in),
            ("body", run.phases.body),
            ("stage out", run.phases.stage_out),
        )
    )
    return f"{wording.duration(run.seconds)}: {', '.join(phases)}"


def _moved(run: Run) -> str:
    rate = wording.rate(run.download_rate)
    came = f"{wording.size(run.downloaded_bytes)} in" + (f" at {rate}" if rate else "")
    return f"{came}, {wording.size(run.uploaded_bytes)} out"


def _cache(run: Run) -> str:
    if run.hit_ratio is None:
        return ""
    files = wording.count(run.hits + run.misses, "input file")
    return f"{run.hits} of {files} on the host ({run.hit_ratio:.0%})"


def _code(run: Run) -> str:
    if run.code is None:
        return ""
    commit = f", commit {run.code.git_commit[:12]}" if run.code.git_commit else ""
    return f"{run.code.qualname}{commit}{' with changes' if run.code.git_dirty else ''}"


def _place(run: Run) -> str:
    queue = f", queue {run.queue}" if run.queue else ""
    return f"{run.host}, process {run.pid}{queue}" if run.host else ""


def _python(run: Run) -> str:
    if run.environment is None:
        return ""
    image = f", image {run.environment.image}" if run.environment.image else ""
    packages = wording.count(len(run.environment.packages), "package")
    return f"{run.environment.python}, {packages}{image}"


def _show_edges(
    terminal: Terminal, title: str, edges: Iterable[RunInput] | Iterable[RunOutput]
) -> None:
    rows = [
        [
            edge.argument,
            wording.artifact(edge.version.type, edge.version.key) if edge.version else "nothing",
            str(edge.version.seq) if edge.version else "",
            wording.size(edge.version.size_bytes) if edge.version else "",
            getattr(edge, "cache", "") or getattr(edge, "mode", ""),
            _read(edge),
            wording.rate(edge.bytes_per_second),
            wording.short(edge.version.uid) if edge.version else "",
        ]
        for edge in edges
    ]
    if not rows:
        return
    columns = (
        Column(title, least=10),
        Column("artifact", least=20),
        Column("seq", rank=2, right=True),
        Column("size", right=True),
        Column("how", rank=1),
        Column("moved", rank=3, right=True),
        Column("rate", rank=4, right=True),
        Column("version", style="dim"),
    )
    click.echo()
    terminal.table(columns, rows)


def _read(edge: RunInput | RunOutput) -> str:
    """Return what was transferred; of a stream, with the requests that took."""
    if not edge.transferred_bytes:
        return ""
    requests = getattr(edge, "requests", 0)
    by = f" by {wording.count(requests, 'request')}" if requests else ""
    return f"{wording.size(edge.transferred_bytes)}{by}"


def _show_error(terminal: Terminal, run: Run) -> None:
    if run.error is None:
        return
    click.echo()
    kind = run.error.error.rpartition(".")[2]
    cause = f" ({run.error.cause})" if run.error.cause else ""
    terminal.wrapped(((f"{kind} in {run.error.phase}{cause}: ", "bold red"),), run.error.message)
    if run.error.traceback:
        terminal.line((run.error.traceback.rstrip(), "dim"))


COMMANDS = {"show": show}
