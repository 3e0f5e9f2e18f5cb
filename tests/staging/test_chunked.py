"""Bodies that come in chunks, and what is none."""

from __future__ import annotations

import io

import pytest

from rootcellar.staging.stores.http.chunked import chunked
from rootcellar.staging.stores.http.head import BrokenAnswerError


class Received(io.BytesIO):
    """Bytes that came; a connection that is closed behind them."""

    def receive(self, most):
        return memoryview(self.read(min(most, 2)))

    def receive_line(self):
        line = self.readline()
        if not line.endswith(b"\r\n"):
            raise BrokenAnswerError("closed")
        return line[:-2]


def test_parts_come_without_what_is_between(tmp_path):
    """Sizes, extensions and trailers are no part of the body; nothing behind it is read."""
    received = Received(b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: t\r\n\r\nHTTP/1.1")

    assert b"hello" == b"".join(chunked(received))
    assert b"HTTP/1.1" == received.read()


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense\r\nhello",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"1_0\r\n",
        b"\r\n",
        b"3\r\nhello\r\n0\r\n\r\n",
        b"fffffff\r\nhello",
        b"0\r\n" + b"Trailer: t\r\n" * 1000,
    ],
)
def test_chunks_that_are_none_are_an_error(body):
    """Of the connection, and so worth another try."""
    with pytest.raises(BrokenAnswerError):
        list(chunked(Received(body)))
