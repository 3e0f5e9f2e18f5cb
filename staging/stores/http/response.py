"""The answer to a request: its time is bounded, and where it is held in memory its size."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from rootcellar.staging.stores.http.chunked import Receives, chunked
from rootcellar.staging.stores.http.head import LENGTH, BrokenAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootcellar.staging.stores.http.head import Head

__all__ = ["BODY_BUFFER_BYTES", "LEAST_BYTES_PER_TIMEOUT", "Response"]

BODY_BUFFER_BYTES = 1024 * 1024
LEAST_BYTES_PER_TIMEOUT = 64 * 1024
_INTERIM, _FINAL = 100, 200
_NO_CONTENT = {204, 304}
_MOST_INTERIM = 16
_CONTENT_BYTES = 64 * 1024 * 1024
"""Of a body that is held in memory, at most."""

_CONTENT_TIMEOUTS = 20
"""In which such a body must be here. S3 sends blanks for minutes while it joins an object."""


class Received(Receives, Protocol):
    """What a response needs of its connection."""

    timeout_seconds: float

    def receive_head(self) -> Head:
        """Return the next head."""


class Response:
    """The answer to a request.

    Attributes:
        headers: By their names in small letters.
    """

    def __init__(self, connection: Received, method: str) -> None:
        self._connection = connection
        for _ in range(_MOST_INTERIM):
            self._head = connection.receive_head()
            self.status, self.headers = self._head.status, self._head.headers
            if not _INTERIM <= self.status < _FINAL:
                break
        else:
            raise BrokenAnswerError("the answer does not come to the point")
        self._chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        length = self.headers.get("content-length")
        if method == "HEAD" or self.status in _NO_CONTENT:
            self._left, self._chunked = 0, False
        elif self._chunked or length is None:
            self._left = -1
        elif LENGTH.fullmatch(length):
            self._left = int(length)
        else:
            raise BrokenAnswerError("the answer is not HTTP")
        self._window_end, self._window_bytes = 0.0, 0

    @property
    def is_done(self) -> bool:
        """Whether the body was read to its end."""
        return self._left == 0

    @property
    def keeps_connection(self) -> bool:
        """Whether the other side takes further requests."""
        return not self._head.is_last and (
            self._chunked or "content-length" in self.headers or self.status in _NO_CONTENT
        )

    def chunks(self) -> Iterator[memoryview]:
        """Yield the body in chunks of at most 1 MiB, each valid until the next is asked for.

        Raises:
            BrokenAnswerError: It ended early.
            TimeoutError: It came too slowly.
        """
        for chunk in self._pieces():
            self._watch(len(chunk))
            yield chunk

    def content(self) -> bytes:
        """Return the whole body; for small ones.

        Raises:
            BrokenAnswerError: It ended early, or is no small one.
            TimeoutError: It came too slowly.
        """
        end = time.monotonic() + _CONTENT_TIMEOUTS * self._connection.timeout_seconds
        parts, size_bytes = [], 0
        for chunk in self.chunks() if self._left >= 0 else self._pieces():
            parts.append(bytes(chunk))
            size_bytes += len(chunk)
            if size_bytes > _CONTENT_BYTES:
                raise BrokenAnswerError("the answer is too long")
            if time.monotonic() > end:
                raise TimeoutError("the answer comes too slowly")
        return b"".join(parts)

    def _pieces(self) -> Iterator[memoryview]:
        if self._left >= 0:
            while self._left:
                chunk = self._connection.receive(self._left)
                if not chunk:
                    raise BrokenAnswerError("the connection was closed within the answer")
                self._left -= len(chunk)
                yield chunk
            return
        if self._chunked:
            yield from chunked(self._connection)
        else:
            while chunk := self._connection.receive(BODY_BUFFER_BYTES):
                yield chunk
        self._left = 0

    def _watch(self, size_bytes: int) -> None:
        now = time.monotonic()
        self._window_bytes += size_bytes
        if now < self._window_end:
            return
        if self._window_end and self._window_bytes < LEAST_BYTES_PER_TIMEOUT:
            raise TimeoutError("the answer comes too slowly")
        self._window_end = now + self._connection.timeout_seconds
        self._window_bytes = 0
