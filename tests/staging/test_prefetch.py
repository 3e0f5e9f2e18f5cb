"""Prefetcher: inputs come early, within bounds, and stop coming when nobody wants them."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.ref import Pin
from rootcellar.staging import prefetch
from rootcellar.staging.prefetch import Prefetcher, Upcoming

CONTENT = b"0123456789"


@pytest.fixture
def put(memory_stores, tmp_path):
    """Store bytes under a key, and return its URI."""

    def stored(key: str, content: bytes) -> str:
        source = tmp_path / "source"
        source.write_bytes(content)
        address = memory_stores.store_for(f"raw://{key}")
        address.store.upload(address.key, source).publish()
        return address.uri

    return stored


@pytest.fixture
def started(memory_stores, cache, request):
    """Make a prefetcher that ends with the test."""

    def make(**options: Any) -> Prefetcher:
        made = Prefetcher(memory_stores, cache, **{"room_bytes": 100, **options})
        request.addfinalizer(lambda: made.stop(10))
        return made

    return make


def has(cache, content: bytes) -> bool:
    return cache.find(Digest.of(content), len(content)) is not None


@pytest.mark.parametrize(
    "upcoming",
    [
        Upcoming("a", "raw://x", "file"),
        Upcoming("a", "raw://y", "folder", Pin(size_bytes=3, etag="e"), Digest.of(b""), 7),
    ],
)
def test_upcoming_travels(upcoming):
    """What a message carries is what was sent."""
    assert upcoming == Upcoming.from_json(upcoming.to_json())


def test_ref_and_key(started, put, cache, memory_stores, wait_until):
    """Both what a ref names and what only a key names come."""
    uris = [put("one", b"one"), put("two", b"two")]
    pin = memory_stores.named("raw").stat("two")
    prefetcher = started()
    prefetcher.add(Upcoming("a", uris[0], "file"))
    prefetcher.add(Upcoming("a", uris[1], "file", pin, Digest.of(b"two"), 3))
    wait_until(lambda: has(cache, b"one") and has(cache, b"two"))


def test_room_is_for_tasks_that_wait(started, put, cache, wait_until):
    """What does not fit beside the others comes once one of them has begun."""
    contents = [CONTENT, CONTENT[::-1]]
    uris = [put(str(number), content) for number, content in enumerate(contents)]
    prefetcher = started(room_bytes=15)
    for task, uri in zip("ab", uris, strict=True):
        prefetcher.add(Upcoming(task, uri, "file"))
    wait_until(lambda: any(has(cache, content) for content in contents))
    early = [has(cache, content) for content in contents]
    prefetcher.release(["a" if early[0] else "b"])
    wait_until(lambda: all(has(cache, content) for content in contents))

    assert 1 == sum(early)


@pytest.mark.parametrize("options", [{"room_bytes": 9}, {"floor_bytes": 1 << 62}])
def test_what_never_fits_is_left(started, put, cache, caplog, wait_until, options):
    """Too large an input, and any on a full disk, is given up."""
    caplog.set_level(logging.DEBUG, "rootcellar.prefetch")
    prefetcher = started(**options)
    prefetcher.add(Upcoming("a", put("large", CONTENT), "file"))
    wait_until(lambda: "prefetch of raw://large given up" in caplog.messages)

    assert not has(cache, CONTENT)


def test_folder_of_unknown_size_is_bounded(started, put, cache, caplog, wait_until):
    """Members of a folder that only a key names come until the room is full, and no further."""
    for name in "abc":
        put(f"folder/{name}", name.encode() * 6)
    caplog.set_level(logging.DEBUG, "rootcellar.prefetch")
    prefetcher = started(room_bytes=13)
    prefetcher.add(Upcoming("a", "raw://nothing", "folder"))
    prefetcher.add(Upcoming("b", "raw://folder", "folder"))
    wait_until(lambda: "prefetch of raw://folder given up" in caplog.messages)

    assert not has(cache, b"c" * 6)


def test_missing_and_broken_are_a_line_in_the_log(started, put, cache, caplog, wait_until):
    """What cannot be had is the run's to report; here it is one line, and the next input comes."""
    caplog.set_level(logging.DEBUG, "rootcellar.prefetch")
    prefetcher = started(shown=str.upper)
    prefetcher.add(Upcoming("a", "nowhere://x", "file"))
    prefetcher.add(Upcoming("a", "raw://nothing", "file"))
    prefetcher.add(Upcoming("a", put("there", CONTENT), "file"))
    wait_until(lambda: has(cache, CONTENT))
    prefetcher.stop(20)
    lines = caplog.messages

    assert 1 == sum("nowhere" in line for line in lines)
    assert any("THERE IS NO STORE" in line for line in lines)


def test_no_error_ends_the_threads(started, put, cache, caplog, wait_until, monkeypatch):
    """What a protocol's own library raises is a line too, however often."""
    caplog.set_level(logging.DEBUG, "rootcellar.prefetch")
    real = cache.fetch

    def fetch(address, *args, **options):
        if "bad" in address.uri:
            raise LookupError("with a path in it")
        return real(address, *args, **options)

    monkeypatch.setattr(cache, "fetch", fetch)
    prefetcher = started()
    for number in range(4):
        prefetcher.add(Upcoming("a", put(f"bad{number}", b"b"), "file"))
    prefetcher.add(Upcoming("a", put("there", CONTENT), "file"))
    wait_until(lambda: has(cache, CONTENT))

    assert 4 == sum("failed: LookupError" in line for line in caplog.messages)


def test_stop_ends_a_download(started, put, cache, memory_stores, monkeypatch, files_below):
    """A download under way is given up, and leaves nothing."""
    uri = put("large", CONTENT)
    store = memory_stores.named("raw")
    reading, going_on = threading.Event(), threading.Event()
    whole = store.stream

    def stream(*args: Any) -> Any:
        reading.set()
        assert going_on.wait(20)
        return whole(*args)

    monkeypatch.setattr(store, "stream", stream)
    prefetcher = started()
    prefetcher.add(Upcoming("a", uri, "file"))
    assert reading.wait(20)
    prefetcher.stop(0)
    going_on.set()
    prefetcher.stop(20)

    assert not has(cache, CONTENT)
    assert ["CACHEDIR.TAG", "v2/eviction", "v2/usage"] == sorted(files_below(cache.root.parent))


def test_what_will_be_linked_is_left(folder_stores, cache):
    """An input that the run links from its folder needs no copy in the cache."""
    folder_stores.named("raw").write_small("linked", b"linked")
    address = folder_stores.store_for("raw://linked")
    held = [prefetch.will_link(address, rule, cache.root) for rule in ("off", "always")]
    prefetcher = Prefetcher(folder_stores, cache, room_bytes=100, link_local="always")
    prefetcher.add(Upcoming("a", "raw://linked", "file"))
    prefetcher.stop(20)

    assert [False, True] == held
    assert not has(cache, b"linked")
