"""Work on many items at once, by threads that all transfers of this process share.

A caller that is interrupted, by a soft time limit or by closing the iterator, leaves no thread at
work behind it: what waits is dropped, what is under way is cut off where it can be and waited for.

Only raw locks and `SimpleQueue` are used by a thread that a signal may interrupt. Conditions and
events are Python code, in which a signal handler that raises may leave a lock held for ever.
"""

from __future__ import annotations

import _thread
import os
import queue
import random
import threading
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "Stoppable",
    "Stopped",
    "back_off",
    "check_stopped",
    "cut_off_by",
    "finishing",
    "is_at_work",
    "pause",
    "pipelined",
]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_WORKERS = 32
_WAITING_PER_WORKER = 2
_LISTEN_SECONDS = 0.5
"""A signal that comes just before Python begins to wait is seen only after the wait."""


class Stopped(BaseException):
    """The work that this thread does is no longer wanted. Let it pass; nobody sees it."""


def pipelined(
    items: Iterable[_Item],
    work: Callable[[_Item], _Result],
    *,
    parallel: int,
    ordered: bool = False,
    waiting: Callable[[], object] | None = None,
) -> Iterator[_Result]:
    """Yield `work(item)` of all items, at most `parallel` of them under way.

    Use it as the iterable of a `for` loop, or close it: leaving the loop stops the rest. Items are
    taken in the caller's thread, and only so many that memory stays bounded. The first error
    stops the rest and is raised. Work may itself call `pipelined`; its thread then takes part.

    Args:
        items: May be endless; what it raises is raised.
        work: Called in other threads; a long one should call `check_stopped` now and then.
        parallel: At least 1.
        ordered: Yield in the order of the items instead of that of completion. One slow item then
            holds up the results, and soon the work, behind it.
        waiting: Called in this thread, twice a second where no result comes meanwhile.
    """
    helping = _own.job is not None
    job: _Job[_Item, _Result] = _Job(work, parallel, waiting)
    with cut_off_by(job.halt):
        try:
            yield from (_in_order if ordered else _done)(job, items, helping=helping)
        finally:
            job.stop()


def is_at_work() -> bool:
    """Tell whether this thread works on an item, beside others that work on others."""
    return _own.job is not None


def check_stopped() -> None:
    """Return if the work that this thread does is still wanted.

    Raises:
        Stopped: The caller of `pipelined` was interrupted, or another item failed.
    """
    if _own.job is not None and _own.job.halted:
        raise Stopped


@contextmanager
def cut_off_by(cut: Callable[[], object]) -> Iterator[None]:
    """While inside, have `cut` called, by another thread, when the work is no longer wanted.

    For what blocks: `cut` makes it raise. May be called late, after the end, and more than once.

    Raises:
        Stopped: It is not wanted any more already.
    """
    job = _own.job
    if job is None:
        yield
        return
    job.cuts.add(cut)
    try:
        if job.halted:
            raise Stopped
        yield
    finally:
        job.cuts.discard(cut)


@contextmanager
def finishing() -> Iterator[None]:
    """While inside, this thread works on, wanted or not: for what must be undone in any case."""
    job, _own.job = _own.job, None
    try:
        yield
    finally:
        _own.job = job


def pause(seconds: float) -> None:
    """Wait so long, but not a moment longer than the work that this thread does is wanted.

    Raises:
        Stopped: It is not wanted any more.
    """
    woken: queue.SimpleQueue[None] = queue.SimpleQueue()
    with cut_off_by(lambda: woken.put(None)), suppress(queue.Empty):
        woken.get(timeout=seconds)
    check_stopped()


def back_off(first_seconds: float, tried: int) -> None:
    """Pause between two tries, after the first about `first_seconds` and then ever twice as long.

    Not all for the same time: workers that failed together shall not come back together.

    Raises:
        Stopped: See `pause`.
    """
    pause(first_seconds * 2 ** (tried - 1) * random.uniform(0.5, 1.5))  # noqa: S311


class _Own(threading.local):
    job: Stoppable | None = None
    """That this thread works for."""


_own = _Own()


class Stoppable:
    """Work of threads that are not `pipelined`'s, which another thread may end for all of them."""

    def __init__(self) -> None:
        self.halted = False
        self.cuts: set[Callable[[], object]] = set()

    def run(self, work: Callable[[], _Result]) -> _Result:
        """Return `work()`, done by this thread as a part of this.

        Raises:
            Stopped: It was halted; to be turned into an error that the thread's owner knows.
        """
        # No context manager: a signal between its steps could leave the thread halted for ever.
        outer = _own.job
        try:
            _own.job = self
            check_stopped()
            return work()
        finally:
            _own.job = outer

    def halt(self) -> None:
        """Cut off what is under way, without waiting for it, and refuse what follows."""
        self.halted = True
        for cut in tuple(self.cuts):
            cut()


