"""`tag` and `alias`: what people write on versions."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rootcellar.cli import wording
from rootcellar.cli.documents import version_document
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import find_version, type_name_of
from rootcellar.cli.terminal import Column, Terminal
from rootcellar.schemas.errors import NotInCatalog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.catalog.answers.marks import Alias

__all__ = ["COMMANDS"]


@click.command("tag")
@click.argument("words", metavar="X", nargs=-1, required=True)
@click.option("--set", "given", metavar="KEY[=VALUE]", multiple=True, help="Write a tag.")
@click.option("--remove", "removed", metavar="KEY", multiple=True, help="Remove a tag.")
@common_options
@click.pass_context
def tag(
    ctx: click.Context, words: tuple[str, ...], *, given: tuple[str, ...], removed: tuple[str, ...]
) -> None:
    """Show, write or remove the tags of a version.

    X is a type with its key, a logical URI, an alias, or the uid of a version; as in show. Ends
    with 1 if a tag that was to be removed was not there.
    """
    project = Project(ctx)
    version = find_version(project, words)
    catalog = project.catalog
    missing = [key for key in removed if not catalog.untag(version, key)]
    for one in given:
        key, _, value = one.partition("=")
        catalog.tag(version, key, value)
    found = list(catalog.tags(version))
    if project.is_json:
        print_json({"version": version.uid, "tags": [asdict(one) for one in found]})
    elif not found:
        click.echo("It has no tags.")
    else:
        columns = (Column("tag", style="bold"), Column("value", least=10), Column("set", rank=1))
        rows = [[one.key, one.value, wording.age(one.set_at)] for one in found]
        Terminal().table(columns, rows)
    for key in missing:
        click.echo(f"It had no tag {key!r}.", err=True)
    ctx.exit(1 if missing else 0)


@click.command("alias")
@click.argument("name", required=False)
@click.argument("words", metavar="[X]", nargs=-1)
@click.option("--remove", is_flag=True, help="Let the name stand for nothing.")
@common_options
@click.pass_context
def alias(ctx: click.Context, name: str | None, words: tuple[str, ...], *, remove: bool) -> None:
    """List names of versions, or let one stand for X.

    With a name alone, shows what it stood for, the last first. X is a type with its key, a logical
    URI, or the uid of a version; as in show.
    """
    if remove and (name is None or words):
        raise click.UsageError("Name the alias to remove, and nothing else.", ctx)
    project = Project(ctx)
    if name is None and not project.is_recorded:
        _print(project, [])
        return
    catalog = project.recorded()
    if name is not None and words:
        catalog.alias(find_version(project, words), name)
        _warn_of_type(project, name)
    elif name is not None and remove:
        catalog.unalias(name)
    found = list(catalog.aliases() if name is None else catalog.alias_history(name))
    if name is not None and not found:
        raise NotInCatalog(f"there never was an alias {name!r}", remedy="See `rootcellar alias`")
    _print(project, found)


def _warn_of_type(project: Project, name: str) -> None:
    """Say that commands will not take a name as the alias; methods of the catalog do."""
    with suppress(NotInCatalog):
        type_name_of(project, name)
        click.echo(f"Commands take {name!r} as the artifact type of that name.", err=True)


def _print(project: Project, found: Sequence[Alias]) -> None:
    if project.is_json:
        print_json({"aliases": [_document(one) for one in found]})
    else:
        _print_aliases(found)


def _document(one: Alias) -> dict[str, object]:
    shown = None if one.version is None else version_document(one.version)
    return {"name": one.name, "set_at": one.set_at, "version": shown}


def _print_aliases(found: Sequence[Alias]) -> None:
    if not found:
        click.echo("There are no aliases.")
        return
    columns = (
        Column("alias", style="bold"),
        Column("version", least=12, rank=1),
        Column("uid"),
        Column("set", rank=2),
    )
    rows = [
        [
            one.name,
            str(one.version) if one.version is not None else "taken back",
            wording.short(one.version.uid) if one.version is not None else "",
            wording.age(one.set_at),
        ]
        for one in found
    ]
    Terminal().table(columns, rows)


COMMANDS = {"tag": tag, "alias": alias}
