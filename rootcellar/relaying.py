"""Relaying: a worker tells OpenLineage of runs, in no task's way.

The worker's main process starts one subprocess, as for prefetching, and looks after it. It is a
subprocess and no thread, because the main process forks, and it is none of the pool's, whose
children come and go. Of all relays of a catalog one works. See docs/decisions/0021.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from celery import bootsteps

from rootcellar.installation import installation_of
from rootcellar.schemas.record import new_uid

if TYPE_CHECKING:
    from rootcellar.settings import Settings

__all__ = ["Relaying"]

_log = logging.getLogger("rootcellar.openlineage")
_LOOK_SECONDS = 10.0
_STOP_SECONDS = 5.0


class Relaying(bootsteps.StartStopStep):
    """The part of a worker's main process: starts the relay, and again if it dies."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._process: subprocess.Popen[bytes] | None = None
        self._entry: Any = None
        # A relay that died is followed by one of the same name, which need not wait for it.
        self._name = new_uid()
        # A timer of its own thread looks after it where the worker has no event loop.
        self._lock = threading.Lock()
        self._is_over = False

    def include_if(self, worker: Any) -> bool:
        """Leave workers alone that were not told to relay."""
        installation = installation_of(worker.app)
        return installation is not None and installation.settings.openlineage == "on"

    def start(self, worker: Any) -> None:
        """Start the relay."""
        installation = installation_of(worker.app)
        if installation is None:
            return
        with self._lock:
            self._is_over = False
            self._process = _started(installation.settings, self._name)
        self._entry = worker.timer.call_repeatedly(
            _LOOK_SECONDS, self._look, (installation.settings,)
        )

    def stop(self, worker: Any) -> None:  # noqa: ARG002  Celery's signature
        """End the relay; what it has not told of, the next one does."""
        if self._entry is not None:
            self._entry.cancel()
        with self._lock:
            self._is_over = True
            process, self._process = self._process, None
        if process is not None:
            _end(process)

    def terminate(self, worker: Any) -> None:
        """End the relay, as `stop` does."""
        self.stop(worker)

    def _look(self, settings: Settings) -> None:
        with self._lock:
            process = self._process
            if self._is_over or process is None or process.poll() is None:
                return
            if process.returncode == 0:
                # It said why, and would say so again.
                self._process = None
                return
            _log.warning("the OpenLineage relay ended by itself and starts again")
            self._process = _started(settings, self._name)


def _started(settings: Settings, name: str) -> subprocess.Popen[bytes] | None:
    try:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "rootcellar.relaying_process", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except OSError as error:
        _log.warning("the OpenLineage relay cannot be started: %s", error.strerror)
        return None
    level = _log.getEffectiveLevel()
    first = {"settings": settings.as_environment(), "level": level, "name": name}
    if process.stdin is not None:
        # It stays open: when it closes, the relay ends.
        process.stdin.write(f"{json.dumps(first)}\n".encode())
        process.stdin.flush()
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
