"""`demo`: the energy atlas on a real worker."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import click

from rootcellar.cli.options import Invocation, common_options, print_json
from rootcellar.schemas.errors import SettingsError, TargetExists

__all__ = ["COMMANDS"]

_SETTINGS, _MARK = "rootcellar.toml", "rootcellar.demo."
_NEEDED = ("demandlib", "pandas", "pvlib", "windpowerlib")
_STATIONS = 15


@click.command("demo")
@click.option(
    "--stations",
    type=click.IntRange(1, _STATIONS),
    default=_STATIONS,
    show_default=True,
    help="Model so many of the fifteen stations.",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("rootcellar-demo"),
    show_default=True,
    help="Put everything into this folder.",
)
@click.option("--store", default="", metavar="URL", help="Keep the files there: s3://bucket.")
@click.option("--catalog", default="", metavar="URL", help="Record there: postgresql://host/name.")
@click.option("--broker", default="", metavar="URL", help="Send tasks over it: redis://host.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Run so many tasks at once.",
)
@click.option("--fresh", is_flag=True, help="Remove what an earlier demo left in the folder.")
@common_options
@click.pass_context
def demo(ctx: click.Context, /, folder: Path, *, fresh: bool, **options: Any) -> None:
    """Run the energy atlas of Germany on a real worker.

    Fifteen weather stations, about 120 tasks. A second run finds its work done and says so.
    """
    _check_extra()
    _claim(folder, fresh=fresh)
    run = importlib.import_module("rootcellar.demo.run")
    screen = importlib.import_module("rootcellar.cli.demo_screen")
    with screen.DemoBar() as watch:
        outcome = run.run_demo(run.DemoOptions(folder=folder, **options), watch=watch)
    if Invocation.of(ctx).is_json:
        print_json(
            {
                "folder": str(folder),
                "page": outcome.page.name,
                "seconds": round(outcome.elapsed_seconds, 3),
                "tasks": len(outcome.runs),
                "reused": outcome.reused,
                "atlas": list(outcome.atlas),
            }
        )
    else:
        screen.show_outcome(outcome, str(folder))


def _check_extra() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"the demo needs {', '.join(missing)}, not installed here",
            remedy="Install rootcellar[demo]",
        )


def _claim(folder: Path, *, fresh: bool) -> None:
    """Refuse a folder of something else; with `fresh` remove an earlier demo."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    settings = folder / _SETTINGS
    if not settings.is_file() or _MARK not in settings.read_text(encoding="utf-8"):
        raise TargetExists(
            f"the folder {folder.name!r} holds something else than a demo",
            remedy="Choose another with --to",
        )
    if fresh:
        shutil.rmtree(folder)


COMMANDS = {"demo": demo}
