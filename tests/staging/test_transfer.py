"""Downloads: whole, of one version, or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    ArtifactNotFound,
    DigestMismatch,
    ObjectChanged,
    StoreUnavailable,
)
from rootcellar.schemas.ref import Pin
from rootcellar.staging import Address
from rootcellar.staging.stores import transfer
from rootcellar.staging.stores.transfer import digest_file, download

OLD = b"o" * 2500
NEW = b"n" * 2500
SHORTER = b"s" * 1200


@pytest.fixture(autouse=True)
def short_ranges(monkeypatch):
    monkeypatch.setattr(transfer, "RANGE_BYTES", 1000)
    monkeypatch.setattr(transfer, "_FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def target(tmp_path):
    (tmp_path / "target").mkdir()
    return tmp_path / "target" / "big.bin"


def put(address, content):
    return address.store.store.write_small(address.key, content)


class Counter:
    def __init__(self):
        self.total = 0

    def advance(self, size_bytes):
        self.total += size_bytes


@pytest.mark.parametrize("content", [b"", OLD], ids=["empty", "three ranges"])
def test_a_download_is_whole_and_read_only(meddled, target, files_below, content):
    """The target holds the object's bytes, may not be written, and nothing else stays."""
    pin = put(meddled, content)
    progress = Counter()

    done = download(meddled, target, pin=pin, expected=Digest.of(content), progress=progress)

    assert content == target.read_bytes()
    assert (Digest.of(content), len(content), pin) == (done.digest, done.size_bytes, done.pin)
    assert stat.S_IMODE(target.stat().st_mode) == 0o444
    assert files_below(target.parent) == ["big.bin"]
    assert len(content) == progress.total


@pytest.mark.parametrize("new", [NEW, SHORTER], ids=["same size", "shorter"])
def test_an_object_replaced_between_ranges_is_never_mixed(meddled, target, new):
    """The bytes are all of the old version or all of the new one, and the pin says which."""
    pin = put(meddled, OLD)
    meddled.store.before_read = lambda number: number == 1 and put(meddled, new)
    progress = Counter()

    done = download(meddled, target, pin=pin, progress=progress)

    content = target.read_bytes()
    assert content == (OLD if pin.version_id else new)
    assert Digest.of(content) == done.digest
    assert (done.pin == pin) == bool(pin.version_id)
    assert len(content) == progress.total


def test_an_object_that_never_stands_still_is_given_up(meddled, target, files_below):
    """After three restarts the download ends with nothing left; a kept version needs none."""
    pin = put(meddled, OLD)
    meddled.store.before_read = lambda number: put(meddled, OLD + b"%d" % number)

    if pin.version_id:
        download(meddled, target, pin=pin)
        assert target.read_bytes() == OLD
    else:
        with pytest.raises(ObjectChanged, match="4 times"):
            download(meddled, target, pin=pin)
        assert files_below(target.parent) == []


@pytest.mark.parametrize("new", [NEW, SHORTER], ids=["same size", "shorter"])
def test_a_version_that_was_replaced_is_not_taken_for_the_expected(meddled, target, new):
    """With an expected digest, other bytes are an error that says that it was replaced."""
    pin = put(meddled, OLD)
    put(meddled, new)

    if pin.version_id:
        download(meddled, target, pin=pin, expected=Digest.of(OLD))
        assert target.read_bytes() == OLD
    else:
        with pytest.raises(ArtifactNotFound, match="replaced since"):
            download(meddled, target, pin=pin, expected=Digest.of(OLD))
        assert not target.exists()


def test_the_same_bytes_written_again_serve(meddled, target):
    """An object that was replaced by equal bytes still holds what was expected."""
    pin = put(meddled, OLD)
    put(meddled, OLD)

    download(meddled, target, pin=pin, expected=Digest.of(OLD))

    assert target.read_bytes() == OLD


def test_wrong_bytes_are_refused(meddled, target, files_below):
    """Stored bytes that are not the promised ones end in DigestMismatch and leave nothing."""
    pin = put(meddled, NEW)

    with pytest.raises(DigestMismatch, match="raw://big"):
        download(meddled, target, pin=pin, expected=Digest.of(OLD))

    assert files_below(target.parent) == []


