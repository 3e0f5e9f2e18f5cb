"""`whence` and `reproduce`: where a local file came from, and how to make a version once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rootcellar.catalog.drawing.lettering import readable
from rootcellar.cli.documents import run_document, version_document
from rootcellar.cli.options import Invocation, common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import find_version
from rootcellar.cli.terminal import Terminal
from rootcellar.environment import environment
from rootcellar.local_content import content_of

if TYPE_CHECKING:
    from rootcellar.catalog.answers.whence import Whence

__all__ = ["COMMANDS"]


@click.command("whence")
@click.argument("path", metavar="PATH", type=click.Path(exists=True))
@common_options
@click.pass_context
def whence(ctx: click.Context, path: str) -> None:
    """Find out where a local file or folder came from.

    It is known by its content; its name does not count. The exit code is 1 if it is not known.
    """
    project = Project(ctx)
    catalog = project.recorded()
    answer = catalog.whence(content_of(path, catalog))
    if project.is_json:
        print_json(_whence_document(answer))
    else:
        terminal = Terminal()
        for number, line in enumerate(str(answer).splitlines()):
            terminal.line((readable(line), "" if number else "bold"))
    ctx.exit(0 if answer else 1)


def _whence_document(answer: Whence) -> dict[str, Any]:
    return {
        "name": answer.asked.name,
        "kind": answer.asked.kind,
        "size_bytes": answer.asked.size_bytes,
        "digests": [str(one) for one in answer.asked.digests],
        "certainty": answer.certainty,
        "versions": [version_document(one) for one in answer.versions],
        "is_current": answer.is_current,
        "current": answer.current.uid if answer.current else None,
        "made_by": run_document(answer.run) if answer.run else None,
        "sources": [
            {
                "argument": one.argument,
                "ordinal": one.ordinal,
                "version": version_document(one.version) if one.version else None,
                "current": one.current.uid if one.current else None,
                "change": one.change.value,
                "is_stale": one.is_stale,
            }
            for one in answer.sources
        ],
        "unread": answer.unread,
        "note": "; ".join(part for part in (answer.asked.note, answer.note) if part),
    }


@click.command("reproduce")
@click.argument("words", metavar="X", nargs=-1, required=True)
@common_options
@click.pass_context
def reproduce(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show what it takes to make a version once more.

    X is a type with its key, a logical URI, or the uid of a version; as in show. What is printed
    can be typed: the commit, the packages that differ from here, and the call with its inputs
    pinned to the versions that were read. -A names the app in it.
    """
    project = Project(ctx)
    version = find_version(project, words)
    recipe = project.catalog.reproduce(version, here=environment(project.settings.image))
    app = Invocation.of(ctx).app
    if project.is_json:
        print_json({**recipe.to_json(), "commands": list(recipe.commands(app))})
    else:
        click.echo(recipe.text(app))


COMMANDS = {"whence": whence, "reproduce": reproduce}
