"""One connection that never waits, with at most one small exchange under way."""

from __future__ import annotations

import os
import select
import socket
import ssl
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from rootcellar.staging.stores.http.head import (
    LENGTH,
    BrokenAnswerError,
    encoded_head,
    parsed_head,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rootcellar.staging.stores.http.endpoint import Endpoint
    from rootcellar.staging.stores.http.head import Head
    from rootcellar.staging.stores.http.wire import Request

__all__ = ["MOST_BYTES", "Channel", "Exchanged", "connecting", "not_done"]

MOST_BYTES = 256 * 1024
"""Of the body of an answer."""

_BUFFER_BYTES = 64 * 1024
_BYTES_PER_TIMEOUT = 64 * 1024
_SUCCESS = range(200, 300)
_IN, _OUT = select.POLLIN, select.POLLOUT
_NONE = memoryview(b"")
_Item = TypeVar("_Item")


class Exchanged(NamedTuple, Generic[_Item]):
    """What came of one request.

    Attributes:
        status: 0 if it is not done: then nothing is known, not even whether it was received.
        headers: By their names in small letters.
        body: Valid until the next is asked for.
    """

    item: _Item
    status: int
    headers: Mapping[str, str]
    body: memoryview


def not_done(item: _Item) -> Exchanged[_Item]:
    """Return what hands an item back."""
    return Exchanged(item, 0, {}, _NONE)


class Channel(Generic[_Item]):
    """One connection, and what is under way there.

    Attributes:
        item: That of the request under way, in a tuple.
        is_open: It is connected, and encrypted where it must be.
        events: What it waits for.
        listens: What the poll knows of that.
        is_last: The other side closes it.
        deadline: When it must have gone on.
    """

    def __init__(
        self, endpoint: Endpoint, connected: socket.socket, deadline: float, *, is_open: bool
    ) -> None:
        self.socket = connected
        self.file = connected.fileno()
        self.deadline = deadline
        self.is_open = is_open
        self.is_last = False
        self.item: tuple[_Item] | None = None
        self.events = self.listens = _IN if is_open else _OUT
        self._host, self._tls = endpoint.host, endpoint.tls
        self._unsent = _NONE
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._head: Head | None = None
        self._body_start = self._end = self._whole = self._moved = 0

    @property
    def is_free(self) -> bool:
        """Whether it can be given a request."""
        return self.is_open and self.item is None

    def has_opened(self) -> bool:
        """Go on with opening it, and tell whether it is open.

        Raises:
            OSError: It cannot be opened.
        """
        if (code := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) != 0:
            raise OSError(code, os.strerror(code))
        self.events = _IN
        if self._tls is not None:
            if not isinstance(self.socket, ssl.SSLSocket):
                self.socket = self._tls.wrap_socket(
                    self.socket, server_hostname=self._host, do_handshake_on_connect=False
                )
            try:
                self.socket.do_handshake()
            except ssl.SSLWantReadError:
                return False
            except ssl.SSLWantWriteError:
                self.events = _OUT
                return False
        self.is_open = True
        return True

    def begin(self, item: _Item, request: Request, deadline: float) -> None:
        """Send a request, or as much of it as can be now.

        Raises:
            OSError: It cannot be sent.
        """
        self.item = (item,)
        self.deadline = deadline
        self._head = None
        self._body_start = self._end = self._whole = self._moved = 0
        body = request.body
        if not isinstance(body, bytes) or request.method == "HEAD":
            raise BrokenAnswerError("not an exchange of small bodies")
        head = encoded_head(request.method, request.target, request.headers, len(body))
        self._unsent = memoryview(head + body)
        self._send()

    def has_ended(self, events: int, deadline: float) -> bool:
        """Go on, and tell whether the answer is whole.

        Raises:
            OSError: It will not be.
        """
        if self.item is None:
            raise BrokenAnswerError("an answer came before it was asked for")
        moved = self._moved
        if events & _OUT:
            self._send()
        ended = events & ~_OUT != 0 and self._receive()
        if moved // _BYTES_PER_TIMEOUT != self._moved // _BYTES_PER_TIMEOUT:
            self.deadline = deadline
        return ended

    def end(self) -> Exchanged[_Item]:
        """Return what came, and be free."""
        assert self.item is not None  # noqa: S101 (it has ended)
        assert self._head is not None  # noqa: S101
        [item], self.item = self.item, None
        _, status, headers = self._head
        if status not in _SUCCESS:
            return not_done(item)
        return Exchanged(item, status, headers, self._view[self._body_start : self._whole])

    def _send(self) -> None:
        try:
            while self._unsent:
                count = self.socket.send(self._unsent)
                self._moved += count
                self._unsent = self._unsent[count:]
        except (BlockingIOError, ssl.SSLWantWriteError):
            self.events = _IN | _OUT
        else:
            self.events = _IN

    def _receive(self) -> bool:
        while True:
            try:
                count = self.socket.recv_into(self._view[self._end :])
            except (BlockingIOError, ssl.SSLWantReadError):
                return False
            if not count:
                raise BrokenAnswerError("the connection was closed within the answer")
            self._end += count
            self._moved += count
            if self._head is not None or self._has_head():
                if self._end > self._whole or self._unsent:
                    raise BrokenAnswerError("the answer is not of one request")
                if self._end == self._whole:
                    return True
            # The rest of what was decrypted is known to nobody but the socket.
            if self._tls is None:
                return False

    def _has_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, self._end)
        if end < 0:
            if self._end == len(self._buffer):
                raise BrokenAnswerError("the head of the answer is too long")
            return False
        head = parsed_head(self._buffer[:end])
        length = head.headers.get("content-length", "")
        if LENGTH.fullmatch(length) is None or "transfer-encoding" in head.headers:
            raise BrokenAnswerError("the answer does not tell its length")
        if int(length) > MOST_BYTES:
            raise BrokenAnswerError("the answer is too large")
        self._head, self.is_last = head, head.is_last
        self._body_start, self._whole = end + 4, end + 4 + int(length)
        if self._whole > len(self._buffer):
            larger = bytearray(self._whole)
            larger[: self._end] = self._view[: self._end]
            self._buffer, self._view = larger, memoryview(larger)
        return True


def connecting(other: socket.socket) -> socket.socket:
    """Return a socket that is being connected to where another one leads."""
    raw = socket.socket(other.family, socket.SOCK_STREAM)
    try:
        raw.settimeout(0)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # What it tells is told again when it is known how it ended.
        raw.connect_ex(other.getpeername())
    except BaseException:
        raw.close()
        raise
    return raw
