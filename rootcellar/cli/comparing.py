"""`diff` and `why`: a version beside another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from rootcellar.catalog.answers.causes import CauseKind
from rootcellar.catalog.answers.difference import Topic
from rootcellar.catalog.times import is_time
from rootcellar.catalog.values import Run
from rootcellar.cli.documents import version_document
from rootcellar.cli.listing import read_since
from rootcellar.cli.options import common_options, print_json
from rootcellar.cli.project import Project
from rootcellar.cli.subject import find, find_version
from rootcellar.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rootcellar.catalog.answers.causes import Cause, Why
    from rootcellar.catalog.answers.difference import Change, Difference
    from rootcellar.catalog.values import Version

__all__ = ["COMMANDS"]

_LINE = re.compile(r"( *)([A-Za-z]*)( +)(.*)")
_KINDS = {*CauseKind, *Topic}
_OPEN = ("  (", "  not examined", "  other columns", "  …")
_CAUSE_STYLES = {
    "code": "magenta",
    "arguments": "cyan",
    "environment": "blue",
    "inputs": "yellow",
    "data": "green",
    "nondeterminism": "red",
}


def _read_than(
    ctx: click.Context, parameter: click.Parameter, text: str | None
) -> datetime | str | None:
    """Read a span or a time as `runs --since` does; anything else names a version."""
    return text if text is None or not is_time(text) else read_since(ctx, parameter, text)


_than = click.option(
    "--than",
    metavar="WHEN|VERSION",
    callback=_read_than,
    help="Compare with the version that was current then (7d, 2026-01-31), or with this one by "
    "its uid. Without it: the last one before with other content.",
)


@click.command("diff")
@click.argument("words", metavar="X [Y]", nargs=-1, required=True)
@_than
@common_options
@click.pass_context
def diff(ctx: click.Context, words: tuple[str, ...], *, than: datetime | str | None) -> None:
    """Show how two versions, or two runs, differ.

    X and Y are each a type with its key, a logical URI, or the uid of a version or a run; as in
    show. Y is compared with X. Without Y, X is compared with an earlier version of itself.
    """
    project = Project(ctx)
    subjects = _subjects(words)
    if len(subjects) > 1 and than is not None:
        raise click.UsageError("--than goes with one version, and two are named.")
    if len(subjects) > 2:  # noqa: PLR2004  # two sides
        raise click.UsageError(f"{len(subjects)} things are named, and two can be compared.")
    found = [find(project, subject) for subject in subjects]
    catalog = project.catalog
    if len(found) > 1:
        difference = catalog.diff(found[0], found[1])
    else:
        difference = catalog.diff(_earlier(project, found[0], than), found[0])
    if project.is_json:
        print_json({"diff": _difference(difference)})
    else:
        _print_tree(str(difference))


@click.command("why")
@click.argument("words", metavar="X", nargs=-1, required=True)
@_than
@click.option(
    "--max-nodes",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Compare so many pairs of versions at most.",
)
@common_options
@click.pass_context
def why(
    ctx: click.Context, words: tuple[str, ...], *, than: datetime | str | None, max_nodes: int
) -> None:
    """Show why a version differs from an earlier one.

    Inputs that differ are compared in their turn, down to root causes. X is a type with its key, a
    logical URI, or the uid of a version; as in show.
    """
    project = Project(ctx)
    version = find_version(project, words)
    answer = project.catalog.why(version, _named(project, than), max_nodes=max_nodes)
    if project.is_json:
        print_json({"why": _why(answer)})
    else:
        _print_tree(str(answer))


def _subjects(words: Sequence[str]) -> list[list[str]]:
    """Part words into things: each begins with what is no key field."""
    subjects: list[list[str]] = []
    for word in words:
        if not subjects or "=" not in word or "://" in word:
            subjects.append([])
        subjects[-1].append(word)
    return subjects


def _named(project: Project, than: datetime | str | None) -> Any:
    """Return what `--than` means: a time as it is, a text as the version of that uid."""
    return find_version(project, [than]) if isinstance(than, str) else than


def _earlier(project: Project, found: Version | Run, than: datetime | str | None) -> Version:
    if isinstance(found, Run):
        raise click.UsageError("A run is compared with another run. Name both.")
    return project.catalog.earlier(found, _named(project, than))


def _print_tree(text: str) -> None:
    """Print a heading, lines that begin with a kind or topic, and what the answer leaves open."""
    terminal = Terminal()
    heading, *lines = text.splitlines()
    terminal.wrapped([], heading, style="bold")
    for line in lines:
        parts = _LINE.fullmatch(line)
        if parts is None or line.startswith(_OPEN):
            terminal.wrapped([("  ", "")], line.strip(), style="dim")
            continue
        indent, word, gap, told = parts.groups()
        if word.lower() in _KINDS:
            style = _CAUSE_STYLES.get(word.lower(), "dim")
            terminal.wrapped([(indent, ""), (word, style), (gap, "")], told)
        else:
            terminal.wrapped([(indent, "")], f"{word}{gap}{told}")


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "before": difference.before.uid,
        "after": difference.after.uid,
        "is_equal": difference.is_equal,
        "changes": [_change(one) for one in difference.changes],
        "equal": [topic.value for topic in difference.equal],
        "unknown": [topic.value for topic in difference.unknown],
    }


def _change(one: Change) -> dict[str, Any]:
    return {
        "topic": one.topic.value,
        "what": one.what,
        "before": one.before,
        "after": one.after,
        "how": one.how.value,
    }


def _why(answer: Why) -> dict[str, Any]:
    return {
        "version": version_document(answer.version),
        "than": version_document(answer.than),
        "is_same": answer.is_same,
        "sentence": answer.sentence,
        "causes": [
            {"depth": depth, **_cause(one)}
            for depth, one in zip(answer.table().column("depth"), answer.table(), strict=True)
        ],
        "columns": [_change(one) for one in answer.columns],
        "examined": answer.examined,
        "not_examined": [one.version.uid for one in answer.not_examined],
    }


def _cause(one: Cause) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "text": one.text,
        "is_root": one.is_root,
        "version": one.version.uid,
        "than": one.than.uid,
        "note": one.note,
        "changes": [_change(change) for change in one.changes],
    }


COMMANDS = {"diff": diff, "why": why}
