"""Locks between the processes of one host, and what a signal handler that raises leaves of them."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rootcellar.staging.host import spares
from rootcellar.staging.host.host_lock import HostLock, locked_file, made_once
from rootcellar.staging.host.scratch import Scratch, sweep_scratch

if TYPE_CHECKING:
    from collections.abc import Callable

WAITERS = 16
LIMIT_SECONDS = 30
MOST_STEPS = 2000


def wait_until_blocked(path, count):
    """Wait until that many wait for the lock of this file."""
    inode = f":{path.stat().st_ino} "
    for _ in range(10**6):
        with open("/proc/locks") as locks:  # noqa: PTH123 (no path of ours)
            if count <= sum("->" in line and inode in line for line in locks):
                return
        os.sched_yield()
    pytest.fail("they do not wait")


def test_all_who_wait_look_at_once_when_it_is_made(tmp_path):
    """Nobody waits for another one's look, and nobody makes it again."""
    path, made = tmp_path / "lock", []
    together = threading.Barrier(WAITERS)
    holder = HostLock.take(path)

    def look():
        together.wait(LIMIT_SECONDS)
        return made[0]

    with ThreadPoolExecutor(WAITERS) as pool:
        waiting = [pool.submit(made_once, path, look, made.clear) for _ in range(WAITERS)]
        wait_until_blocked(path, WAITERS)
        made.append("it")
        holder.remove()

        assert ["it"] * WAITERS == [one.result(LIMIT_SECONDS) for one in waiting]
    assert ["it"] == made
    assert [] == list(tmp_path.iterdir())


def test_who_comes_when_it_is_made_takes_the_lock_and_makes(tmp_path):
    """What is there already is for `make` to find: nobody else makes it at the time."""
    path = tmp_path / "lock"

    def make():
        assert HostLock.take_if_free(path) is None
        return "it"

    assert "it" == made_once(path, lambda: pytest.fail("it looked without the lock"), make)
    assert [] == list(tmp_path.iterdir())


def test_what_fails_is_tried_by_one_after_the_other(tmp_path):
    """Until one has made it; the error is each one's own."""
    path, tries, running = tmp_path / "lock", [], threading.Lock()
    holder = HostLock.take(path)
    made = []

    def make():
        if made:
            return made[0]
        assert running.acquire(blocking=False), "two at once"
        try:
            tries.append(1)
            if len(tries) < 3:
                raise OSError("not this time")
            made.append("it")
            return "it"
        finally:
            running.release()

    def look():
        return made[0] if made else None

    with ThreadPoolExecutor(WAITERS) as pool:
        waiting = [pool.submit(made_once, path, look, make) for _ in range(WAITERS)]
        wait_until_blocked(path, WAITERS)
        holder.remove()
        errors = [one.exception(LIMIT_SECONDS) for one in waiting]

    assert 2 == sum(isinstance(error, OSError) for error in errors)
    assert WAITERS - 2 == errors.count(None)
    assert 3 == len(tries)
    assert [] == list(tmp_path.iterdir())


def forked(action):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        action()
        code = 0
    finally:
        os._exit(code)


def test_of_those_who_wait_for_one_that_is_killed_exactly_one_takes_over(tmp_path):
    """The kernel frees its lock; the others wait for the one that follows."""
    path, made = tmp_path / "lock", tmp_path / "made"
    held, tell = os.pipe()

    def hold():
        with HostLock.take(path):
            os.write(tell, b".")
            signal.pause()

    def look():
        return made.read_text() if made.exists() else None

    def make():
        if (found := look()) is not None:
            return found
        with (tmp_path / "log").open("a") as log:
            log.write("made\n")
        (tmp_path / "half").write_text("it")
        (tmp_path / "half").rename(made)
        return "it"

    def want():
        assert "it" == made_once(path, look, make)

    holder = forked(hold)
    os.read(held, 1)
    waiting = [forked(want) for _ in range(WAITERS)]
    try:
        wait_until_blocked(path, WAITERS)
    finally:
        os.kill(holder, signal.SIGKILL)

    assert -signal.SIGKILL == os.waitstatus_to_exitcode(os.waitpid(holder, 0)[1])
    assert [0] * WAITERS == [os.waitpid(child, 0)[1] for child in waiting]
    assert "made\n" == (tmp_path / "log").read_text()
    assert {"log", "made"} == {left.name for left in tmp_path.iterdir()}
    os.close(held)
    os.close(tell)


def _opened(folder: Path) -> int:
    """Count the open files below a folder; threads of other tests may open others meanwhile."""
    count = 0
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(folder) in str(file.readlink())
    return count


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
def strike_everywhere(striking, tmp_path):
    return functools.partial(_strike_everywhere, striking, tmp_path)


def _strike_everywhere(
    striking: Any, folder: Path, action: Callable[[], object], is_free: Callable[[], bool]
) -> int:
    """Strike at each step; what the error holds on to must not be a lock."""
    before = _opened(folder)
    for step in range(1, MOST_STEPS):
        try:
            with striking(step):
                action()
        except striking.error as error:
            assert is_free(), f"held after step {step}"
            assert before >= _opened(folder), f"open after step {step}"
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
    monkeypatch.setattr(spares, "_MOST_SPARES", 0)
    (tmp_path / "work").mkdir()
    area, number = str(tmp_path / "work"), iter(range(MOST_STEPS * 2))
    made: list[Scratch] = []

    def make() -> None:
        made.append(Scratch(str(tmp_path), "work", f"run-{next(number)}"))

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
