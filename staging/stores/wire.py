"""HTTP/1.1 to one host, for bodies that are large and many: few calls and few copies per byte.

A body is received into one reused buffer, and sent from the file by the kernel where the way is not
encrypted. What is not here is not needed by what is asked of an object store: redirects, cookies,
proxies, compression.
"""

from __future__ import annotations

import os
import re
import select
import socket
import struct
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rootcellar.staging.pipeline import cut_off_by

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["BrokenAnswerError", "Endpoint", "FileSlice", "Request", "Response", "Wire"]

_HEAD_BYTES = 64 * 1024
_BODY_BUFFER_BYTES = 1024 * 1024
_SEND_BYTES = 2 * 1024 * 1024
_IDLE_CONNECTIONS = 32
_LEAST_BYTES_PER_TIMEOUT = 64 * 1024
_BREAK = re.compile(r"[\r\n\x00]")
_CONTINUE = 100
_NO_CONTENT = {204, 304}


class BrokenAnswerError(ConnectionError):
    """The other side closed the connection too early, or does not speak HTTP."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service listens.

    Attributes:
        tls: None for a way that is not encrypted.
        timeout_seconds: In which something must come or go; 64 KiB of a body.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    connect_seconds: float = 10.0
    timeout_seconds: float = 30.0


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
        self._endpoint = endpoint
        self._idle: list[_Connection] = []

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
                    connection = _Connection(self._endpoint)
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
        if response.is_done and response.keeps_connection and len(self._idle) < _IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.close()

    def _take(self) -> _Connection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return _Connection(self._endpoint)
            if connection.is_quiet:
                connection.was_idle, connection.has_answered = True, False
                return connection
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
            self._version, self.status, self.headers = connection.receive_head()
        self._chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        length = self.headers.get("content-length")
        if method == "HEAD" or self.status in _NO_CONTENT:
            self._left, self._chunked = 0, False
        elif self._chunked or length is None:
            self._left = -1
        elif length.isdigit():
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
        usual = "close" if self._version == "HTTP/1.0" else "keep-alive"
        return self.headers.get("connection", usual).lower() != "close" and (
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
    def __init__(self, endpoint: Endpoint) -> None:
        self.timeout_seconds = endpoint.timeout_seconds
        self._host = endpoint.host
        raw = socket.create_connection(
            (endpoint.host, endpoint.port), timeout=endpoint.connect_seconds
        )
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if endpoint.tls is None:
                # The kernel's own timeouts: Python's would add a call to every call.
                limit = _timeval(endpoint.timeout_seconds)
                raw.settimeout(None)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
                self._socket = raw
            else:
                self._socket = endpoint.tls.wrap_socket(raw, server_hostname=endpoint.host)
                self._socket.settimeout(endpoint.timeout_seconds)
        except BaseException:
            raw.close()
            raise
        self._encrypted = endpoint.tls is not None
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
        lines = [f"{request.method} {request.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if length or request.method in {"PUT", "POST"}:
            lines.append(f"content-length: {length}")
        if any(_BREAK.search(line) for line in lines):
            # Sent, the rest of the line would be another header, or another request.
            raise ValueError("a line break stands in a header of a request")
        # What is no letter there stands in no token that a store gave out, and so matches none.
        head = "\r\n".join([*lines, "\r\n"]).encode("latin-1", errors="replace")
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
            if self._encrypted or body.seen is not None:
                view = self._view()[: end - offset]
                count = os.preadv(body.file, [view], offset)
                if body.seen is not None:
                    body.seen(offset - body.start, view[:count])
                self._socket.sendall(view[:count])
            else:
                count = os.sendfile(self._socket.fileno(), body.file, offset, count)
            if not count:
                raise BrokenAnswerError("the local file became shorter")
            offset += count

    def receive_head(self) -> tuple[str, int, dict[str, str]]:
        while (end := self._buffer.find(b"\r\n\r\n", self._start, self._end)) < 0:
            self._fill()
        lines = self._buffer[self._start : end].decode("latin-1").split("\r\n")
        self._start = end + 4
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise BrokenAnswerError("the answer is not HTTP")
        return version, int(rest[:3]), headers

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


def _timeval(seconds: float) -> bytes:
    # No time at all would mean for ever.
    micros = max(1, round(seconds * 1_000_000))
    return struct.pack("ll", micros // 1_000_000, micros % 1_000_000)


@contextmanager
def _timeouts() -> Iterator[None]:
    try:
        yield
    except BlockingIOError as error:
        raise TimeoutError("nothing came or went in time") from error