class _Job(Stoppable, Generic[_Item, _Result]):
    """What one call of `pipelined` shares with the threads that work for it."""

    def __init__(
        self,
        work: Callable[[_Item], _Result],
        parallel: int,
        waiting: Callable[[], object] | None,
    ) -> None:
        super().__init__()
        self.window = parallel * (1 + _WAITING_PER_WORKER)
        self.done: queue.SimpleQueue[_Outcome | None] = queue.SimpleQueue()
        self._work = work
        self._while_waiting = waiting
        self._parallel = parallel
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, _Item]] = deque()
        self._runners = 0
        self._busy = 0

    def add(self, number: int, item: _Item) -> None:
        with self._lock:
            self._waiting.append((number, item))
            short_of_runners = self._runners < self._parallel
            self._runners += short_of_runners
        if short_of_runners:
            _pool().submit(self.run_all)

    def run_all(self) -> None:
        while self.run_one():
            pass
        with self._lock:
            self._runners -= 1
            # Added since this thread looked.
            again = bool(self._waiting) and not self.halted and self._runners < self._parallel
            self._runners += again
        if again:
            _pool().submit(self.run_all)

    def run_one(self) -> bool:
        with self._lock:
            if self.halted or not self._waiting:
                return False
            number, item = self._waiting.popleft()
            self._busy += 1
        outer, _own.job = _own.job, self
        try:
            outcome = _Outcome(number, self._work(item), None)
        except BaseException as error:  # noqa: BLE001 (it is raised in the caller)
            outcome = _Outcome(number, None, error)
        finally:
            _own.job = outer
        with self._lock:
            self._busy -= 1
        self.done.put(outcome)
        return True

    def next(self, *, helping: bool) -> _Outcome:
        # A helping thread is one of the pool's: were all of them to wait here, none would work.
        while helping and self.done.empty() and self.run_one():
            pass
        outcome = self._ended()
        if outcome is None:
            raise Stopped
        if outcome.error is not None:
            raise outcome.error
        return outcome

    def _ended(self) -> _Outcome | None:
        while True:
            try:
                return self.done.get(timeout=_LISTEN_SECONDS)
            except queue.Empty:
                if self._while_waiting is not None and not self.halted:
                    self._while_waiting()

    def halt(self) -> None:
        """Drop what waits and cut off what is under way."""
        self.halted = True
        with self._lock:
            self._waiting.clear()
        super().halt()
        self.done.put(None)

    def stop(self) -> None:
        """Halt, and return when nothing is under way any more, also if interrupted again."""
        interrupted: BaseException | None = None
        while not self.halted or self._busy:
            try:
                self.halt()
                while self._busy:
                    self._ended()
            except BaseException as error:  # noqa: BLE001 (raised when all is quiet)
                interrupted = error
        if interrupted is not None:
            raise interrupted


class _Outcome:
    __slots__ = ("error", "number", "result")

    def __init__(self, number: int, result: Any, error: BaseException | None) -> None:
        self.number = number
        self.result = result
        self.error = error


def _done(job: _Job[_Item, _Result], items: Iterable[_Item], *, helping: bool) -> Iterator[_Result]:
    under_way = 0
    for number, item in enumerate(items):
        job.add(number, item)
        under_way += 1
        while under_way >= job.window or not job.done.empty():
            result = job.next(helping=helping).result
            under_way -= 1
            yield result
    for _ in range(under_way):
        yield job.next(helping=helping).result


def _in_order(
    job: _Job[_Item, _Result], items: Iterable[_Item], *, helping: bool
) -> Iterator[_Result]:
    early: dict[int, _Result] = {}
    added = given = 0
    for number, item in enumerate(items):
        job.add(number, item)
        added += 1
        while added - given >= job.window:
            yield _awaited(job, given, early, helping=helping)
            given += 1
    for number in range(given, added):
        yield _awaited(job, number, early, helping=helping)


def _awaited(
    job: _Job[_Item, _Result], number: int, early: dict[int, _Result], *, helping: bool
) -> _Result:
    while number not in early:
        outcome = job.next(helping=helping)
        early[outcome.number] = outcome.result
    return early.pop(number)


class _Pool:
    """Threads that begin when there is more to do than there are threads, up to a bound."""

    def __init__(self) -> None:
        self._tickets: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._unfinished = 0
        self._threads = 0

    def submit(self, run: Callable[[], None]) -> None:
        with self._lock:
            self._unfinished += 1
            begin = self._threads < min(self._unfinished, _WORKERS)
        self._tickets.put(run)
        if begin:
            # Not `Thread`: its `start` waits with an event.
            _thread.start_new_thread(self._serve, ())

    def _serve(self) -> None:
        with self._lock:
            if self._threads >= _WORKERS:
                return
            self._threads += 1
        while True:
            self._tickets.get()()
            with self._lock:
                self._unfinished -= 1


_pools: dict[int, _Pool] = {}


def _pool() -> _Pool:
    # By process: no thread survives a fork, and a lock that was held then stays held.
    pid = os.getpid()
    return _pools.get(pid) or _pools.setdefault(pid, _Pool())
