"""`export` and `merge`: what leaves the catalog for other tools and other catalogs."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rootcellar.catalog.catalog import Catalog
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import find_version
from rootcellar.schemas.errors import NotInCatalog, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rootcellar.catalog.exchange.merging import Merged
    from rootcellar.catalog.portable import Exported

__all__ = ["COMMANDS"]

_FROM_ENVIRONMENT = "env:"

_LIMIT = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Walk to so many versions at most.",
)


@click.group("export")
@common_options
def export() -> None:
    """Write a version with its whole history for other tools.

    X is a type with its key, a logical URI, or the uid of a version; as in show.
    """


@export.command("prov")
@click.argument("words", metavar="X", nargs=-1, required=True)
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Into this file.")
@_LIMIT
@common_options
@click.pass_context
def prov(ctx: click.Context, words: tuple[str, ...], *, to: Path | None, limit: int) -> None:
    """Write PROV-JSON, to standard output without --to."""
    project = Project(ctx)
    found = project.recorded().to_prov(find_version(project, words), max_nodes=limit)
    if to is not None:
        _print_exported(project, found.write(to))
        return
    print_json(found.document)
    if found.note:
        click.echo(found.note, err=True)


@export.command("crate", short_help="Write a Process Run Crate, a folder.")
@click.argument("words", metavar="X", nargs=-1, required=True)
@click.option(
    "--to", required=True, type=click.Path(path_type=Path), help="Into this folder, which is made."
)
@_LIMIT
@common_options
@click.pass_context
def crate(ctx: click.Context, words: tuple[str, ...], *, to: Path, limit: int) -> None:
    """Write a Process Run Crate: who made what of what, with sizes and digests."""
    project = Project(ctx)
    version = find_version(project, words)
    _print_exported(project, project.catalog.to_crate(version, to, max_nodes=limit))


@click.group("merge")
@common_options
def merge() -> None:
    """Bring two catalogs together.

    Runs, versions and types, by their uids.

    Safe to repeat, to break off, and beside workers. A URL of the form env:NAME is read from the
    environment, so that no password stands in the list of processes.
    """


@merge.command("push")
@click.argument("url")
@common_options
@click.pass_context
def push(ctx: click.Context, url: str) -> None:
    """Record in the catalog at URL what this one knows."""
    project = Project(ctx)
    _merge(project, url, project.recorded().push)


@merge.command("pull")
@click.argument("url")
@common_options
@click.pass_context
def pull(ctx: click.Context, url: str) -> None:
    """Record in this catalog what the one at URL knows."""
    project = Project(ctx)
    _merge(project, url, lambda other: project.catalog.pull(_made(other)))


def _merge(project: Project, url: str, how: Callable[[Catalog], Merged]) -> None:
    with Catalog(_from_environment(url)) as other:
        merged = how(other)
    if project.is_json:
        print_json(asdict(merged))
    else:
        click.echo(f"{merged}")


def _made(other: Catalog) -> Catalog:
    """Return a catalog that is there; opening another one would make it."""
    health = other.check()
    if not (health.revision or health.problem):
        raise NotInCatalog(
            f"nothing was ever recorded in the catalog {health.url}", remedy="Check its URL"
        )
    return other


def _from_environment(url: str) -> str:
    if not url.startswith(_FROM_ENVIRONMENT):
        return url
    name = url.removeprefix(_FROM_ENVIRONMENT)
    if name not in os.environ:
        raise SettingsError(f"the variable {name} is not set", remedy="Set it to a catalog's URL")
    return os.environ[name]


def _print_exported(project: Project, written: Exported) -> None:
    if project.is_json:
        document: dict[str, Any] = {**asdict(written), "path": str(written.path)}
        print_json(document)
    else:
        click.echo(f"{written}")


COMMANDS = {"export": export, "merge": merge}
