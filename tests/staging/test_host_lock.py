"""Locks between processes, and what a signal handler that raises leaves of them."""

from __future__ import annotations

import fcntl
import os
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootcellar.staging import scratch
from rootcellar.staging.host_lock import HostLock, locked_file
from rootcellar.staging.scratch import Scratch, sweep_scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_STEPS = 2000


class StruckError(Exception):
    """A soft time limit."""


@contextmanager
def striking(step: int) -> Iterator[None]:
    """Raise where a signal handler may: after the call of that number, or as a function begins."""
    left = step

    def strike(frame: object, event: str, _: object) -> None:
        nonlocal left
        if event not in {"call", "c_return"}:
            return
        left -= 1
        if left == 0:
            sys.setprofile(None)
            raise StruckError

    sys.setprofile(strike)
    try:
        yield
    finally:
        sys.setprofile(None)


def _opened() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _is_free(path: str) -> bool:
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def strike_everywhere(action: Callable[[], object], is_free: Callable[[], bool]) -> int:
    """Strike at each step; what the error holds on to must not be a lock."""
    before = _opened()
    for step in range(1, MOST_STEPS):
        try:
            with striking(step):
                action()
        except StruckError as error:
            assert is_free(), f"held after step {step}"
            assert before >= _opened(), f"open after step {step}"
            del error
        else:
            return step
    raise AssertionError("it never ended")


@pytest.fixture(autouse=True)
def _dropped_files_are_closed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def test_a_strike_never_keeps_a_file_locked(tmp_path):
    """Whenever it comes, who needs the lock next gets it, while the error is still handled."""
    path = str(tmp_path / "lock")

    def hold() -> None:
        with locked_file(path) as lock:
            assert lock.is_ours

    hold()

    assert 5 < strike_everywhere(hold, lambda: _is_free(path))


def test_a_strike_never_keeps_a_host_lock(tmp_path):
    """Its file may stay, for a sweep to remove."""
    path = tmp_path / "lock"

    def hold() -> None:
        with HostLock.take(path) as lock, lock.passing():
            assert not lock.closed

    hold()
    assert not path.exists()

    assert 10 < strike_everywhere(hold, lambda: not path.exists() or _is_free(str(path)))


def test_a_strike_never_keeps_the_ledger(cache_of, tmp_path):
    """Else the end of the run, which gives back what it reserved, would wait for itself."""
    cache = cache_of(10**6)
    cache.evictor.count()
    path = str(cache.root / "usage")

    def book() -> None:
        with cache.ledger.opened() as account:
            cache.ledger.admit(account, 100)
        cache.ledger.give_back(100)

    book()

    assert 20 < strike_everywhere(book, lambda: _is_free(path))


def test_a_strike_never_keeps_a_scratch_area(tmp_path, monkeypatch):
    """Neither while a folder is made nor while dead ones are looked for."""
    monkeypatch.setattr(scratch, "_MOST_SPARES", 0)
    (tmp_path / "work").mkdir()
    area, number = str(tmp_path / "work"), iter(range(MOST_STEPS * 2))
    made: list[Scratch] = []

    def make() -> None:
        made.append(Scratch(tmp_path, "work", f"run-{next(number)}"))

    def sweep() -> None:
        (tmp_path / "work" / f"dead-{next(number)}").mkdir()
        sweep_scratch(tmp_path, "work")

    def is_free() -> bool:
        while made:
            made.pop().close()
        return _is_free(area)

    def sweep_all() -> list[str]:
        return [*sweep_scratch(tmp_path, "work"), "done"]

    assert 10 < strike_everywhere(make, is_free)
    assert 20 < strike_everywhere(sweep, lambda: _is_free(area) and bool(sweep_all()))
