"""HTTP/1.1 to one host, for bodies that are large and many: few calls and few copies per byte.

A body is received into one reused buffer, and sent from the file by the kernel where the way is not
encrypted. What is not here is not needed by what is asked of an object store: redirects, cookies,
proxies, compression.
"""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.staging.pipeline import cut_off_by
from rootcellar.staging.stores.endpoint import Endpoint, let_wait, opened
from rootcellar.staging.stores.http_head import BrokenAnswerError, encoded_head, parsed_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rootcellar.staging.stores.http_head import Head

__all__ = ["BrokenAnswerError", "Endpoint", "FileSlice", "Request", "Response", "Wire"]

_HEAD_BYTES = 64 * 1024
_BODY_BUFFER_BYTES = 1024 * 1024
_SEND_BYTES = 2 * 1024 * 1024
_IDLE_CONNECTIONS = 32
_LEAST_BYTES_PER_TIMEOUT = 64 * 1024
_CONTINUE = 100
_NO_CONTENT = {204, 304}


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Bytes of an open file as the body of a request."""

    file: int
    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `target` is encoded, and `headers` hold all but the length."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | FileSlice = b""


class Wire:
    """The connections to an endpoint: of one process, for many threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._idle: list[_Connection] = []

    def __del__(self) -> None:
        # Before a collector of cycles comes to the sockets, of which it would warn.
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def exchange(self, request: Request) -> Iterator[Response]:
        """Send a request and give its answer, whose body may be read while inside.

        Leaving before the body's end closes the connection. Nothing is tried again.

        Raises:
            OSError: The connection failed: refused, lost, timed out, or cut off from outside.
        """
        connection = self._take()
        while True:
            with cut_off_by(connection.cut):
                try:
                    response = connection.exchange(request)
                except (BrokenAnswerError, BrokenPipeError, ConnectionResetError):
                    connection.close()
                    if not connection.was_idle or connection.has_answered:
                        raise
                    # The other side closed it when it was idle, and has not seen the request.
                    connection = _Connection(self.endpoint)
                    continue
                except BaseException:
                    connection.close()
                    raise
                try:
                    yield response
                    break
                except BaseException:
                    connection.close()
                    raise
        if response.is_done and response.keeps_connection:
            self._put_back(connection)
        else:
            connection.close()

    def idle_socket(self) -> socket.socket | None:
        """Return the socket of an open connection that nobody uses, or None."""
        connection = self._idle_connection()
        return None if connection is None else connection.release()

    def new_socket(self) -> socket.socket:
        """Return the socket of a new connection.

        Raises:
            OSError: There is none to be had.
        """
        return opened(self.endpoint)

    def keep(self, connected: socket.socket) -> None:
        """Take a socket on which nothing is under way, such as `idle_socket` gave."""
        self._put_back(_Connection(self.endpoint, connected))

    def _take(self) -> _Connection:
        return self._idle_connection() or _Connection(self.endpoint)

    def _idle_connection(self) -> _Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_quiet:
                connection.was_idle, connection.has_answered = True, False
                return connection
            connection.close()

    def _put_back(self, connection: _Connection) -> None:
        if len(self._idle) < _IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()


class Response:
    """The answer to a request.

    Attributes:
        headers: By their names in small letters.
    """

    def __init__(self, connection: _Connection, method: str) -> None:
        self._connection = connection
        self.status = _CONTINUE
        while self.status == _CONTINUE:
            self._head = connection.receive_head()
            self.status, self.headers = self._head.status, self._head.headers
        self._chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        length = self.headers.get("content-length")
        if method == "HEAD" or self.status in _NO_CONTENT:
            self._left, self._chunked = 0, False
        elif self._chunked or length is None:
            self._left = -1
        elif length.isdecimal():
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
        if self._left < 0:
            yield memoryview(self.content())
            return
        while self._left:
            chunk = self._connection.receive(self._left)
            if not chunk:
                raise BrokenAnswerError("the connection was closed within the answer")
            self._left -= len(chunk)
            self._watch(len(chunk))
            yield chunk

    def content(self) -> bytes:
        """Return the whole body; for small ones.

        Raises:
            BrokenAnswerError: It ended early.
        """
        if self._left >= 0:
            return b"".join(bytes(chunk) for chunk in self.chunks())
        content = self._chunked_content() if self._chunked else self._connection.receive_rest()
        self._left = 0
        return content

    def _chunked_content(self) -> bytes:
        parts = []
        while True:
            size = int(self._connection.receive_line().partition(b";")[0], 16)
            if size == 0:
                break
            parts.append(self._connection.receive_exactly(size))
            self._connection.receive_line()
        while self._connection.receive_line():
            pass
        return b"".join(parts)

    def _watch(self, size_bytes: int) -> None:
        now = time.monotonic()
        self._window_bytes += size_bytes
        if now < self._window_end:
            return
        if self._window_end and self._window_bytes < _LEAST_BYTES_PER_TIMEOUT:
            raise TimeoutError("the answer comes too slowly")
        self._window_end = now + self._connection.timeout_seconds
        self._window_bytes = 0


