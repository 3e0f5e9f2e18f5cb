"""Streams from a server that has gone silent: the run's end does not wait for it."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from rootcellar.schemas.ref import Pin
from rootcellar.staging import StagingSession, Stores, StreamRequest

SIZE = 50_000_000
READ_TIMEOUT = 5


class SilentServer:
    """Takes connections and never says a word; the system does the taking."""

    def __init__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connections = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    @property
    def port(self):
        return self._listening.getsockname()[1]

    @property
    def count(self):
        return len(self._connections)

    def wait_for(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, 10)

    def _take(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with self._changed:
                self._connections.append(connection)
                self._changed.notify_all()

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)
        for connection in self._connections:
            connection.close()


@pytest.fixture
def server():
    made = SilentServer()
    yield made
    made.close()


@pytest.fixture
def silent_stores(server):
    options = {
        "key": "k",
        "secret": "s",
        "endpoint_url": f"http://127.0.0.1:{server.port}",
        "client_kwargs": {"region_name": "us-east-1"},
        "config_kwargs": {"read_timeout": READ_TIMEOUT},
    }
    return Stores.from_mapping({"raw": {"url": "s3://b/root", "options": options}})


REQUEST = StreamRequest(uri="raw://a", kind="file", pin=Pin(size_bytes=SIZE, etag="e"))


def test_a_soft_limit_does_not_wait_for_what_is_read_ahead(server, silent_stores, cache, alarm):
    """The requests under way are cut off, and nothing more is asked of the server."""
    begun = threading.Event()
    with StagingSession(silent_stores, cache, run_uid="run-1") as session:
        file = session.stream(REQUEST).open()
        threading.Thread(target=lambda: (server.wait_for(4), begun.set())).start()
        alarm.when(begun)
        with pytest.raises(alarm.error):
            file.read()
        before, started = server.count, time.monotonic()

    assert 1.0 > time.monotonic() - started
    assert before == server.count
    assert [] == [t for t in threading.enumerate() if t.name.startswith("rootcellar-stream")]


def test_closing_takes_no_longer_than_a_moment(server, silent_stores, cache):
    """Also a thread of the body, or of a library, that reads past the run's end is cut off."""
    told = []

    def read(file):
        with pytest.raises(ValueError, match="closed file") as raised:
            file.read(1000)
        told.append(raised.value)

    with StagingSession(silent_stores, cache, run_uid="run-1") as session:
        stream = session.stream(REQUEST)
        files = [stream.open_raw(reads_ahead=False) for _ in range(2)]
        readers = [threading.Thread(target=read, args=[file]) for file in files]
        for reader in readers:
            reader.start()
        server.wait_for(2)
        started = time.monotonic()
    took, before = time.monotonic() - started, server.count
    for reader in readers:
        reader.join(READ_TIMEOUT)

    assert 1.0 > took
    assert (2, before) == (len(told), server.count)
