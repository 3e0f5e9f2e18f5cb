"""Errors for people as one block, and for programs as one JSON document; both on stderr."""

from __future__ import annotations

import json
import os
import shutil
import textwrap
from typing import TYPE_CHECKING

import click

from rootcellar.schemas.errors import InvalidKey

if TYPE_CHECKING:
    from rootcellar.schemas.errors import RootcellarError

__all__ = ["exit_code_of", "report_failure", "report_usage"]

_WRONG, _WRONG_CALL = 1, 2
_LABEL_WIDTH = 10


def exit_code_of(error: RootcellarError) -> int:
    """Return 2 for a key that was typed wrongly, and 1 for all that is wrong elsewhere."""
    return _WRONG_CALL if isinstance(error, InvalidKey) else _WRONG


def report_failure(error: RootcellarError, *, as_json: bool) -> None:
    """Write problem, artifact, URI and remedy to stderr."""
    if as_json:
        _write_json(
            {
                "kind": type(error).__name__,
                "problem": error.problem,
                "artifact": error.artifact,
                "uri": error.uri,
                "remedy": error.remedy,
                "transient": error.transient,
            }
        )
        return
    across = min(shutil.get_terminal_size((100, 24)).columns, 100)
    _write("Error: ", "red", _wrapped(error.problem, across, len("Error: ")))
    for label, text in (
        ("artifact", error.artifact),
        ("uri", error.uri),
        ("remedy", error.remedy),
    ):
        if text:
            shown = text if label == "uri" else _wrapped(text, across, _LABEL_WIDTH + 2)
            _write(f"  {label:<{_LABEL_WIDTH}}", "bright_black", shown)


def report_usage(error: click.ClickException) -> None:
    """Write an error of click's as JSON to stderr."""
    ctx = getattr(error, "ctx", None)
    remedy = f"See {ctx.command_path} --help" if ctx is not None else ""
    _write_json(
        {
            "kind": type(error).__name__,
            "problem": error.format_message().rstrip("."),
            "artifact": "",
            "uri": "",
            "remedy": remedy,
            "transient": False,
        }
    )


def _write(label: str, colour: str, text: str) -> None:
    # click leaves colours out where stderr is no terminal; NO_COLOR it does not know.
    color = False if os.environ.get("NO_COLOR") else None
    click.echo(f"{click.style(label, fg=colour)}{text}", err=True, color=color)


def _write_json(error: dict[str, object]) -> None:
    click.echo(json.dumps({"error": error}, indent=2, ensure_ascii=False), err=True)


def _wrapped(text: str, across: int, indent: int) -> str:
    lines = textwrap.wrap(text, max(across - indent, 20), break_long_words=False)
    return f"\n{' ' * indent}".join(lines)
