"""Protocols that fsspec does not know or cannot import."""

import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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
