"""How long it takes until a stall is an error."""

from __future__ import annotations

import os
import socket
import time

import pytest

from rootcellar.staging.stores.wire import Endpoint, FileSlice, Request, Wire


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
