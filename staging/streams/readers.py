"""Threads that read what a run's streams want soon, from the first wish to the end of the run.

A soft time limit may strike while a body reads, within any call made here. The conditions that
`concurrent.futures` waits by are Python code: struck in one, a thread would hold it for ever, and
the run's end wait as long. So there are raw locks and `SimpleQueue` only, as in `engine.pipeline`.
"""

from __future__ import annotations

import _thread
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Readers", "Reading"]

_MOST = 8
_LISTEN_SECONDS = 0.5
"""A signal that comes just before Python begins to wait is seen only after the wait."""


class Reading:
    """A part that is here or on its way. One thread waits for it; any may cancel it."""

    def __init__(self, work: Callable[[], bytes]) -> None:
        self._work = work
        self._is_wanted = True
        self._content: bytes | None = None
        self._error: BaseException | None = None
        # Only wakes who waits: a limit that strikes may lose what was taken out of it.
        self._come: queue.SimpleQueue[None] = queue.SimpleQueue()

    def run(self) -> None:
        """Read it, unless it was cancelled before."""
        if not self._is_wanted:
            return
        try:
            self._content = self._work()
        except BaseException as error:  # noqa: BLE001 (it is raised in who waits)
            self._error = error
        self._come.put(None)

    def cancel(self) -> None:
        """Have nobody wait for it any more; what is under way ends unheard."""
        self._is_wanted = False
        self._come.put(None)

    def result(self) -> bytes | None:
        """Return the bytes when they are here, and None if it was cancelled; raise its error."""
        while self._content is None and self._error is None:
            if not self._is_wanted:
                return None
            with suppress(queue.Empty):
                self._come.get(timeout=_LISTEN_SECONDS)
        if self._error is not None:
            raise self._error
        return self._content


class Readers:
    """The threads, begun as they are needed. Thread safe.

    Args:
        most: Of them.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._guard = threading.Lock()
        self._waiting: queue.SimpleQueue[Reading | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._unfinished = self._threads = 0
        self._is_closed = False

    def begin(self, work: Callable[[], bytes]) -> Reading | None:
        """Have `work` done by one of the threads; None once they are closed.

        Raises:
            RuntimeError: This process can have no thread at all.
        """
        reading = Reading(work)
        with self._guard:
            if self._is_closed:
                return None
            self._unfinished += 1
            is_short = self._threads < min(self._unfinished, self._most)
            self._waiting.put(reading)
        if is_short:
            self._start()
        return reading

    def close(self) -> None:
        """Cancel what was not begun, and return when nothing is under way. Safe to repeat."""
        with self._guard:
            self._is_closed = True
        for _ in range(self._most):
            self._waiting.put(None)
        while self._threads:
            with suppress(queue.Empty):
                self._ended.get(timeout=_LISTEN_SECONDS)

    def _start(self) -> None:
        try:
            # Not `Thread`: its `start` waits with an event.
            _thread.start_new_thread(self._serve, ())
        except RuntimeError:
            if not self._threads:
                raise

    def _serve(self) -> None:
        with self._guard:
            if self._is_closed or self._threads >= self._most:
                return
            self._threads += 1
        while self._has_served():
            pass
        with self._guard:
            self._threads -= 1
        self._ended.put(None)

    def _has_served(self) -> bool:
        """Do the next; a function of its own, as a thread that waits shall hold no content."""
        reading = self._waiting.get()
        if reading is None:
            return False
        if self._is_closed:
            reading.cancel()
        reading.run()
        with self._guard:
            self._unfinished -= 1
        return True
