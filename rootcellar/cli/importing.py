"""`import`: what was there before us becomes artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rootcellar.cli import wording
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.terminal import Column, Terminal
from rootcellar.runtime import Runtime
from rootcellar.sightings import Importer

if TYPE_CHECKING:
    from rootcellar.sightings import Imported

__all__ = ["COMMANDS"]

_MOST = 10**9
_STATES = {"new": "green", "known": "dim", "no type": "yellow", "unusable": "red"}


@click.command("import")
@click.argument("uri", metavar="URI")
@click.option("--dry-run", is_flag=True, help="Enter nothing, and list what would be.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="List so many at most; 0 lists all.",
)
@common_options
@click.pass_context
def import_(ctx: click.Context, uri: str, *, dry_run: bool, limit: int) -> None:
    """Enter what lies in a store as artifacts, by their templates.

    URI is a folder in a store, such as raw://weather/, or a whole store: raw://. No bytes are read.
    What is known already stays as it is, so that this is safe to repeat.
    """
    project = Project(ctx)
    registry, catalog = project.declared(), project.catalog
    if not dry_run:
        catalog.declare(registry.records())
    importer = Importer(catalog, registry, Runtime(project.settings))
    found = importer.run(uri, dry_run=dry_run, limit=limit or _MOST)
    if project.is_json:
        print_json(_document(found))
        return
    columns = (
        Column("state", style=lambda state: _STATES.get(state, "")),
        Column("artifact", least=16),
        Column("size", right=True),
        Column("uri", least=20, rank=1, keeps_end=True),
        Column("problem", least=16, rank=2),
    )
    rows = [
        [
            str(row["state"]),
            str(row["artifact"] or ""),
            wording.size(_whole(row["size_bytes"])),
            str(row["uri"]),
            str(row["problem"] or ""),
        ]
        for row in found
    ]
    terminal = Terminal()
    terminal.table(columns, rows, note=found.note)
    terminal.line((_told(found), ""))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _told(found: Imported) -> str:
    entered = "would be entered" if found.is_dry_run else "entered"
    size = f" ({wording.size(found.new_bytes)})" if found.new else ""
    parts = [f"{found.new} {entered}{size}", f"{found.known} known"]
    if found.loose:
        parts.append(f"{found.loose} of no type")
    if found.unusable:
        parts.append(f"{found.unusable} unusable")
    return ", ".join(parts)


def _document(found: Imported) -> dict[str, Any]:
    return {
        "is_dry_run": found.is_dry_run,
        "new": found.new,
        "new_bytes": found.new_bytes,
        "known": found.known,
        "loose": found.loose,
        "unusable": found.unusable,
        "found": [dict(row) for row in found],
        "note": found.note,
    }


COMMANDS = {"import": import_}
