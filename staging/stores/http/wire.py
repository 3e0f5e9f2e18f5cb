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

from rootcellar.staging.engine.pipeline import check_stopped, cut_off_by
from rootcellar.staging.stores.http.endpoint import Endpoint, let_wait, opened, send_look_seconds
from rootcellar.staging.stores.http.head import BrokenAnswerError, encoded_head, parsed_head
from rootcellar.staging.stores.http.response import (
    BODY_BUFFER_BYTES,
    LEAST_BYTES_PER_TIMEOUT,
    Response,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rootcellar.staging.stores.http.head import Head

__all__ = ["BrokenAnswerError", "Endpoint", "FileSlice", "Request", "Response", "Wire"]

_HEAD_BYTES = 64 * 1024
_SEND_BYTES = 2 * 1024 * 1024
_IDLE_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Bytes of an open file as the body of a request.

    `seen` is given each piece as it is sent, behind its place: 0 again where all is sent again.
    """

    file: int
    start: int
    size_bytes: int
    seen: Callable[[int, memoryview], None] | None = None


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
                    check_stopped()
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
        check_stopped()
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
        if self._start < self._end:
            return False  # more came than was told: it would pass for the next answer
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
            view = memoryview(head + body if isinstance(body, bytes) else head)
            self._send_all(len(view), lambda at: self._socket.send(view[at : at + _SEND_BYTES]))
            if not isinstance(body, bytes):
                self._send_file(body)

    def _send_file(self, body: FileSlice) -> None:
        if not self._encrypted and body.seen is None:
            self._send_by_kernel(body)
            return

        def send(at: int) -> int:
            view = self._view()[: body.size_bytes - at]
            count = self._send_some(view[: os.preadv(body.file, [view], body.start + at)])
            if body.seen is not None:
                body.seen(at, view[:count])
            return _some(count)

        self._send_all(body.size_bytes, send)

    def _send_by_kernel(self, body: FileSlice) -> None:
        # One call that waits would wait anew for each few pages, many times the timeout in all.
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)

        def send(at: int) -> int:
            # Then tried in any case: that there is room is told only when a third is free.
            poll.poll(send_look_seconds(self.timeout_seconds) * 1000)
            count = min(_SEND_BYTES, body.size_bytes - at)
            return _some(os.sendfile(self._socket.fileno(), body.file, body.start + at, count))

        self._socket.settimeout(0)
        try:
            self._send_all(body.size_bytes, send)
        finally:
            self._socket.settimeout(None)

    def _send_some(self, view: memoryview) -> int:
        if not self._encrypted:
            return self._socket.send(view)
        # All of it: only a record goes at once, and what was read would be read again for each.
        self._send_all(len(view), lambda at: self._socket.send(view[at:]))
        return len(view)

    def _send_all(self, size_bytes: int, send: Callable[[int], int]) -> None:
        """Send by calls that send some; nothing may go for as long as the timeout, no longer.

        Nor may less than the least for a body, as long as there is more.
        """
        sent = before = 0
        went = time.monotonic()
        end = went + self.timeout_seconds
        while sent < size_bytes:
            try:
                sent += send(sent)
            except BlockingIOError:
                if time.monotonic() - went >= self.timeout_seconds:
                    raise
                continue
            went = time.monotonic()
            if went >= end and sent < size_bytes:
                if sent - before < LEAST_BYTES_PER_TIMEOUT:
                    raise TimeoutError("the body goes too slowly")
                before, end = sent, went + self.timeout_seconds

    def receive_head(self) -> Head:
        return parsed_head(self._receive_until(b"\r\n\r\n"))

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

    def receive_line(self) -> bytes:
        return self._receive_until(b"\r\n")

    def _receive_until(self, mark: bytes) -> bytes:
        """Return what comes before a mark. Once it has begun, the rest must come in time."""
        limit = 0.0
        while (end := self._buffer.find(mark, self._start, self._end)) < 0:
            if limit and time.monotonic() > limit:
                raise TimeoutError("the answer comes too slowly")
            self._fill()
            limit = limit or time.monotonic() + self.timeout_seconds
        content = bytes(self._buffer[self._start : end])
        self._start = end + len(mark)
        return content

    def _fill(self) -> None:
        if self._start:
            rest = self._buffer[self._start : self._end]
            self._buffer[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        if self._end == len(self._buffer):
            raise BrokenAnswerError("a head or a line of the answer is too long")
        with _timeouts(), memoryview(self._buffer)[self._end :] as view:
            count = self._socket.recv_into(view)
        if not count:
            raise BrokenAnswerError("the connection was closed before the answer")
        self._end += count
        self.has_answered = True

    def _view(self) -> memoryview:
        if self._body is None:
            self._body = memoryview(bytearray(BODY_BUFFER_BYTES))
        return self._body


def _some(count: int) -> int:
    if not count:
        raise BrokenAnswerError("the local file became shorter")
    return count


@contextmanager
def _timeouts() -> Iterator[None]:
    try:
        yield
    except BlockingIOError as error:
        raise TimeoutError("nothing came or went in time") from error
