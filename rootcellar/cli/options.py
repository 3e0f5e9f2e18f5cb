"""What every command takes: `-A`, `--json` and `--debug`, before or after the command's name."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JSON_FLAG", "Invocation", "common_options", "print_json"]

F = TypeVar("F")

JSON_FLAG = "--json"
_KEY = "rootcellar.invocation"


@dataclass(frozen=True, slots=True)
class Invocation:
    """How the command line was called.

    Attributes:
        app: What `-A` named, or empty.
        celery_app: The Celery app, where `celery -A … rootcellar` has found it already.
        is_debug: Errors keep their traceback.
    """

    app: str = ""
    celery_app: Any = None
    is_json: bool = False
    is_debug: bool = False

    @classmethod
    def of(cls, ctx: click.Context) -> Invocation:
        """Return what is known of the call so far."""
        found = ctx.meta.get(_KEY)
        return found if isinstance(found, cls) else cls()

    @classmethod
    def remember(cls, ctx: click.Context, **changes: Any) -> None:
        """Note a further option of the call."""
        ctx.meta[_KEY] = replace(cls.of(ctx), **changes)


def _remembering(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def remember(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            Invocation.remember(ctx, **{name: value})

    return remember


def common_options(function: F) -> F:
    """Add the options that every command takes."""
    options = (
        click.option(
            "-A",
            "--app",
            metavar="MODULE",
            expose_value=False,
            is_eager=True,
            callback=_remembering("app"),
            help="The Celery app, as celery takes it: package.module or package.module:app.",
        ),
        click.option(
            JSON_FLAG,
            "is_json",
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_remembering("is_json"),
            help="Print one JSON document, errors too.",
        ),
        click.option(
            "--debug",
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_remembering("is_debug"),
            help="Show the traceback of an error.",
        ),
    )
    for option in reversed(options):
        function = option(function)  # type: ignore[type-var]  # click's bound is narrower than it takes
    return function


def print_json(document: object) -> None:
    """Write one JSON document to stdout; times as ISO 8601 in UTC."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))
