"""RangeFile: a pinned object as a file, by few requests and with little memory."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import threading
import tracemalloc
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.schemas.errors import (
    ObjectChanged,
    StoreUnavailable,
)
from rootcellar.schemas.ref import Pin
from rootcellar.staging import Address
from rootcellar.staging.streams.pinned_object import Meter, PinnedObject
from rootcellar.staging.streams.range_file import (
    BLOCK_BYTES,
    SPAN_BYTES,
    SPANS_AHEAD,
    RangeFile,
    Room,
)
from rootcellar.staging.streams.readers import Readers

MB = 1024 * 1024


class LargeStore:
    """A store of one large object, computed; tells what it is asked for and may be held up."""

    def __init__(self, size_bytes):
        self.pin = Pin(size_bytes=size_bytes, etag="e")
        self.asked = []
        self.gate = threading.Event()
        self.gate.set()
        self.error = None

    def uri(self, key):
        return f"raw://{key}"

    def stat(self, key):
        return self.pin

    def read(self, key, pin, start, end):
        self.asked.append((start, end))
        assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        return bytes(end - start)


@pytest.fixture
def readers():
    made = Readers()
    yield made
    made.close()


def raw(store, readers, **options):
    source = PinnedObject(address=Address(store, "big"), pin=store.pin, meter=Meter())
    return RangeFile(source, readers, **options)


SMALL = random.Random(3).randbytes(3 * BLOCK_BYTES + 77)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("seek"), st.integers(0, len(SMALL) + 100), st.just(0)),
        st.tuples(st.just("seek"), st.integers(-100, 100), st.just(1)),
        st.tuples(st.just("seek"), st.integers(-len(SMALL), 10), st.just(2)),
        st.tuples(st.just("read"), st.integers(-1, 2 * BLOCK_BYTES), st.just(0)),
        st.tuples(st.just("readline"), st.integers(-1, 1000), st.just(0)),
    ),
    max_size=25,
)


def act(file, step):
    """What a step gives, or that it is refused."""
    name, number, whence = step
    try:
        if name == "seek":
            return file.seek(number, whence)
        return getattr(file, name)(number)
    except (ValueError, OSError):
        return "refused"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, is_buffered=st.booleans())
def test_any_reading_is_that_of_a_file(folder_stores, tmp_path, readers, steps, is_buffered):
    """Whatever is sought and read, a stream gives what a file would."""
    (tmp_path / "store" / "big").write_bytes(SMALL)
    address = folder_stores.store_for("raw://big")
    pin = address.store.stat("big")
    file = RangeFile(PinnedObject(address=address, pin=pin, meter=Meter()), readers)
    stream = io.BufferedReader(file, 16 * 1024) if is_buffered else file
    model = io.BytesIO(SMALL)

    for step in steps:
        # A negative position is an error for a file, and nothing for bytes in memory.
        name, number, whence = step
        if name == "seek" and {0: 0, 1: model.tell(), 2: len(SMALL)}[whence] + number < 0:
            assert "refused" == act(stream, step)
            continue
        assert act(model, step) == act(stream, step)


def test_sequential_reading_holds_little(readers):
    """However large the object: a few spans, and no more requests than they take."""
    store = LargeStore(600 * MB)
    file = raw(store, readers)
    tracemalloc.start()
    try:
        with io.BufferedReader(file, 16 * 1024) as reader, open(os.devnull, "wb") as sink:  # noqa: PTH123
            shutil.copyfileobj(reader, sink, 4 * MB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (SPANS_AHEAD + 1) * SPAN_BYTES + 20 * MB > peak
    assert 90 > len(store.asked)
    assert 600 * MB == sum(end - start for start, end in store.asked)


def test_what_follows_is_on_its_way(readers, wait_until):
    """Once reading is sequential, the next spans are asked for before they are wanted."""
    store = LargeStore(100 * MB)
    file = raw(store, readers)
    for _ in range(4):
        file.read(BLOCK_BYTES)

    wait_until(lambda: len(store.asked) >= 2 + SPANS_AHEAD)

    assert max(end for _, end in store.asked) > 10 * MB
    assert max(end for _, end in store.asked) <= SPANS_AHEAD * SPAN_BYTES


def test_jumping_about_reads_blocks(readers):
    """Small reads ask for a block each, and for none that was read lately."""
    store = LargeStore(100 * MB)
    file = raw(store, readers)
    for position in (50 * MB, 10 * MB, 50 * MB + 1000, 10 * MB + 5, 90 * MB):
        file.seek(position)
        file.read(10)

    assert 3 == len(store.asked)
    assert {BLOCK_BYTES} == {end - start for start, end in store.asked}


def test_a_reader_that_plans_gets_what_it_asks_for(readers):
    """Without reading ahead nothing is read in vain, and a large read is divided."""
    store = LargeStore(100 * MB)
    file = raw(store, readers, reads_ahead=False)
    for _ in range(4):
        file.read(200_000)
    small = list(store.asked)
    file.read(20 * MB)

    assert [(n * 200_000, (n + 1) * 200_000) for n in range(4)] == small
    assert 4 + 4 <= len(store.asked)
    assert 800_000 + 20 * MB == sum(end - start for start, end in store.asked)


def test_an_object_replaced_while_it_is_read_ahead(readers):
    """The reader hears of it where it comes to it, and again if it goes on."""
    store = LargeStore(100 * MB)
    file = raw(store, readers)
    file.read(2 * MB)
    store.error = ObjectChanged("changed", "", "raw://big")
    with pytest.raises(ObjectChanged):
        shutil.copyfileobj(file, io.BytesIO(), MB)
    with pytest.raises(ObjectChanged):
        file.read(MB)

    store.error = None
    assert MB == len(file.read(MB))


def test_a_range_is_tried_again(readers, monkeypatch):
    """Three times, for a store that does not answer and for one that answers in part."""
    monkeypatch.setattr("rootcellar.staging.streams.pinned_object.back_off", lambda *_: None)
    store = LargeStore(MB)
    store.error = StoreUnavailable("away", "", "raw://big")
    with pytest.raises(StoreUnavailable, match="away"):
        raw(store, readers).read(10)
    tried = len(store.asked)
    store.error, store.read = None, lambda *_: b"x"
    with pytest.raises(StoreUnavailable, match="incomplete"):
        raw(store, readers).read(10)

    assert 3 == tried


class TimeIsUpError(Exception):
    pass


def test_a_limit_strikes_while_waiting(readers):
    """A signal's exception leaves a read that waits at once, and the file can be closed."""
    store = LargeStore(100 * MB)
    store.gate.clear()
    file = raw(store, readers)

    def strike(*_):
        raise TimeIsUpError

    before = signal.signal(signal.SIGALRM, strike)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(TimeIsUpError):
            file.read(20 * MB)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        store.gate.set()
    file.close()

    assert file.closed


