"""Streams: an input larger than the disk is read by pinned ranges, and never of two versions."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import shutil
import signal
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    ArtifactNotFound,
    BindingError,
    ContentError,
    DigestMismatch,
    ObjectChanged,
    StoreUnavailable,
)
from rootcellar.schemas.ref import Pin
from rootcellar.staging import Address, Output, StagingSession, StreamRequest
from rootcellar.staging.pinned_object import Meter, PinnedObject
from rootcellar.staging.range_file import BLOCK_BYTES, SPAN_BYTES, SPANS_AHEAD, RangeFile

MB = 1024 * 1024
CONTENT = random.Random(3).randbytes(5 * MB + 12345)
URI = "raw://big.bin"


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
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def put(stores, tmp_path, content=CONTENT, uri=URI):
    address = stores.store_for(uri)
    source = tmp_path / "source"
    source.write_bytes(content)
    return address, address.store.upload(address.key, source).publish()


def raw(store, pool, **options):
    source = PinnedObject(address=Address(store, "big"), pin=store.pin, meter=Meter())
    return RangeFile(source, pool, **options)


@pytest.fixture
def session(stores, cache):
    with StagingSession(stores, cache, run_uid="run-1") as session:
        yield session


def request(pin, **fields):
    return StreamRequest(**{"uri": URI, "kind": "file", "pin": pin, **fields})


# -- reading ------------------------------------------------------------------------------------

SMALL = CONTENT[: 3 * BLOCK_BYTES + 77]
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
def test_any_reading_is_that_of_a_file(folder_stores, tmp_path, pool, steps, is_buffered):
    """Whatever is sought and read, a stream gives what a file would."""
    address, pin = put(folder_stores, tmp_path, SMALL)
    file = RangeFile(PinnedObject(address=address, pin=pin, meter=Meter()), pool)
    stream = io.BufferedReader(file, 16 * 1024) if is_buffered else file
    model = io.BytesIO(SMALL)

    for step in steps:
        # A negative position is an error for a file, and nothing for bytes in memory.
        name, number, whence = step
        if name == "seek" and {0: 0, 1: model.tell(), 2: len(SMALL)}[whence] + number < 0:
            assert "refused" == act(stream, step)
            continue
        assert act(model, step) == act(stream, step)


@pytest.mark.parametrize("step_bytes", [100_000, 1 * MB, 3 * MB, -1])
def test_sequential_reading(session, stores, tmp_path, step_bytes):
    """From every kind of store, in steps of any size: all bytes, in few requests."""
    _, pin = put(stores, tmp_path)
    stream = session.stream(request(pin))
    with stream.open() as file:
        read = b"".join(iter(lambda: file.read(step_bytes), b""))

    assert CONTENT == read
    assert 0 <= stream.amount.transferred_bytes - len(CONTENT) <= 2 * BLOCK_BYTES
    assert 10 >= stream.amount.requests
    assert (0, 1) == (stream.amount.hits, stream.amount.misses)


def test_sequential_reading_holds_little(pool):
    """However large the object: a few spans, and no more requests than they take."""
    store = LargeStore(600 * MB)
    file = raw(store, pool)
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


def test_what_follows_is_on_its_way(pool, wait_until):
    """Once reading is sequential, the next spans are asked for before they are wanted."""
    store = LargeStore(100 * MB)
    file = raw(store, pool)
    for _ in range(4):
        file.read(BLOCK_BYTES)

    wait_until(lambda: len(store.asked) >= 2 + SPANS_AHEAD)

    assert max(end for _, end in store.asked) > 10 * MB
    assert max(end for _, end in store.asked) <= SPANS_AHEAD * SPAN_BYTES


def test_jumping_about_reads_blocks(pool):
    """Small reads ask for a block each, and for none that was read lately."""
    store = LargeStore(100 * MB)
    file = raw(store, pool)
    for position in (50 * MB, 10 * MB, 50 * MB + 1000, 10 * MB + 5, 90 * MB):
        file.seek(position)
        file.read(10)

    assert 3 == len(store.asked)
    assert {BLOCK_BYTES} == {end - start for start, end in store.asked}


def test_a_reader_that_plans_gets_what_it_asks_for(pool):
    """Without reading ahead nothing is read in vain, and a large read is divided."""
    store = LargeStore(100 * MB)
    file = raw(store, pool, reads_ahead=False)
    for _ in range(4):
        file.read(200_000)
    small = list(store.asked)
    file.read(20 * MB)

    assert [(n * 200_000, (n + 1) * 200_000) for n in range(4)] == small
    assert 4 + 4 <= len(store.asked)
    assert 800_000 + 20 * MB == sum(end - start for start, end in store.asked)


def test_an_empty_file(session, stores, tmp_path):
    """Has an end and nothing else; nothing is asked for."""
    _, pin = put(stores, tmp_path, b"")
    stream = session.stream(request(pin))

    assert b"" == stream.open().read()
    assert 0 == stream.amount.requests


def test_text_is_read_through_it(session, stores, tmp_path):
    """Python's own layers stand on it as on a file."""
    _, pin = put(stores, tmp_path, "grün\nblau\n".encode() * 20_000)
    with io.TextIOWrapper(session.stream(request(pin)).open(), "utf-8") as file:
        lines = list(file)

    assert (40_000, "blau\n") == (len(lines), lines[-1])


