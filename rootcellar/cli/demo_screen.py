"""What the demo shows: a bar while it works, then the atlas as a table and where to look next."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rootcellar.cli.terminal import Column, Terminal
from rootcellar.demo.run import DemoOutcome, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

__all__ = ["DemoBar", "show_outcome"]

_EVERY_TASKS = 10
_NOTE = "own supply: share of demand met in the same hour by own sun and wind"
_COLUMNS = (
    Column("station", least=12),
    Column("sun kWh/m²", right=True, rank=2),
    Column("solar kWh/kWp", right=True),
    Column("wind h/year", right=True),
    Column("demand GWh", right=True, rank=1),
    Column("own supply", right=True),
    Column("with batteries", right=True),
)


class DemoBar(Watch):
    """A bar on a terminal; elsewhere a line now and then. Both go to standard error."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stderr)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("tasks"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("Starting a worker", total=None)
        self._said = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def progress(self, done: int, total: int, reused: int) -> None:
        """Draw how far it is."""
        doing = "Starting a worker" if done == 0 else "Working"
        note = f"{doing}, {reused} reused" if reused else doing
        self._bar.update(self._task, completed=done, total=total, description=note)
        is_news = done >= self._said + _EVERY_TASKS or self._said < done == total
        if not self._console.is_terminal and is_news:
            self._said = done
            self._console.print(f"{done} of {total} tasks, {reused} reused", highlight=False)


def show_outcome(outcome: DemoOutcome, folder: str) -> None:
    """Print the atlas and what the run did."""
    terminal = Terminal()
    terminal.table(_COLUMNS, [_row(station) for station in outcome.atlas], note=_NOTE)
    terminal.line(("", ""))
    terminal.wrapped([], _sentence(outcome))
    terminal.line(("", ""))
    command = _command(folder)
    terminal.line(("Look at the page: ", "dim"), (f"{folder}/{outcome.page.name}", ""))
    terminal.line(("Ask the catalog:", "dim"))
    terminal.line((f"  cd {folder}", ""))
    terminal.line((f"  {command} lineage atlas", ""))


def _command(folder: str) -> str:
    """Return how to call us from the demo's folder: by name, if the shell finds it."""
    found = shutil.which("rootcellar")
    return "rootcellar" if found else os.path.relpath(Path(sys.argv[0]).absolute(), folder)


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _row(station: Mapping[str, Any]) -> list[str]:
    wind = max(station[name] or 0 for name in station if name.endswith("_full_load_h"))
    return [
        str(station["name"]),
        f"{station['ghi_kwh_m2']:.0f}",
        f"{station['pv_kwh_per_kwp']:.0f}",
        f"{wind:.0f}",
        f"{station['demand_mwh'] / 1000:.1f}",
        f"{station['self_sufficiency_pct']:.0f} %",
        f"{station['with_battery_pct']:.0f} %",
    ]


def _sentence(outcome: DemoOutcome) -> str:
    ran = _tasks(len(outcome.runs) - outcome.reused)
    took = f"in {outcome.elapsed_seconds:.1f} s"
    if not outcome.reused:
        return f"{ran} ran {took}. Run it again: what still stands is not made twice."
    why = "the same code, the same arguments and inputs of the same content had made them before"
    return f"{ran} ran and {outcome.reused} were reused {took}: {why}."
