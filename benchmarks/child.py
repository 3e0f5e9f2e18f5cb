"""The measured process: `python -m benchmarks.child module:function RESULT`, arguments on stdin.

Everything is imported and connected before the clock starts; only `measured` blocks are counted.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cost", "measured"]

STATUS = Path("/proc/self/status")
RESET_PEAK = "5"
"""What `clear_refs` takes to forget the peak of resident memory (proc_pid_clear_refs(5))."""


@dataclass(slots=True)
class Cost:
    """What a block took.

    Attributes:
        cpu_seconds: Of this process and the children it waited for.
        rss_bytes: Peak above the block's start; where a child had more, that child's peak.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    rss_bytes: int = 0


@contextmanager
def measured() -> Iterator[Cost]:
    """Fill in the cost of the block when it ends."""
    cost = Cost()
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text(RESET_PEAK, "utf-8")
    cpu, begun = _cpu(), time.perf_counter()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - begun
        cost.cpu_seconds = _cpu() - cpu
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        cost.rss_bytes = max(_memory("VmHWM") - before, children, 0)


def _cpu() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _memory(name: str) -> int:
    for line in STATUS.read_text("utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """Call a function with the arguments that stdin holds, and write what it returns as JSON."""
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(module), name)
    result = function(**json.load(sys.stdin))
    Path(sys.argv[2]).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main()
