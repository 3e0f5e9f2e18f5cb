"""Protocols that fsspec does not know or cannot import."""

import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rootcellar.schemas.errors import StoreError, StoreMissing, StoreUnavailable
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


@pytest.fixture
def web():
    """A web server that sends what it has in chunks, and so tells no sizes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"7\r\ncontent\r\n0\r\n\r\n")

        do_HEAD = do_GET  # noqa: N815 (http.server's name)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/data"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_of_no_told_size_is_not_an_empty_one(web):
    """It was staged as a file without content, and nobody was told."""
    store = Stores.from_mapping({"raw": web}).named("raw")

    with pytest.raises(StoreError, match="size"):
        store.stat("a")


def test_a_listing_misses_what_goes_meanwhile(memory_stores, monkeypatch):
    """Another run may remove a file between the listing and the look at it."""
    store = memory_stores.named("raw")
    for name in ("a", "b", "c"):
        store.write_small(f"d/{name}", b"x")
    fs = store._fs
    real = fs.info

    def info(path, **options):
        if path.endswith("/b"):
            raise FileNotFoundError(path)
        return real(path, **options)

    monkeypatch.setattr(fs, "info", info)

    assert ["d/a", "d/c"] == [one.key for one in store.list("d")]


def test_a_connection_that_breaks_in_a_listing_is_an_error_of_ours(memory_stores, monkeypatch):
    """Of the looks at the files too, which come after the listing itself."""
    store = memory_stores.named("raw")
    store.write_small("d/a", b"x")

    def broken(*_args, **_options):
        raise ConnectionResetError

    monkeypatch.setattr(store._fs, "info", broken)

    with pytest.raises(StoreUnavailable, match="raw://d"):
        list(store.list("d"))


def test_what_goes_as_it_is_removed_was_not_removed(memory_stores, monkeypatch):
    """Somebody else was first, and no trouble with the store."""
    store = memory_stores.named("raw")
    pin = store.write_small("a", b"x")

    def gone(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(store._fs, "rm_file", gone)

    assert not store.remove("a", pin)
