"""`retain` and `deleted`: what retention leaves over, and what it has deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rootcellar.cli import wording
from rootcellar.cli.documents import time_text, version_document
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import type_name_of
from rootcellar.cli.terminal import Column, Terminal
from rootcellar.retiring import policies_of, retire
from rootcellar.runtime import stores_of

if TYPE_CHECKING:
    from rootcellar.catalog.answers.removals import Retiring
    from rootcellar.catalog.values import Version
    from rootcellar.retiring import Retired

__all__ = ["COMMANDS"]

_LISTED = 50
_RESULTS = {"deleted": "green", "missing": "yellow", "kept": "dim", "failed": "red"}


@click.command("retain")
@click.option("--apply", is_flag=True, help="Delete what is listed; without it nothing is.")
@common_options
@click.pass_context
def retain(ctx: click.Context, *, apply: bool) -> None:
    """List, and with --apply delete, what no retention keeps.

    The types say what is kept: Retention(last=…, days=…, used=…). Others keep everything. The list
    tells how many bytes would be freed, and what could be made again from what. It stays in the
    catalog that there was such a version.
    """
    project = Project(ctx)
    policies = policies_of(project.declared())
    catalog = project.recorded()
    plan = catalog.left_over(policies)
    if apply:
        done = retire(plan, catalog, stores_of(project.settings))
        _show_done(done, as_json=project.is_json)
        if done.failed:
            ctx.exit(1)
        return
    if project.is_json:
        print_json(_plan_document(plan))
    elif not policies:
        click.echo("No type has a retention, so all is kept.")
    elif not plan:
        click.echo("Nothing is left over.")
    else:
        _show_plan(plan)


def _plan_document(plan: Retiring) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [dict(zip(plan.names, row, strict=True)) for row in plan.rows]
    return {
        "policies": {name: policy.definition() for name, policy in plan.policies.items()},
        "freed_bytes": plan.freed_bytes,
        "versions": [{**row, "recorded_at": time_text(row["recorded_at"])} for row in rows],
        "note": plan.note,
    }


def _show_plan(plan: Retiring) -> None:
    columns = (
        Column("artifact", least=16),
        Column("seq", right=True),
        Column("age", right=True),
        Column("size", right=True),
        Column("keeps", rank=2),
        Column("can be made again", least=16, rank=1),
        Column("version", style="dim"),
    )
    told = zip(plan, plan.column("policy"), _ways(plan), strict=True)
    rows = [
        [
            wording.artifact(one.type, one.key),
            str(one.seq),
            wording.age(one.recorded_at),
            wording.size(one.size_bytes),
            str(policy),
            way,
            wording.short(one.uid),
        ]
        for one, policy, way in list(told)[:_LISTED]
    ]
    terminal = Terminal()
    more = len(plan) - len(rows)
    terminal.table(columns, rows, note=f"and {more} more" if more else "")
    terminal.line((f"{plan.note}. Nothing was deleted: that is for --apply.", ""))


def _ways(plan: Retiring) -> list[str]:
    """Return for each by what it could be made again, or why not."""
    columns = ("is_rebuildable", "task", "inputs", "reason")
    found = zip(*(plan.column(name) for name in columns), strict=True)
    return [_way(able, task, inputs, reason) for able, task, inputs, reason in found]


def _way(able: Any, task: Any, inputs: Any, reason: Any) -> str:
    if not able:
        return f"no: {reason}"
    source = f" from {', '.join(inputs)}" if inputs else ""
    return f"by {task}{source}" + (f"; {reason}" if reason else "")


def _show_done(done: Retired, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "deleted": done.deleted,
                "failed": done.failed,
                "freed_bytes": done.freed_bytes,
                "versions": [dict(row) for row in done],
            }
        )
        return
    columns = (
        Column("result", style=lambda result: _RESULTS.get(result, "")),
        Column("artifact", least=16),
        Column("seq", right=True),
        Column("problem", least=16, rank=1),
        Column("version", style="dim"),
    )
    rows = [
        [
            str(row["result"]),
            str(row["artifact"]),
            str(row["seq"]),
            str(row["problem"] or ""),
            wording.short(str(row["version"])),
        ]
        for row in done
    ]
    terminal = Terminal()
    if rows:
        terminal.table(columns, rows)
    failed = f", {done.failed} failed" if done.failed else ""
    terminal.line((f"{done.deleted} deleted, {wording.size(done.freed_bytes)}{failed}", ""))


@click.command("deleted")
@click.argument("type_name", metavar="[TYPE]", required=False)
@common_options
@click.pass_context
def deleted(ctx: click.Context, type_name: str | None) -> None:
    """List what was deleted, and what could be made again.

    Also what was found missing. The last stands first.
    """
    project = Project(ctx)
    name = None if type_name is None else type_name_of(project, type_name).name
    if not project.is_recorded:
        _print_none(project)
        return
    found = project.catalog.deleted(name)
    told = list(found.rebuildable())
    moments: list[Any] = list(found.column("at"))
    freed = found.column("freed_bytes")
    if project.is_json:
        documents = [
            {
                **version_document(one),
                "at": time_text(at),
                "freed_bytes": bytes_,
                **{key: row[key] for key in ("is_rebuildable", "task", "inputs", "reason")},
            }
            for one, at, bytes_, row in zip(found, moments, freed, told, strict=True)
        ]
        print_json({"versions": documents, "note": found.note})
        return
    columns = (
        Column("state", style=lambda state: _RESULTS.get(state, "")),
        Column("artifact", least=16),
        Column("seq", right=True),
        Column("age", right=True),
        Column("freed", right=True),
        Column("can be made again", least=16, rank=1),
        Column("version", style="dim"),
    )
    rows = [
        _row(one, at, bytes_, row)
        for one, at, bytes_, row in zip(found, moments, freed, told, strict=True)
    ]
    if not rows:
        click.echo("Nothing was deleted.")
        return
    Terminal().table(columns, rows, note=found.note)


def _print_none(project: Project) -> None:
    if project.is_json:
        print_json({"versions": [], "note": ""})
    else:
        click.echo("Nothing is recorded yet.")


def _row(one: Version, at: Any, freed: Any, row: Any) -> list[str]:
    return [
        one.state,
        wording.artifact(one.type, one.key),
        str(one.seq),
        wording.age(at),
        wording.size(freed),
        _way(row["is_rebuildable"], row["task"], row["inputs"], row["reason"]),
        wording.short(one.uid),
    ]


COMMANDS = {"deleted": deleted, "retain": retain}