# -- one version --------------------------------------------------------------------------------


@pytest.mark.parametrize(("is_final", "error"), [(False, ObjectChanged), (True, ArtifactNotFound)])
def test_a_replaced_object_is_an_error(stores, session, tmp_path, request_kind, is_final, error):
    """Never a mix: an error that another try mends, unless this very version was asked for."""
    address, pin = put(stores, tmp_path)
    wanted = request(pin, artifact="Big()", is_final=is_final)
    file = session.stream(wanted).open()
    begun = file.read(1000)
    put(stores, tmp_path, CONTENT[::-1])
    file.seek(4 * MB)
    if request_kind == "s3 versioned":
        assert CONTENT[4 * MB :] == file.read()
        return

    with pytest.raises(error, match=r"Big\(\) at raw://big.bin") as raised:
        file.read(MB)

    assert CONTENT[:1000] == begun
    assert (not is_final) == raised.value.transient
    assert pin != address.store.stat("big.bin")


@pytest.fixture
def request_kind(request):
    return request.node.callspec.params["stores"]


def test_an_object_replaced_while_it_is_read_ahead(pool):
    """The reader hears of it where it comes to it, and again if it goes on."""
    store = LargeStore(100 * MB)
    file = raw(store, pool)
    file.read(2 * MB)
    store.error = ObjectChanged("changed", "", "raw://big")
    with pytest.raises(ObjectChanged):
        shutil.copyfileobj(file, io.BytesIO(), MB)
    with pytest.raises(ObjectChanged):
        file.read(MB)

    store.error = None
    assert MB == len(file.read(MB))


def test_a_range_is_tried_again(pool, monkeypatch):
    """Three times, for a store that does not answer and for one that answers in part."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    store = LargeStore(MB)
    store.error = StoreUnavailable("away", "", "raw://big")
    with pytest.raises(StoreUnavailable, match="away"):
        raw(store, pool).read(10)
    tried = len(store.asked)
    store.error, store.read = None, lambda *_: b"x"
    with pytest.raises(StoreUnavailable, match="incomplete"):
        raw(store, pool).read(10)

    assert 3 == tried


# -- ends ---------------------------------------------------------------------------------------


def stream_threads():
    return [one for one in threading.enumerate() if one.name.startswith("rootcellar-stream")]


def test_threads_end_with_the_session(folder_stores, cache, tmp_path):
    """All of them, also with files that nobody closed; what is read later is refused."""
    _, pin = put(folder_stores, tmp_path)
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        stream = session.stream(request(pin))
        file = stream.open()
        file.read(4 * MB)
        during = len(stream_threads())

    assert 0 < during <= 8
    assert [] == stream_threads()
    with pytest.raises(ValueError, match="closed file"):
        file.read(1)
    with pytest.raises(BindingError, match="after the run"):
        stream.open()


def read_until_closed(file):
    with contextlib.suppress(ValueError, BindingError):
        file.read(3 * MB)


def test_closing_waits_for_what_is_under_way(folder_stores, cache, tmp_path, monkeypatch):
    """A thread never outlives the session, and what was not begun is not asked for."""
    address, pin = put(folder_stores, tmp_path)
    held, began = threading.Event(), threading.Event()
    real = type(address.store).read

    def slow(*arguments):
        began.set()
        assert held.wait(30)
        return real(*arguments)

    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        file = session.stream(request(pin)).open_raw()
        file.read(MB)
        monkeypatch.setattr(type(address.store), "read", slow)
        reader = threading.Thread(target=read_until_closed, args=[file])
        reader.start()
        assert began.wait(30)
        threading.Timer(0.05, held.set).start()
    reader.join(30)

    assert [] == stream_threads()


class TimeIsUpError(Exception):
    pass


def test_a_limit_strikes_while_waiting(pool):
    """A signal's exception leaves a read that waits at once, and the file can be closed."""
    store = LargeStore(100 * MB)
    store.gate.clear()
    file = raw(store, pool)

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


