"""Locks between the processes of one host."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rootcellar.staging.host_lock import HostLock, made_once

WAITERS = 16
LIMIT_SECONDS = 30


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
        HostLock.take(path)
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
    wait_until_blocked(path, WAITERS)
    os.kill(holder, signal.SIGKILL)

    assert -signal.SIGKILL == os.waitstatus_to_exitcode(os.waitpid(holder, 0)[1])
    assert [0] * WAITERS == [os.waitpid(child, 0)[1] for child in waiting]
    assert "made\n" == (tmp_path / "log").read_text()
    assert {"log", "made"} == {left.name for left in tmp_path.iterdir()}
    os.close(held)
    os.close(tell)