def test_a_flipped_byte_on_the_way_is_refused(meddled, target, files_below):
    """Bytes that were damaged in transit never reach the target."""
    pin = put(meddled, OLD)
    meddled.store.alter = lambda content: b"x" + content[1:]

    with pytest.raises(DigestMismatch):
        download(meddled, target, pin=pin, expected=Digest.of(OLD))

    assert files_below(target.parent) == []


def test_a_short_range_is_read_on(meddled, target):
    """A cut connection costs another try for the rest of the range, not the download."""
    pin = put(meddled, OLD)
    meddled.store.alter = lambda content: content[: 10 if len(meddled.store.reads) == 2 else None]

    download(meddled, target, pin=pin)

    assert target.read_bytes() == OLD
    assert meddled.store.reads == [(0, 1000), (1000, 2000), (1010, 2000), (2000, 2500)]


def test_ranges_that_stay_short_are_an_error(meddled, target, files_below):
    """What never comes whole is unavailable, and leaves nothing."""
    pin = put(meddled, OLD)
    meddled.store.alter = lambda content: content[:10]

    with pytest.raises(StoreUnavailable, match="incomplete 3 times"):
        download(meddled, target, pin=pin)

    assert files_below(target.parent) == []


def test_a_deleted_object_is_not_found(folder_stores, target, tmp_path):
    """What was deleted before it was read is said to be."""
    address = folder_stores.store_for("raw://a")
    pin = address.store.write_small("a", OLD)
    (tmp_path / "store" / "a").unlink()

    with pytest.raises(ArtifactNotFound, match="deleted"):
        download(address, target, pin=pin)


def test_an_interrupt_leaves_nothing(meddled, target, files_below):
    """Not even an exception that is no Exception leaves a file behind."""
    pin = put(meddled, OLD)

    def interrupt(number):
        if number == 1:
            raise KeyboardInterrupt

    meddled.store.before_read = interrupt

    with pytest.raises(KeyboardInterrupt):
        download(meddled, target, pin=pin)

    assert files_below(target.parent) == []


def test_an_existing_target_is_replaced_whole(meddled, target):
    """Until the rename the old file stands."""
    target.write_bytes(b"before")
    pin = put(meddled, OLD)
    seen = []
    meddled.store.before_read = lambda _: seen.append(target.read_bytes())

    download(meddled, target, pin=pin)

    assert {b"before"} == set(seen)
    assert target.read_bytes() == OLD


def test_a_file_has_its_digest(tmp_path):
    """`digest_file` is the digest of the file's bytes."""
    (tmp_path / "a").write_bytes(OLD)

    assert Digest.of(OLD) == digest_file(tmp_path / "a")


def test_a_pin_of_the_wrong_size_gives_no_file(folder_stores, target):
    """A pin that never was is answered with what is there, pinned anew."""
    address = folder_stores.store_for("raw://a")
    address.store.write_small("a", OLD)

    done = download(address, target, pin=Pin(size_bytes=10**6, etag="never"))

    assert target.read_bytes() == OLD
    assert done.pin == address.store.stat("a")
    assert [target] == list(target.parent.iterdir())


def test_a_soft_limit_ends_all_ranges_before_it_leaves(s3_stores, target, files_below, alarm):
    """No thread goes on writing, and nothing is left."""
    store = s3_stores.named("raw")
    pin = store.write_small("a", OLD * 20)
    threads, begun, meddled = set(), threading.Event(), Waiting(store)
    meddled.on_read = lambda: (threads.add(threading.get_ident()), begun.set())

    alarm.when(begun)
    with pytest.raises(alarm.error):
        download(Address(meddled, "a"), target, pin=pin)

    assert 0 == meddled.under_way
    assert 4 == len(threads)
    assert files_below(target.parent) == []


def test_nothing_is_written_behind_a_range(meddled, target, monkeypatch):
    """A store that answers with more than it was asked for writes over no other range."""
    pin = put(meddled, OLD)
    meddled.store.alter = lambda content: content + b"!" * 700
    ends, write = [], transfer._write
    monkeypatch.setattr(
        transfer,
        "_write",
        lambda file, chunk, at: (ends.append(at + len(chunk)), write(file, chunk, at)),
    )

    with pytest.raises(ObjectChanged):
        download(meddled, target, pin=pin)

    assert [] == ends
    assert not target.exists()


