"""Removing what is done with, after the run and beside the next one.

Removing a folder takes longer than making one, and large outputs take seconds; nobody has to wait
for it. A thread of this process does it, a while later and all at once, so that it seldom gets in
the way. What it leaves undone, a sweep does.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["finish_removals", "remove_later"]

_WAIT_SECONDS = 30.0
_GATHER_SECONDS = 0.25


class _Remover:
    """The thread and what it has to do. Not shared across a fork, which takes no threads along."""

    current: _Remover | None = None

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self.hurry = threading.Event()
        self.thread = threading.Thread(target=self._work, name="rootcellar-removal", daemon=True)
        self.thread.start()
        atexit.register(finish_removals)

    def _work(self) -> None:
        while True:
            job = self.jobs.get()
            self.hurry.wait(_GATHER_SECONDS)
            while True:
                with contextlib.suppress(OSError):
                    job()
                if self.jobs.empty():
                    break
                job = self.jobs.get()

    @classmethod
    def own(cls) -> _Remover:
        # What no job should raise would end the thread, and all after it would stay.
        if (own := cls.current) is None or own.pid != os.getpid() or not own.thread.is_alive():
            cls.current = own = cls()
        return own


def remove_later(job: Callable[[], object]) -> None:
    """Do this in the thread that removes; an OSError of it is not heard of."""
    _Remover.own().jobs.put(job)


def finish_removals() -> None:
    """Wait, for a bounded time, until what was given to the thread so far is done."""
    remover = _Remover.current
    if remover is None or remover.pid != os.getpid() or not remover.thread.is_alive():
        return
    done = threading.Event()
    remover.hurry.set()
    remover.jobs.put(done.set)
    done.wait(_WAIT_SECONDS)
    remover.hurry.clear()
