"""Protocols that fsspec does not know or cannot import."""

import sys
import threading
from contextlib import suppress

import pytest

from rootcellar.schemas.errors import StoreError, StoreMissing
from rootcellar.staging.stores import Stores


def test_unknown_protocol_is_a_missing_store():
    """A protocol that nobody has is an error of ours that names it and the way out."""
    store = Stores.from_mapping({"far": "nope://somewhere"}).named("far")

    with pytest.raises(StoreMissing, match=r"no protocol 'nope'.*settings"):
        store.stat("a.dat")


def test_protocol_without_its_package_says_what_to_install(monkeypatch):
    """A known protocol whose package is not there asks for the package."""
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    far = {"url": "gs://bucket/folder", "options": {"direct": False}}
    store = Stores.from_mapping({"far": far}).named("far")

    with pytest.raises(StoreError, match="install gcsfs"):
        store.stat("a.dat")


def test_threads_take_turns(memory_stores, monkeypatch):
    """Where the file system has no loop of its own, no two calls are under way at once."""
    store = memory_stores.named("raw")
    store.write_small("a", b"a")
    fs, together = store._fs, threading.Barrier(2)
    real, met = fs.info, []

    def info(path):
        with suppress(threading.BrokenBarrierError):
            together.wait(0.2)
            met.append(path)
        return real(path)

    monkeypatch.setattr(fs, "info", info)
    threads = [threading.Thread(target=store.stat, args=("a",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert [] == met
