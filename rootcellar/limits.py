"""Soft time limits must not fall between publishing outputs and recording them."""

from __future__ import annotations

import inspect
import signal
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import FrameType

__all__ = ["soft_limit_held"]


# What stands below Python's own, which first tries to make an enumeration's member of each handler.
_handler_of = inspect.unwrap(signal.getsignal)


class _Gate:
    """A signal's handler that stands before the usual one, and can hold a signal back.

    It stays for good: to change handlers twice takes longer than what most runs hold it for.
    """

    __slots__ = ("_held", "_is_shut", "_usual")

    def __init__(self, usual: Callable[[int, FrameType | None], object]) -> None:
        self._usual = usual
        self._is_shut = False
        self._held: list[FrameType | None] = []

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if self._is_shut:
            self._held.append(frame)
        else:
            self._usual(signum, frame)

    def __enter__(self) -> None:
        self._held.clear()
        self._is_shut = True

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._is_shut = False
        held, self._held = self._held, []
        if held and error is not None:
            self._usual(signal.SIGUSR1, held[0])


def soft_limit_held() -> AbstractContextManager[None]:
    """Hold back Celery's soft time limit while a run is committed. Not to be nested.

    A limit that strikes meanwhile is dropped if the block succeeds, because the work is done; it
    strikes right after the block if that fails. Hard limits are not held. Outside the main thread
    there are no soft limits, and this does nothing.

    Source: billiard's pool raises the soft limit from its SIGUSR1 handler. Blocking the signal
    would not do: the kernel then hands it to another thread, and Python runs the handler here.
    """
    if threading.current_thread() is not threading.main_thread():
        return nullcontext()
    usual = _handler_of(signal.SIGUSR1)  # another one may have taken the place of our gate
    if isinstance(usual, _Gate):
        return usual
    if not callable(usual):
        return nullcontext()
    gate = _Gate(usual)
    signal.signal(signal.SIGUSR1, gate)
    return gate
