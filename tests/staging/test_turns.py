"""Turns: as many at once as there are, no more, and none lost."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing

import pytest

from rootcellar.staging import Address
from rootcellar.staging.engine import turns
from rootcellar.staging.engine.pipeline import pipelined
from rootcellar.staging.engine.turns import Turns, turn
from rootcellar.staging.stores import transfer
from rootcellar.staging.stores.transfer import download

LIMIT_SECONDS = 30


def test_so_many_may_be_inside_at_once_and_no_more():
    """Three threads meet inside, and a fourth never joins them."""
    three, meeting, guard = Turns(3), threading.Barrier(3), threading.Lock()
    inside, most = [], []

    def work(number):
        with three:
            with guard:
                inside.append(number)
                most.append(len(inside))
            meeting.wait(LIMIT_SECONDS)  # by twos, or by fours at once, they would stay here
            with guard:
                inside.remove(number)
        return number

    with closing(pipelined(range(60), work, parallel=6)) as done:
        assert sorted(done) == list(range(60))

    assert max(most) == 3


def test_an_error_gives_the_turn_back():
    """Who fails inside does not keep the others out."""
    one = Turns(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), one:
            raise ZeroDivisionError

    with one:
        pass


def test_who_works_alone_waits_for_nobody(monkeypatch):
    """Only threads that work beside others take turns; a soft limit strikes the others."""
    monkeypatch.setattr(turns, "_of_process", lambda _pid: Turns(0))

    with turn():
        pass


def test_a_forked_child_has_all_turns(monkeypatch):
    """What threads of its parent hold is not missing in the child, which has none of them."""
    taken, leave = threading.Event(), threading.Event()

    def work(_):
        with turn():
            taken.set()
            return leave.wait(LIMIT_SECONDS)

    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set())
    turns._of_process.cache_clear()
    parent = threading.Thread(target=lambda: list(pipelined([0], work, parallel=1)))
    parent.start()
    assert taken.wait(LIMIT_SECONDS)

    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends the child
            signal.alarm(LIMIT_SECONDS // 3)
            leave.set()
            os._exit(list(pipelined([0], work, parallel=1)) != [True])
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    leave.set()
    parent.join(LIMIT_SECONDS)
    turns._of_process.cache_clear()

    assert status == 0


class Seen:
    """A turn, and a store that knows whether it is asked within one."""

    parallel, algorithm, place = 2, "sha256", ""

    def __init__(self, store):
        self.uri, self._store = store.uri, store
        self.inside, self.written, self.waited = False, [], []

    def __enter__(self):
        self.inside = True

    def __exit__(self, *_):
        self.inside = False

    def stream(self, key, pin, start, end):
        self.waited.append(self.inside)
        yield from self._store.stream(key, pin, start, end)
        self.waited.append(self.inside)


def test_bytes_are_written_in_a_turn_and_waited_for_outside(folder_stores, tmp_path, monkeypatch):
    """A slow store keeps nobody from the processor."""
    store = folder_stores.named("raw")
    pin = store.write_small("a", b"content")
    seen, write = Seen(store), transfer._write
    monkeypatch.setattr(transfer, "turn", lambda: seen)
    monkeypatch.setattr(
        transfer, "_write", lambda *given: (seen.written.append(seen.inside), write(*given))
    )

    download(Address(seen, "a"), tmp_path / "a", pin=pin)

    assert (tmp_path / "a").read_bytes() == b"content"
    assert ([True], [False, False]) == (seen.written, seen.waited)