def test_it_does_not_travel(session, stores, tmp_path):
    """Neither the stream nor its files can be pickled."""
    _, pin = put(stores, tmp_path)
    stream = session.stream(request(pin))

    for one in (stream, stream.open(), stream.open_raw()):
        with pytest.raises(TypeError):
            pickle.dumps(one)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_is_refused(folder_stores, cache, tmp_path):
    """Its threads are not the child's; the error says what to do, and the run goes on."""
    _, pin = put(folder_stores, tmp_path)
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        stream = session.stream(request(pin))
        file = stream.open_raw()
        child = os.fork()
        if child == 0:
            outcome = 1
            try:
                file.read(1)
            except BindingError:
                try:
                    stream.open()
                except BindingError:
                    outcome = 0
            os._exit(outcome)
        _, status = os.waitpid(child, 0)

        assert 0 == os.waitstatus_to_exitcode(status)
        assert CONTENT[:10] == file.read(10)


# -- what the host has, and folders -------------------------------------------------------------


def test_what_the_host_has_need_not_be_streamed(session, stores, cache, tmp_path):
    """By its digest, or by what the store's token is known to stand for."""
    address, pin = put(stores, tmp_path)
    before = session.on_host(request(pin))
    cached = cache.fetch(address, pin)

    assert not before
    assert session.on_host(request(pin, expected=cached.digest))
    assert session.on_host(request(pin))


def publish_folder(stores, cache, tmp_path, files):
    folder = tmp_path / "folder"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    root = "v-00000000-0000-7000-8000-000000000000"
    with StagingSession(stores, cache, run_uid="publisher") as session:
        output = Output(uri="raw://parts", path=folder, kind="folder", root=root)
        session.prepare_output(output)
        (published,) = session.publish()
    for entry in (cache.root / "cas").rglob("*"):
        if entry.is_file():
            entry.unlink()
    return published


def test_a_folder_by_its_manifest(stores, cache, tmp_path):
    """Only the members that are opened are asked for; those on the host are read there."""
    files = {"a/1.bin": b"1" * 70_000, "a/2.bin": b"2" * 70_000, "b.bin": b"3"}
    published = publish_folder(stores, cache, tmp_path, files)
    here = tmp_path / "here"
    here.write_bytes(files["b.bin"])
    cache.add(here, Digest.of(files["b.bin"]))
    wanted = request(published.pin, uri="raw://parts", kind="folder")
    with StagingSession(stores, cache, run_uid="run-1") as session:
        stream = session.stream(wanted)
        sizes, digest = stream.sizes(), stream.digest
        first, last = stream.open("a/1.bin").read(), stream.open("b.bin").read()
        again = stream.open("a/1.bin").read(1)
        with pytest.raises(ContentError, match="no member 'c'"):
            stream.open("c")
        with pytest.raises(ContentError, match="it is a folder"):
            stream.open()
        amount = stream.amount

    assert {name: len(content) for name, content in files.items()} == sizes
    assert published.digest == digest
    assert (files["a/1.bin"], files["b.bin"], b"1") == (first, last, again)
    assert (1, 1) == (amount.hits, amount.misses)
    assert 140_000 > amount.transferred_bytes - 70_000 >= 0


def test_a_member_that_was_written_over(stores, cache, tmp_path):
    """Another size than in the manifest is refused, and one that is gone is named."""
    published = publish_folder(stores, cache, tmp_path, {"a.bin": b"1" * 1000})
    key = "parts/v-00000000-0000-7000-8000-000000000000/a.bin"
    put(stores, tmp_path, b"short", uri=f"raw://{key}")
    wanted = request(published.pin, uri="raw://parts", kind="folder")
    with StagingSession(stores, cache, run_uid="run-1") as session:
        stream = session.stream(wanted)
        with pytest.raises(DigestMismatch, match="5 bytes, and 1000 in the manifest"):
            stream.open("a.bin")


def test_a_foreign_folder(stores, session, tmp_path):
    """Its listing is its pin: held to it as a whole, and member by member."""
    for name in ("1", "2"):
        put(stores, tmp_path, name.encode() * 100, uri=f"raw://parts/{name}")
    located = session.locate("raw://parts", "folder")
    stream = session.stream(request(located.pin, uri="raw://parts", kind="folder"))
    first = stream.open("1").read()
    put(stores, tmp_path, b"3" * 100, uri="raw://parts/2")

    assert (b"1" * 100, None) == (first, stream.digest)
    with pytest.raises(ObjectChanged):
        stream.open("2").read()
    with pytest.raises(ObjectChanged, match="the folder was replaced"):
        session.stream(request(located.pin, uri="raw://parts", kind="folder"))
