"""Signals that would strike between publishing and recording, or while a child says it ends."""

from __future__ import annotations

import signal
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import FrameType

__all__ = ["leave_undisturbed", "soft_limit_held"]

_ENDING = {signal.SIGTERM, signal.SIGQUIT}  # the latter is what REMAP_SIGTERM makes of the former
_SOFT_LIMIT = int(signal.SIGUSR1)
_SIGNAL_TO_CODE = 256  # billiard's children end by signal 15 with code -241

# Python's own tries to make an enumeration's member of each handler, which takes longer than all
# that is done here.
_handler_of: Callable[[int], object] = getattr(signal, "_signal", signal).getsignal


class _Gate:
    """A signal's handler that stands before the usual one, and can hold a signal back.

    It stays for good: to change handlers twice takes longer than what most runs hold it for.
    """

    __slots__ = ("_held", "_is_shut", "_usual", "thread")

    def __init__(self, usual: Callable[[int, FrameType | None], object]) -> None:
        self.thread = threading.get_ident()
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
    usual = _handler_of(_SOFT_LIMIT)  # another one may have taken the place of our gate
    if isinstance(usual, _Gate) and usual.thread == threading.get_ident():
        return usual
    if threading.current_thread() is not threading.main_thread():
        return nullcontext()
    if isinstance(usual, _Gate):  # of the process that this one was forked from, by another thread
        usual.thread = threading.get_ident()
        return usual
    if not callable(usual):
        return nullcontext()
    gate = _Gate(usual)
    signal.signal(signal.SIGUSR1, gate)
    return gate


def leave_undisturbed(error: BaseException) -> None:
    """Let a child of Celery's pool that was told to end do so without being told again.

    For the last moment of a run: whoever is told twice before ends at once, as usual. Does nothing
    for errors that no signal raised, and outside the main thread.

    Source: billiard's children say over a shared queue that they end, and their parent answers with
    another SIGTERM, which by then has its default action. They block it while they hold the queue's
    lock, but the kernel then hands it to any other thread, as ours are: the child dies with the
    lock, and no child of that pool can report a result again. Killed it is, if it must be, by
    SIGKILL; else it ends by itself a second later.
    """
    if not isinstance(error, SystemExit) or not isinstance(error.code, int):
        return
    told_by = error.code + _SIGNAL_TO_CODE
    if told_by in _ENDING and threading.current_thread() is threading.main_thread():
        signal.signal(told_by, signal.SIG_IGN)
