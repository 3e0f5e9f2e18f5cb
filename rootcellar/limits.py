"""Soft time limits must not fall between publishing outputs and recording them."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["soft_limit_held"]


@contextmanager
def soft_limit_held() -> Iterator[None]:
    """Hold back Celery's soft time limit while a run is committed.

    A limit that strikes meanwhile is dropped if the block succeeds, because the work is done; it
    strikes right after the block if that fails. Hard limits are not held. Outside the main thread
    there are no soft limits, and this does nothing.

    Source: billiard's pool raises the soft limit from its SIGUSR1 handler. Blocking the signal
    would not do: the kernel then hands it to another thread, and Python runs the handler here.
    """
    usual = signal.getsignal(signal.SIGUSR1)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    held: list[FrameType | None] = []

    def hold(_signum: int, frame: FrameType | None) -> None:
        held.append(frame)

    signal.signal(signal.SIGUSR1, hold)
    try:
        yield
    except BaseException:
        signal.signal(signal.SIGUSR1, usual)
        if held:
            usual(signal.SIGUSR1, held[0])
        raise
    signal.signal(signal.SIGUSR1, usual)
