"""How long until rootcellar is there, and how long its demo takes: whole commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fresh import FailedError
from benchmarks.processes import end_group
from benchmarks.suite import OURS, Run, Series, disk_folder, interleaved, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.suite import Row, Scale

__all__ = ["measure_demo", "measure_startup"]

BIN = Path(sys.executable).parent
COMMANDS = {
    "import": {
        OURS: [sys.executable, "-c", "import rootcellar"],
        "python, nothing": [sys.executable, "-c", "pass"],
        "import celery": [sys.executable, "-c", "import celery"],
        "import celery's Task": [sys.executable, "-c", "from celery import Celery, Task"],
    },
    "cli-help": {
        OURS: [str(BIN / "rootcellar"), "--help"],
        "celery --help": [sys.executable, "-m", "celery", "--help"],
    },
}
ROUNDS = 11
LIMIT_SECONDS = 600.0


def measure_startup(name: str, scale: Scale) -> list[Row]:
    """Return the rows of `import` or of `cli-help`."""
    commands = COMMANDS[name]
    rounds = scale.pick(ROUNDS, 2)
    for command in commands.values():
        _seconds(command)  # the page cache is warm afterwards
    series = interleaved(
        list(commands), lambda peer: Run(_seconds(commands[peer])), rounds=lambda _: rounds
    )
    return rows_of(name, "s", series)


def measure_demo(name: str, scale: Scale) -> list[Row]:
    """Return the rows of the demo in a new folder, and of the same again."""
    stations = scale.pick(15, 2)
    first, again = Series(), Series()
    for _ in range(scale.pick(2, 1)):
        with disk_folder() as folder:
            options = ["--stations", str(stations), "--to", str(folder / "atlas")]
            for series in (first, again):
                series.runs.append(Run(_seconds([str(BIN / "rootcellar"), "demo", *options])))
    return rows_of(name, "s", {OURS: first}) + rows_of(f"{name}-again", "s", {OURS: again})


def _seconds(command: Sequence[str]) -> float:
    begun = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ""},
        start_new_session=True,
    ) as process:
        try:
            _, complaint = process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise FailedError(f"not done within {LIMIT_SECONDS:.0f} s") from None
        finally:
            end_group(process)
    if process.returncode:
        raise FailedError(complaint.decode("utf-8", "replace")[-500:])
    return time.perf_counter() - begun