class Trickling:
    """A store whose ranges end only when what came before was told."""

    parallel, algorithm, place = 2, "sha256", ""

    def __init__(self, store):
        self.uri = store.uri
        self.half = threading.Event()
        self.total, self.tellers, self.told = 0, set(), []
        self._store = store

    def stream(self, key, pin, start, end):
        middle = (start + end) // 2
        yield from self._store.stream(key, pin, start, middle)
        self.told.append(self.half.wait(5))
        yield from self._store.stream(key, pin, middle, end)

    def advance(self, size_bytes):
        self.total += size_bytes
        self.tellers.add(threading.get_ident())
        if self.total:
            self.half.set()


@pytest.mark.parametrize("size", [900, 3000], ids=["one range", "several"])
def test_progress_hears_of_what_has_come(folder_stores, target, monkeypatch, size):
    """Not only of whole ranges, of which a slow line has none for long; in the caller's thread."""
    monkeypatch.setattr(transfer, "CHUNK_BYTES", 100)
    monkeypatch.setattr(transfer, "_TELL_SECONDS", 0.0)
    store = folder_stores.named("raw")
    pin = store.write_small("a", os.urandom(size))
    trickling = Trickling(store)

    download(Address(trickling, "a"), target, pin=pin, progress=trickling)

    assert all(trickling.told)
    assert (size, {threading.get_ident()}) == (trickling.total, trickling.tellers)


class Waiting:
    """A store whose ranges never end but by being cut off."""

    parallel, algorithm, place = 4, "sha256", ""

    def __init__(self, store):
        self.uri = store.uri
        self.under_way = 0
        self._lock = threading.Lock()
        self._together = threading.Barrier(self.parallel)

    def stream(self, key, pin, start, end):
        with self._lock:
            self.under_way += 1
        try:
            yield b"x"
            self._together.wait(20)
            self.on_read()
            while True:
                yield b"" * 0
        finally:
            with self._lock:
                self.under_way -= 1


@pytest.mark.parametrize("parallel", [1, 3, 8])
def test_ranges_side_by_side_make_one_file(s3_stores, target, parallel):
    """In whatever order they come, the bytes are in theirs, and so is the digest."""
    content = os.urandom(50_500)
    store = s3_stores.named("raw")
    pin = store.write_small("a", content)
    address = Address(Meddling(store, parallel), "a")

    done = download(address, target, pin=pin)

    assert content == target.read_bytes()
    assert Digest.of(content) == done.digest


class Meddling:
    def __init__(self, store, parallel):
        self.uri, self.stat, self.stream = store.uri, store.stat, store.stream
        self.algorithm = store.algorithm
        self.place = store.place
        self.parallel = parallel


def test_a_size_and_a_digest_are_pin_enough(meddled, target):
    """Who knows what the bytes must be needs no request for the state of a small object."""
    put(meddled, OLD[:900])
    meddled.store.stat = lambda _: pytest.fail("asked")

    download(meddled, target, pin=Pin(size_bytes=900), expected=Digest.of(OLD[:900]))

    assert OLD[:900] == target.read_bytes()


def test_a_size_alone_is_made_a_pin_first(meddled, target):
    """Ranges of one file must be of one state."""
    pin = put(meddled, OLD)

    done = download(meddled, target, pin=Pin(size_bytes=len(OLD)))

    assert OLD == target.read_bytes()
    assert pin.etag == done.pin.etag


def test_a_digest_may_be_blake3(meddled, target):
    """As the store asks for, or as expected."""
    blake3 = pytest.importorskip("blake3")
    pin = put(meddled, OLD)
    expected = Digest(f"blake3:{blake3.blake3(OLD).hexdigest()}")

    assert expected == download(meddled, target, pin=pin, expected=expected).digest
    meddled.store.algorithm = "blake3"
    assert expected == download(meddled, target, pin=pin).digest
    assert expected == digest_file(target, "blake3")


def test_a_full_disk_says_so_first(meddled, target, files_below, monkeypatch):
    """No byte is asked for that there is no space for."""
    pin = put(meddled, OLD)
    full = OSError(errno.ENOSPC, "full")

    def refuse(*_):
        raise full

    monkeypatch.setattr(transfer, "preallocate", refuse)

    with pytest.raises(OSError, match="full") as raised:
        download(meddled, target, pin=pin)

    assert raised.value is full
    assert [] == meddled.store.reads
    assert files_below(target.parent) == []
