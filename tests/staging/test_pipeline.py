"""Many items, few threads, and nothing left at work behind an interrupted caller."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from rootcellar.staging.engine import pipeline
from rootcellar.staging.engine.pipeline import Stopped, check_stopped, cut_off_by, pipelined


def spin(until, limit_seconds=20.0):
    end = time.monotonic() + limit_seconds
    while not until():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.001)


def linger():
    """Take a while, in which others could leave."""
    end = time.monotonic() + 0.05
    spin(lambda: time.monotonic() >= end)


@pytest.mark.parametrize("parallel", [1, 2, 8])
def test_every_item_is_worked_on_once(parallel):
    """All results come, whatever the number of threads."""
    found = sorted(pipelined(range(500), lambda item: item * 2, parallel=parallel))

    assert [item * 2 for item in range(500)] == found


def test_results_come_in_the_order_of_the_items_if_asked():
    """A slow item holds back the results of those behind it."""
    done = set()

    def work(item):
        if item % 10 == 0:
            spin(lambda: item + 2 in done)
        done.add(item)
        return item

    assert list(range(200)) == list(pipelined(range(200), work, parallel=4, ordered=True))


def test_a_slow_item_holds_up_no_other():
    """In order of completion, the first item may be the last result."""
    release = threading.Event()

    def work(item):
        if item == 0:
            release.wait(20)
        return item

    found = []
    for result in pipelined(range(5), work, parallel=2):
        found.append(result)
        if len(found) == 4:
            release.set()

    assert 0 == found[-1]


def test_no_more_than_parallel_are_under_way():
    """The bound holds at every moment."""
    lock, now, most = threading.Lock(), 0, 0
    together = threading.Barrier(3)

    def work(_):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        together.wait(20)
        with lock:
            now -= 1

    list(pipelined(range(99), work, parallel=3))

    assert 3 == most


@pytest.mark.parametrize("ordered", [False, True])
def test_items_are_taken_only_as_they_are_needed(ordered):
    """An endless source is not read to its end."""
    taken = []
    source = (taken.append(number) or number for number in itertools.count())

    for result in pipelined(source, lambda item: item, parallel=2, ordered=ordered):
        if result >= 50:
            break

    assert len(taken) < 100


def test_no_items_are_no_results():
    """Nothing in, nothing out."""
    assert [] == list(pipelined([], str, parallel=4))


def test_the_first_error_stops_the_rest():
    """It is raised in the caller, and items that wait are dropped."""
    begun = []

    def work(item):
        begun.append(item)
        if item == 3:
            raise LookupError(item)
        return item

    with pytest.raises(LookupError, match="3"):
        list(pipelined(range(10_000), work, parallel=2))

    assert len(begun) < 100


def test_an_error_of_the_source_is_raised_and_stops_the_work():
    """What making the items raises ends the loop."""

    def source():
        yield 1
        raise LookupError

    with pytest.raises(LookupError):
        list(pipelined(source(), str, parallel=2))


@pytest.mark.parametrize("ordered", [False, True])
def test_work_may_have_work_of_its_own(ordered):
    """Nested calls deeper and wider than there are threads come to their end."""

    def count(depth):
        if depth == 0:
            return 1
        return sum(pipelined([depth - 1] * 4, count, parallel=4, ordered=ordered))

    assert 4**4 == sum(pipelined([3] * 4, count, parallel=4, ordered=ordered))


def test_an_interrupted_caller_leaves_nothing_at_work(alarm):
    """A soft time limit waits for what is under way, and then leaves."""
    begun, working = threading.Event(), set()

    def work(item):
        working.add(item)
        begun.set()
        try:
            spin(check_stopped)
        finally:
            linger()
            working.discard(item)

    alarm.when(begun)
    with pytest.raises(alarm.error):
        list(pipelined(range(100), work, parallel=4))

    assert set() == working


def test_what_blocks_is_cut_off(alarm):
    """Work that waits for another side is told, also when it lies a call deeper."""
    begun = threading.Event()

    def wait(_):
        cut = threading.Event()
        with cut_off_by(cut.set):
            begun.set()
            assert cut.wait(20)
            raise ConnectionError

    alarm.when(begun)
    started = time.monotonic()
    with pytest.raises(alarm.error):
        list(pipelined(range(4), lambda _: list(pipelined(range(3), wait, parallel=2)), parallel=2))

    assert time.monotonic() - started < 10


def test_a_second_interrupt_does_not_leave_work_behind(alarm):
    """Also who is interrupted while he waits for the end leaves nothing."""
    begun, again, working = threading.Event(), threading.Event(), set()

    def work(item):
        working.add(item)
        begun.set()
        try:
            spin(check_stopped)
        finally:
            if not again.is_set():
                again.set()
                alarm()
            linger()
            working.discard(item)

    alarm.when(begun)
    with pytest.raises(alarm.error):
        list(pipelined(range(100), work, parallel=2))

    assert set() == working


def test_leaving_the_loop_stops_the_rest():
    """A body that raises stops the work before its exception is seen."""
    working = set()

    def work(item):
        working.add(item)
        linger()
        working.discard(item)

    def leave():
        for _ in pipelined(range(1000), work, parallel=4):
            raise LookupError

    with pytest.raises(LookupError):
        leave()

    assert set() == working


def test_work_that_is_no_longer_wanted_may_not_begin_to_wait():
    """Who registers after the end is stopped at once."""
    seen = []

    def work(item):
        if item == 0:
            raise LookupError
        spin(lambda: pipeline._own.job.halted)
        try:
            with cut_off_by(print):
                seen.append("entered")
        except Stopped:
            seen.append("stopped")
            raise

    with pytest.raises(LookupError):
        list(pipelined([1, 0], work, parallel=2))

    assert ["stopped"] == seen


def test_outside_of_any_work_nothing_is_stopped():
    """The checks may be called anywhere."""
    check_stopped()
    with cut_off_by(lambda: pytest.fail("cut")):
        pass


def test_threads_are_few_and_shared():
    """Many calls, also nested ones, share a bounded number of threads."""
    code = """
        import threading, _thread
        from rootcellar.staging.engine.pipeline import pipelined, _WORKERS
        def inner(_):
            return sum(pipelined(range(20), int, parallel=16))
        for _ in range(5):
            assert 190 * 40 == sum(pipelined(range(40), inner, parallel=16))
        assert _thread._count() <= _WORKERS, _thread._count()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)


def test_a_child_has_threads_of_its_own():
    """Threads that were used before a fork are not missed after it."""
    list(pipelined(range(10), str, parallel=4))

    child = os.fork()
    if child == 0:
        os._exit(0 if 45 == sum(pipelined(range(10), int, parallel=4)) else 1)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
