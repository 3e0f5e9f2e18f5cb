"""Many small exchanges by one thread, over a few connections with one request under way on each.

Threads take turns at Python's lock for every system call, and with small bodies that costs more
than all else. Here is only the clean case: a whole answer of success, of a length that is told.
What comes to anything else is handed back as not done, for the ordinary way of `Wire.exchange`,
where it is tried again and where it is told what is wrong.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from rootcellar.staging.engine.pipeline import check_stopped, cut_off_by
from rootcellar.staging.stores.http.channel import (
    MOST_BYTES,
    Channel,
    Exchanged,
    connecting,
    not_done,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from rootcellar.staging.stores.http.wire import Request, Wire

__all__ = ["MOST_BYTES", "Exchanged", "exchange_many"]

_FIRST_CONNECTIONS, _MOST_CONNECTIONS = 8, 32
_LONG_WAIT_SECONDS = 0.002
"""Of a wait that tells that more connections would have had something to do."""

_LOOK_SECONDS = 0.5
_Item = TypeVar("_Item")


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
        self._channels: dict[int, Channel[_Item]] = {}
        self._not_done: deque[_Item] = deque()
        self._wanted = _FIRST_CONNECTIONS
        self._can_open = True
        self._looked = time.monotonic()

    def run(self) -> Iterator[Exchanged[_Item]]:
        look_seconds = min(_LOOK_SECONDS, self._endpoint.timeout_seconds / 4)
        while self._feed():
            while self._not_done:
                yield not_done(self._not_done.popleft())
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
        while self._can_open and not self._not_done and len(self._channels) < self._wanted:
            if not self._has_next():
                break
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

    def _begin(self, channel: Channel[_Item]) -> None:
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
                connected, is_open = connecting(some), False
        except OSError:
            self._can_open = False
            return
        deadline = time.monotonic() + self._endpoint.connect_seconds
        channel: Channel[_Item] = Channel(self._endpoint, connected, deadline, is_open=is_open)
        self._channels[channel.file] = channel
        self._poll.register(channel.file, channel.events)
        if is_open:
            connected.settimeout(0)
            self._begin(channel)

    def _advanced(
        self, channel: Channel[_Item], events: int, now: float
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

    def _ended(self, channel: Channel[_Item]) -> Exchanged[_Item]:
        done = channel.end()
        if channel.is_last:
            self._forget(channel)
        else:
            # Before the answer is worked on, so that the other side has something to do meanwhile.
            self._begin(channel)
        return done

    def _listen(self, channel: Channel[_Item]) -> None:
        if channel.events != channel.listens and channel.file in self._channels:
            self._poll.modify(channel.file, channel.events)
            channel.listens = channel.events

    def _drop_late(self, now: float) -> None:
        self._looked = now
        for channel in tuple(self._channels.values()):
            if not channel.is_free and channel.deadline < now:
                self._can_open = self._can_open and channel.is_open
                self._drop(channel)

    def _drop(self, channel: Channel[_Item]) -> None:
        """Give a connection up, and hand back what was under way there."""
        if channel.item is not None:
            self._not_done.append(channel.item[0])
            channel.item = None
        self._forget(channel)

    def _forget(self, channel: Channel[_Item]) -> None:
        if self._channels.pop(channel.file, None) is not None:
            self._poll.unregister(channel.file)
            channel.socket.close()