class _Connection:
    def __init__(self, endpoint: Endpoint, connected: socket.socket | None = None) -> None:
        self.timeout_seconds = endpoint.timeout_seconds
        self._encrypted = endpoint.tls is not None
        self._socket = connected or opened(endpoint)
        let_wait(self._socket, endpoint)
        self._buffer = bytearray(_HEAD_BYTES)
        # What was received and not asked for yet.
        self._start = self._end = 0
        self.was_idle = self.has_answered = False
        self._body: memoryview | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether an idle connection is still open, as far as one can see."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def cut(self) -> None:
        """End what another thread does with it."""
        # Not SSLSocket's, which changes what the other thread works with. It may be closed already.
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()

    def release(self) -> socket.socket:
        """Give the socket away; nothing else works from then on."""
        given = self._socket
        del self._socket
        return given

    def __del__(self) -> None:
        # Idle ones go with the store that they belong to.
        if hasattr(self, "_socket"):
            self._socket.close()

    def exchange(self, request: Request) -> Response:
        try:
            self._send(request)
        except (BrokenPipeError, ConnectionResetError):
            # Who refuses a body answers and closes before all of it was sent.
            with suppress(OSError):
                return Response(self, request.method)
            raise
        return Response(self, request.method)

    def _send(self, request: Request) -> None:
        body = request.body
        length = len(body) if isinstance(body, bytes) else body.size_bytes
        head = encoded_head(request.method, request.target, request.headers, length)
        with _timeouts():
            if isinstance(body, bytes):
                self._socket.sendall(head + body)
            else:
                self._socket.sendall(head)
                self._send_file(body)

    def _send_file(self, body: FileSlice) -> None:
        offset, end = body.start, body.start + body.size_bytes
        while offset < end:
            count = min(_SEND_BYTES, end - offset)
            if self._encrypted:
                view = self._view()[: end - offset]
                count = os.preadv(body.file, [view], offset)
                self._socket.sendall(view[:count])
            else:
                count = os.sendfile(self._socket.fileno(), body.file, offset, count)
            if not count:
                raise BrokenAnswerError("the local file became shorter")
            offset += count

    def receive_head(self) -> Head:
        while (end := self._buffer.find(b"\r\n\r\n", self._start, self._end)) < 0:
            self._fill()
        head = parsed_head(self._buffer[self._start : end])
        self._start = end + 4
        return head

    def receive(self, most: int) -> memoryview:
        """Return some bytes, at most these many; none at the end of the connection."""
        if self._start < self._end:
            start = self._start
            self._start = min(self._end, start + most)
            return memoryview(self._buffer)[start : self._start]
        view = self._view()
        # Whole buffers, so that few calls are made; the kernel gives what it has after the timeout.
        flags = 0 if self._encrypted else socket.MSG_WAITALL
        with _timeouts():
            return view[: self._socket.recv_into(view, min(most, len(view)), flags)]

    def receive_exactly(self, size_bytes: int) -> bytes:
        parts, left = [], size_bytes
        while left:
            chunk = bytes(self.receive(left))
            if not chunk:
                raise BrokenAnswerError("the connection was closed within the answer")
            parts.append(chunk)
            left -= len(chunk)
        return b"".join(parts)

    def receive_line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", self._start, self._end)) < 0:
            self._fill()
        line = bytes(self._buffer[self._start : end])
        self._start = end + 2
        return line

    def receive_rest(self) -> bytes:
        parts = []
        while chunk := bytes(self.receive(_BODY_BUFFER_BYTES)):
            parts.append(chunk)
        return b"".join(parts)

    def _fill(self) -> None:
        if self._start:
            rest = self._buffer[self._start : self._end]
            self._buffer[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        if self._end == len(self._buffer):
            raise BrokenAnswerError("the head of the answer is too long")
        with _timeouts(), memoryview(self._buffer)[self._end :] as view:
            count = self._socket.recv_into(view)
        if not count:
            raise BrokenAnswerError("the connection was closed before the answer")
        self._end += count
        self.has_answered = True

    def _view(self) -> memoryview:
        if self._body is None:
            self._body = memoryview(bytearray(_BODY_BUFFER_BYTES))
        return self._body


@contextmanager
def _timeouts() -> Iterator[None]:
    try:
        yield
    except BlockingIOError as error:
        raise TimeoutError("nothing came or went in time") from error