def test_a_limit_strikes_anywhere(striking):
    """It is heard, nothing is left locked, and the end of the run waits for nobody."""
    for step in range(1, 2000):
        store, readers = LargeStore(30 * MB), Readers(4)
        file, heard = raw(store, readers), False
        try:
            with striking(step):
                file.read(6 * MB)
                file.read(6 * MB)
        except striking.error:
            heard = True

        for end in (file.close, readers.close):
            ending = threading.Thread(target=end, daemon=True)
            ending.start()
            ending.join(20)
            assert not ending.is_alive(), f"waits for ever after step {step}"
        if not heard:
            return
    raise AssertionError("it never ended")


def test_readings_that_were_not_begun_are_cancelled():
    """At the end, and by who does not want them any more; those who wait hear of it."""
    gate, readers = threading.Semaphore(0), Readers(1)
    done = []

    def work(name):
        gate.acquire()
        done.append(name)
        return b"content"

    first, second, third = (readers.begin(partial(work, name)) for name in "abc")
    second.cancel()
    gate.release()
    assert b"content" == first.result()
    ending = threading.Thread(target=readers.close)
    gate.release()
    assert b"content" == third.result()
    ending.start()
    ending.join(20)

    assert second.result() is None
    assert readers.begin(partial(work, "d")) is None
    assert ["a", "c"] == done


def test_all_open_files_share_one_room(readers):
    """What many files hold is bounded together; each reads to its end all the same."""
    store = LargeStore(3 * MB + 77)
    room = Room(2 * MB)
    files = [raw(store, readers, room=room) for _ in range(5)]
    held, read = [], [0] * len(files)

    while any(chunks := [file.read(100_000) for file in files]):
        read = [done + len(chunk) for done, chunk in zip(read, chunks, strict=True)]
        spans = [span for file in files for span in file._ahead._spans]
        blocks = sum(max(0, len(file._blocks) - 1) for file in files)
        held.append(sum(span.end - span.start for span in spans) + blocks * BLOCK_BYTES)

    assert [3 * MB + 77] * 5 == read
    assert 0 < max(held) <= 2 * MB
    for file in files:
        file.close()
    assert room.take(2 * MB), "all was given back"
