"""Locks between processes, and what a signal handler that raises leaves of them."""

from __future__ import annotations

import fcntl
import functools
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rootcellar.staging import scratch
from rootcellar.staging.host_lock import HostLock, locked_file
from rootcellar.staging.scratch import Scratch, sweep_scratch

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_STEPS = 2000


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


@pytest.fixture
def strike_everywhere(striking):
    return functools.partial(_strike_everywhere, striking)


def _strike_everywhere(
    striking: Any, action: Callable[[], object], is_free: Callable[[], bool]
) -> int:
    """Strike at each step; what the error holds on to must not be a lock."""
    before = _opened()
    for step in range(1, MOST_STEPS):
        try:
            with striking(step):
                action()
        except striking.error as error:
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


def test_a_strike_never_keeps_a_file_locked(tmp_path, strike_everywhere):
    """Whenever it comes, who needs the lock next gets it, while the error is still handled."""
    path = str(tmp_path / "lock")

    def hold() -> None:
        with locked_file(path) as lock:
            assert lock.is_ours

    hold()

    assert 5 < strike_everywhere(hold, lambda: _is_free(path))


def test_a_strike_never_keeps_a_host_lock(tmp_path, strike_everywhere):
    """Its file may stay, for a sweep to remove."""
    path = tmp_path / "lock"

    def hold() -> None:
        with HostLock.take(path) as lock, lock.passing():
            assert not lock.closed

    hold()
    assert not path.exists()

    assert 10 < strike_everywhere(hold, lambda: not path.exists() or _is_free(str(path)))


def test_a_strike_never_keeps_the_ledger(cache_of, tmp_path, strike_everywhere):
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


def test_a_strike_never_keeps_a_scratch_area(tmp_path, monkeypatch, strike_everywhere):
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
