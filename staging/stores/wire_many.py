"""Many small exchanges by one thread, over a few connections with one request under way on each.

Threads take turns at Python's lock for every system call, and with small bodies that costs more
than all else. Here is only the clean case: a whole answer of success, of a length that is told.
What comes to anything else is handed back as not done, for the ordinary way of `Wire.exchange`,
where it is tried again and where it is told what is wrong.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from rootcellar.staging.pipeline import check_stopped, cut_off_by
from rootcellar.staging.stores.http_head import BrokenAnswerError, encoded_head, parsed_head

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from rootcellar.staging.stores.endpoint import Endpoint
    from rootcellar.staging.stores.http_head import Head
    from rootcellar.staging.stores.wire import Request, Wire

__all__ = ["MOST_BYTES", "Exchanged", "exchange_many"]

MOST_BYTES = 256 * 1024
"""Of the body of an answer."""

_FIRST_CONNECTIONS, _MOST_CONNECTIONS = 8, 32
_LONG_WAIT_SECONDS = 0.002
"""Of a wait that tells that more connections would have had something to do."""

_BUFFER_BYTES = 64 * 1024
_BYTES_PER_TIMEOUT = 64 * 1024
_LOOK_SECONDS = 0.5
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


def exchange_many(
    wire: Wire, requests: Iterable[tuple[_Item, Request]]
) -> Generator[Exchanged[_Item], None, None]:
    """Send requests and yield what came of each, in the order in which they end.

    Close it, or read it to its end, in the thread that began it. At most 32 requests are under way,
    and no request is taken before one can be sent. Not for HEAD, nor for bodies that are files.

    Args:
        wire: Gives connections, and is given them in the end.
        requests: Each with what it is handed back with. What this raises is raised.

    Raises:
        Stopped: It is no longer wanted.
    """
    loop = _Loop(wire, iter(requests))
    with cut_off_by(loop.cut):
        try:
            yield from loop.run()
        finally:
            loop.close()


class _Loop(Generic[_Item]):
    def __init__(self, wire: Wire, requests: Iterator[tuple[_Item, Request]]) -> None:
        self._wire = wire
        self._endpoint = wire.endpoint
        self._requests = requests
        self._next: tuple[_Item, Request] | None = None
        self._poll = select.poll()
        self._channels: dict[int, _Channel[_Item]] = {}
        self._not_done: deque[_Item] = deque()
        self._wanted = _FIRST_CONNECTIONS
        self._can_open = True
        self._looked = time.monotonic()

    def run(self) -> Iterator[Exchanged[_Item]]:
        look_seconds = min(_LOOK_SECONDS, self._endpoint.timeout_seconds / 4)
        while self._feed():
            while self._not_done:
                yield Exchanged(self._not_done.popleft(), 0, {}, _NONE)
            if not self._channels:
                continue
            began = time.monotonic()
            ready = self._poll.poll(look_seconds * 1000)
            check_stopped()
            now = time.monotonic()
            if now - began > _LONG_WAIT_SECONDS and self._wanted < _MOST_CONNECTIONS:
                self._wanted += 1
            for number, events in ready:
                done = self._advanced(self._channels[number], events, now)
                if done is not None:
                    yield done
            if now - self._looked > look_seconds:
                self._drop_late(now)

    def cut(self) -> None:
        """End what another thread does here."""
        for channel in list(self._channels.values()):
            with suppress(OSError):
                socket.socket.shutdown(channel.socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of all connections, and keep those that can be used again."""
        while self._channels:
            _, channel = self._channels.popitem()
            if channel.is_free:
                self._wire.keep(channel.socket)
            else:
                channel.socket.close()

    def _feed(self) -> bool:
        """Give each connection something to do; tell whether there is something to wait for."""
        for channel in tuple(self._channels.values()):
            if channel.is_free:
                self._begin(channel)
        while self._can_open and len(self._channels) < self._wanted and self._has_next():
            self._open()
        if not self._channels and self._has_next():
            # Nobody listens there: who asks in the ordinary way is told why.
            self._not_done.append(self._taken()[0])
        is_waiting = any(channel.item is not None for channel in self._channels.values())
        return is_waiting or bool(self._not_done) or self._has_next()

    def _has_next(self) -> bool:
        if self._next is None:
            self._next = next(self._requests, None)
        return self._next is not None

    def _taken(self) -> tuple[_Item, Request]:
        taken, self._next = self._next, None
        assert taken is not None  # noqa: S101 (asked for first)
        return taken

    def _begin(self, channel: _Channel[_Item]) -> None:
        """Send the next request, if there is one."""
        if not self._has_next():
            return
        item, request = self._taken()
        try:
            channel.begin(item, request, time.monotonic() + self._endpoint.timeout_seconds)
        except OSError:
            self._drop(channel)
        else:
            self._listen(channel)

    def _open(self) -> None:
        """Open a connection without waiting for it, but for the first of all."""
        try:
            connected, is_open = self._wire.idle_socket(), True
            if connected is None and not self._channels:
                # It finds out which address of the host answers.
                connected = self._wire.new_socket()
            elif connected is None:
                some = next(iter(self._channels.values())).socket
                connected, is_open = _connecting(some), False
        except OSError:
            self._can_open = False
            return
        deadline = time.monotonic() + self._endpoint.connect_seconds
        channel: _Channel[_Item] = _Channel(self._endpoint, connected, deadline, is_open=is_open)
        self._channels[channel.file] = channel
        self._poll.register(channel.file, channel.events)
        if is_open:
            connected.settimeout(0)
            self._begin(channel)

    def _advanced(
        self, channel: _Channel[_Item], events: int, now: float
    ) -> Exchanged[_Item] | None:
        """Go on with what can go on, and return an exchange that ended."""
        try:
            if not channel.is_open:
                if channel.has_opened():
                    self._begin(channel)
            elif channel.has_ended(events, now + self._endpoint.timeout_seconds):
                return self._ended(channel)
            self._listen(channel)
        except OSError:
            self._can_open = self._can_open and channel.is_open
            self._drop(channel)
        return None

    def _ended(self, channel: _Channel[_Item]) -> Exchanged[_Item]:
        done = channel.end()
        if channel.is_last:
            self._forget(channel)
        else:
            # Before the answer is worked on, so that the other side has something to do meanwhile.
            self._begin(channel)
        return done

    def _listen(self, channel: _Channel[_Item]) -> None:
        if channel.events != channel.listens and channel.file in self._channels:
            self._poll.modify(channel.file, channel.events)
            channel.listens = channel.events

    def _drop_late(self, now: float) -> None:
        self._looked = now
        for channel in tuple(self._channels.values()):
            if not channel.is_free and channel.deadline < now:
                self._can_open = self._can_open and channel.is_open
                self._drop(channel)

    def _drop(self, channel: _Channel[_Item]) -> None:
        """Give a connection up, and hand back what was under way there."""
        if channel.item is not None:
            self._not_done.append(channel.item[0])
            channel.item = None
        self._forget(channel)

    def _forget(self, channel: _Channel[_Item]) -> None:
        if self._channels.pop(channel.file, None) is not None:
            self._poll.unregister(channel.file)
            channel.socket.close()


class _Channel(Generic[_Item]):
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
            return Exchanged(item, 0, {}, _NONE)
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
        if not length.isdecimal() or "transfer-encoding" in head.headers:
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


def _connecting(other: socket.socket) -> socket.socket:
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
