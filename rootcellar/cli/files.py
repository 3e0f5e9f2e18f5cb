"""`uri`, `pull` and `push`: from artifacts to URIs, and files here and there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rootcellar import by_hand
from rootcellar.cli import wording
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import declared_artifact, find_version
from rootcellar.schemas.errors import InvalidKey, NotInCatalog
from rootcellar.schemas.ref import Ref

if TYPE_CHECKING:
    from rootcellar.schemas.artifact import Artifact

__all__ = ["COMMANDS"]


@click.command("uri")
@click.argument("words", metavar="(TYPE [FIELD=VALUE]... | URI)", nargs=-1, required=True)
@common_options
@click.pass_context
def uri(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Give the URI of an artifact, or the artifact at a URI."""
    project = Project(ctx)
    is_uri = len(words) == 1 and "://" in words[0]
    artifact = _artifact_at(project, words[0]) if is_uri else _declared(project, words)
    if project.is_json:
        print_json({"uri": artifact.uri, "type": artifact.type_name, "key": artifact.key})
    elif is_uri:
        click.echo(wording.artifact(artifact.type_name, artifact.key))
    else:
        click.echo(artifact.uri)


def _artifact_at(project: Project, text: str) -> Artifact:
    registry = project.declared()
    found = registry.at(text)
    if found is None:
        templates = ", ".join(one.declaration.template.text for one in registry)
        raise InvalidKey(
            "no declared type has artifacts there", "", text, f"The templates are {templates}"
        )
    return found


def _declared(project: Project, words: tuple[str, ...]) -> Artifact:
    """Return the artifact of a declared type."""
    registry = project.declared()
    return declared_artifact(registry.named(words[0]), words[1:])


@click.command("pull")
@click.argument("words", metavar="X", nargs=-1, required=True)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    default=Path(),
    help="A folder that exists, or the final name; the working folder if left out.",
)
@click.option("--overwrite", is_flag=True, help="Replace a local file that differs.")
@common_options
@click.pass_context
def pull(ctx: click.Context, words: tuple[str, ...], *, to: Path, overwrite: bool) -> None:
    """Copy an artifact to a local file or folder, verified.

    X is a type with its key, a logical URI, or the uid of a version. The copy appears at once and
    whole.
    """
    project = Project(ctx)
    registry = project.prepare_transfer()
    wanted = _wanted(project, words)
    kind = registry.named(wanted.type) if isinstance(wanted, Ref) else type(wanted)
    path = by_hand.pull(wanted, to, overwrite=overwrite, kind=kind)
    if project.is_json:
        type_name = wanted.type if isinstance(wanted, Ref) else wanted.type_name
        print_json({"path": str(path), "type": type_name, "key": wanted.key, "uri": wanted.uri})
    else:
        click.echo(str(path))


def _wanted(project: Project, words: tuple[str, ...]) -> Artifact | Ref:
    """Return the artifact, or for a uid the ref of that version."""
    registry = project.declared()
    if len(words) == 1 and "://" in words[0]:
        return _artifact_at(project, words[0])
    try:
        return _declared(project, words)
    except NotInCatalog:
        if len(words) > 1 or words[0] in registry or not project.is_recorded:
            raise
        return find_version(project, words).ref


@click.command("push")
@click.argument("type_name", metavar="TYPE")
@click.argument("words", metavar="[FIELD=VALUE]...", nargs=-1)
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@common_options
@click.pass_context
def push(ctx: click.Context, type_name: str, words: tuple[str, ...], path: Path) -> None:
    """Publish a local file or folder as an artifact.

    The file is checked against its type's format first. It appears at once and whole.
    """
    project = Project(ctx)
    if "=" in path.name and not path.exists():
        raise click.UsageError("Missing argument 'PATH'.", ctx)
    project.prepare_transfer()
    ref = by_hand.push(_declared(project, (type_name, *words)), path)
    if project.is_json:
        print_json({"ref": _ref(ref)})
        return
    click.echo(f"{ref.uri}  {wording.size(ref.size_bytes)}  version {ref.version}")


def _ref(ref: Ref) -> dict[str, Any]:
    return ref.model_dump(mode="json")


COMMANDS = {"uri": uri, "pull": pull, "push": push}
