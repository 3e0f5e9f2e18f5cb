"""Streams: an input larger than the disk is read where it lies, and never of two versions."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import sys
import threading
import traceback
from io import FileIO

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    ArtifactNotFound,
    BindingError,
    ContentError,
    DigestMismatch,
    ObjectChanged,
)
from rootcellar.staging import Cache, Output, StagingSession, StreamRequest
from rootcellar.staging.streams import streaming
from rootcellar.staging.streams.range_file import BLOCK_BYTES
from rootcellar.staging.streams.readers import Readers

MB = 1024 * 1024


CONTENT = random.Random(3).randbytes(5 * MB + 12345)


URI = "raw://big.bin"


def put(stores, tmp_path, content=CONTENT, uri=URI):
    address = stores.store_for(uri)
    source = tmp_path / "source"
    source.write_bytes(content)
    return address, address.store.upload(address.key, source).publish()


@pytest.fixture
def session(stores, cache):
    with StagingSession(stores, cache, run_uid="run-1") as session:
        yield session


def request(pin, **fields):
    return StreamRequest(**{"uri": URI, "kind": "file", "pin": pin, **fields})


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


@pytest.mark.parametrize(("is_final", "error"), [(False, ObjectChanged), (True, ArtifactNotFound)])
def test_a_replaced_object_is_an_error(stores, session, tmp_path, request_kind, is_final, error):
    """Never a mix: an error that another try mends, unless this very version was asked for."""
    address, pin = put(stores, tmp_path)
    wanted = request(pin, artifact="Big()", is_final=is_final)
    file = session.stream(wanted).open()
    begun = file.read(1000)
    put(stores, tmp_path, CONTENT[::-1])
    file.seek(4 * MB)
    if request_kind.endswith("versioned"):
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


def stream_threads():
    """Those that read ahead; `threading` does not know them."""
    bottoms = [list(traceback.walk_stack(frame))[-1][0] for frame in sys._current_frames().values()]
    return [one for one in bottoms if one.f_code is Readers._serve.__code__]


def test_threads_end_with_the_session(folder_stores, cache, tmp_path, wait_until):
    """All of them, also with files that nobody closed; what is read later is refused."""
    _, pin = put(folder_stores, tmp_path)
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        stream = session.stream(request(pin))
        file = stream.open()
        file.read(4 * MB)
        during = len(stream_threads())

    assert 0 < during <= 8
    wait_until(lambda: not stream_threads())
    with pytest.raises(ValueError, match="closed file"):
        file.read(1)
    with pytest.raises(BindingError, match="after the run"):
        stream.open()


def read_until_closed(file):
    with contextlib.suppress(ValueError, BindingError):
        file.read(3 * MB)


def test_closing_waits_for_what_is_under_way(folder_stores, cache, tmp_path, monkeypatch):
    """No reading outlives the session, and what was not begun is not asked for."""
    address, pin = put(folder_stores, tmp_path)
    held, began = threading.Event(), threading.Event()
    real, under_way = type(address.store).read, []

    def slow(*arguments):
        under_way.append(arguments)
        began.set()
        assert held.wait(30)
        content = real(*arguments)
        under_way.remove(arguments)
        return content

    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        file = session.stream(request(pin)).open_raw()
        file.read(MB)
        monkeypatch.setattr(type(address.store), "read", slow)
        reader = threading.Thread(target=read_until_closed, args=[file])
        reader.start()
        assert began.wait(30)
        threading.Timer(0.05, held.set).start()
    left = list(under_way)
    reader.join(30)

    assert [] == left


def test_a_file_that_is_opened_as_the_run_ends_is_closed(
    folder_stores, cache, tmp_path, monkeypatch
):
    """By a thread that the body left behind: whether from the host or from the store."""
    address, pin = put(folder_stores, tmp_path)
    digest = cache.fetch(address, pin).digest
    real = Cache.find
    opened = []

    def slow(found, *arguments):
        path = real(found, *arguments)
        session.close()
        return path

    monkeypatch.setattr(Cache, "find", slow)
    monkeypatch.setattr(
        streaming._HostFile,
        "__init__",
        lambda *one: (opened.append(one[0]), FileIO.__init__(*one))[1],
    )
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        stream = session.stream(request(pin, expected=digest))
        with pytest.raises(BindingError, match="after the run"):
            stream.open()

    assert [True] == [file.closed for file in opened]


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
        with stream.open("a/1.bin") as streamed, stream.open("b.bin") as local:
            first, last = streamed.read(), local.read()
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


def test_a_manifest_that_is_evicted_before_it_is_read(folder_stores, cache, tmp_path, monkeypatch):
    """It is fetched again, since nobody held it."""
    published = publish_folder(folder_stores, cache, tmp_path, {"a": b"1"})
    wanted = request(published.pin, uri="raw://parts", kind="folder")
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        fetched = []

        def fetch(*args, **options):
            fetched.append(cache.fetch(*args, **options))
            if len(fetched) == 1:
                fetched[0].path.unlink()
            return fetched[-1]

        monkeypatch.setattr(session._streams._cache, "fetch", fetch)
        content = session.stream(wanted).open("a").read()

    assert (b"1", 2) == (content, len(fetched))


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
