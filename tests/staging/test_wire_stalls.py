"""How long it takes until a stall, or an answer without end, is an error."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from rootcellar.staging.stores.http import response as response_module
from rootcellar.staging.stores.http.wire import (
    BrokenAnswerError,
    Endpoint,
    FileSlice,
    Request,
    Wire,
)


@pytest.mark.parametrize("body", [b"x" * 16_000_000, "a file"], ids=["bytes", "a file"])
def test_an_upload_that_stalls_is_given_up_soon(tmp_path, body):
    """Nobody takes the bytes: an error after twice the timeout, however often the kernel waits."""
    path = tmp_path / "big"
    path.touch()
    os.truncate(path, 16_000_000)
    with socket.create_server(("127.0.0.1", 0)) as server, path.open("rb") as file:
        wire = Wire(Endpoint("127.0.0.1", server.getsockname()[1], timeout_seconds=1.0))
        sent = FileSlice(file.fileno(), 0, 16_000_000) if body == "a file" else body
        started = time.monotonic()
        with pytest.raises(TimeoutError), wire.exchange(Request("PUT", "/", {}, sent)):
            pass

    assert 2.5 > time.monotonic() - started


@pytest.mark.parametrize("body", ["bytes", "a file", "a file that is hashed"])
def test_an_upload_that_trickles_is_given_up(tmp_path, body):
    """Somebody takes a little now and then: as for downloads, 64 KiB in a timeout are the least."""
    path = tmp_path / "big"
    path.touch()
    os.truncate(path, 16_000_000)
    over = threading.Event()
    taken = []

    def take(server):
        connection, _ = server.accept()
        with connection:
            while not over.wait(0.02) and (count := len(connection.recv(500))):
                taken.append(count)

    with socket.create_server(("127.0.0.1", 0)) as server, path.open("rb") as file:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        thread = threading.Thread(target=take, args=(server,))
        thread.start()
        wire = Wire(Endpoint("127.0.0.1", server.getsockname()[1], timeout_seconds=1.0))
        seen = None if body == "a file" else lambda at, view: None
        sent = b"x" * 16_000_000
        if body != "bytes":
            sent = FileSlice(file.fileno(), 0, 16_000_000, seen)
        try:
            with pytest.raises(TimeoutError), wire.exchange(Request("PUT", "/", {}, sent)):
                pass
        finally:
            over.set()
            thread.join()

    # Three seconds, told by whom the same pauses of the machine stop.
    assert 3.0 / 0.02 > len(taken)


def test_an_answer_without_end_is_not_held_in_memory(monkeypatch):
    """What asks for the whole of it gets an error."""
    monkeypatch.setattr(response_module, "_CONTENT_BYTES", 1000)

    def answer(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(head + b"400\r\n" + bytes(1024) + b"\r\n0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        wire = Wire(Endpoint("127.0.0.1", server.getsockname()[1]))
        with pytest.raises(BrokenAnswerError), wire.exchange(Request("GET", "/", {})) as response:
            response.content()
        thread.join()
