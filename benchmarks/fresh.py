"""Call a function in a fresh process, in a group of its own, within a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import end_group

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ROOT", "FailedError", "call_fresh"]

ROOT = Path(__file__).resolve().parent.parent
STDERR_CHARACTERS = 600


class FailedError(RuntimeError):
    """A measured process ended by an error, or did not end in time."""


def call_fresh(
    function: str,
    arguments: Mapping[str, Any],
    *,
    limit_seconds: float,
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Any:
    """Return what `module:function` returns to these arguments, both as JSON.

    Args:
        function: Of a module that `python` can import.
        arguments: By name.
        limit_seconds: For the whole process.
        environment: Variables besides this process's own.
        python: Of the environment that the process runs in.

    Raises:
        FailedError: It raised, or the limit passed; nothing of its group is left in any case.
    """
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    with tempfile.TemporaryDirectory(prefix="rootcellar-bench-") as folder:
        result = Path(folder) / "result.json"
        with subprocess.Popen(
            [python, "-m", "benchmarks.child", function, str(result)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=variables,
            start_new_session=True,
        ) as process:
            try:
                _, complaint = process.communicate(json.dumps(arguments).encode(), limit_seconds)
            except subprocess.TimeoutExpired:
                raise FailedError(f"not done within {limit_seconds:.0f} s") from None
            finally:
                end_group(process)
        if process.returncode or not result.exists():
            text = complaint.decode("utf-8", "replace").strip()
            # The error itself: what stands above it names places on this machine.
            last = text.rpartition("\n")[2][-STDERR_CHARACTERS:]
            raise FailedError(last or f"ended by {process.returncode}")
        return json.loads(result.read_text("utf-8"))
