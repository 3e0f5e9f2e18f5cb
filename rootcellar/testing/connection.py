"""One end of a proxied connection: a socket that can be read, waited on, and ended at any time."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from typing import TYPE_CHECKING

from rootcellar.testing.wire import LineClosed

if TYPE_CHECKING:
    import threading

__all__ = ["Connection"]

_NO_LINGER = struct.pack("ii", 1, 0)


class Connection:
    """A socket, its reader, and the word that the proxy ends.

    Attributes:
        reader: What the peer sends.
        broken: Nothing can be sent any more.
        closed: By us.
        stalled: Nothing more will come from here.
    """

    def __init__(self, line: socket.socket, stopping: threading.Event) -> None:
        self._socket = line
        self._stopping = stopping
        self.broken = False
        self.closed = False
        self.stalled = False
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = line.makefile("rb")

    def send(self, content: bytes) -> None:
        """Send all of it.

        Raises:
            LineClosed: The peer is gone.
        """
        try:
            self._socket.sendall(content)
        except OSError as error:
            self.broken = True
            raise LineClosed from error

    def wait(self, seconds: float | None) -> None:
        """Wait, or for ever.

        Raises:
            LineClosed: The peer gave up, or the proxy ends.
        """
        end = None if seconds is None else time.monotonic() + seconds
        self.stalled = seconds is None
        ending = select.poll()
        # Not whether there is something to read: it may have sent more than was read so far. Of a
        # peer whose bytes fill the line one cannot see that it is gone.
        ending.register(self._socket, select.POLLRDHUP)
        while (left := _left(end)) > 0:
            if ending.poll(min(left, 1.0) * 1000) or self._stopping.is_set():
                raise LineClosed

    def interrupt(self) -> None:
        """Let whoever reads, writes or waits here stop; from any thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self, *, abruptly: bool = False) -> None:
        """Close in order, or by a reset. Safe to repeat."""
        self.closed = True
        with contextlib.suppress(OSError):
            if abruptly:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            elif not self.broken:
                # What the peer still sends unread would make the system reset the connection.
                self._socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            self.reader.close()
        self._socket.close()


def _left(end: float | None) -> float:
    return 1.0 if end is None else end - time.monotonic()
