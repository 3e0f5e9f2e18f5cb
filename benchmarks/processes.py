"""Programs that the suite starts, and that end when it does, however it does."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["NotStartedError", "end_group", "free_port", "started", "wait_for_port"]

STOP_SECONDS = 10.0
PR_SET_PDEATHSIG = 1


class NotStartedError(RuntimeError):
    """A program is not installed, or does not start."""


def free_port() -> int:
    """Return a port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that leads a group of its own and dies with this process."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 (one system call)
        )


@contextmanager
def started(
    command: Sequence[str],
    log: Path,
    *,
    port: int,
    limit_seconds: float = 15.0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; the block begins when its port is open.

    Raises:
        NotStartedError: It ended, or did not open its port in time.
    """
    process = start(command, log, environment)
    try:
        if not wait_for_port(process, port, limit_seconds):
            raise NotStartedError(f"{Path(command[0]).name} did not start: {_end_of(log)}")
        yield process
    finally:
        end_group(process)


def wait_for_port(process: subprocess.Popen[bytes], port: int, limit_seconds: float) -> bool:
    """Return whether a program opens a port before it ends and in time."""
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its group, and all that is left of the group."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", errors="replace")[-500:]
