"""One request through a proxy, with what goes wrong with it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from rootcellar.testing.faults import Fault
from rootcellar.testing.proxied import ProxiedRequest
from rootcellar.testing.wire import (
    CONTINUE,
    END_OF_CHUNKS,
    Head,
    LineClosed,
    frame,
    read_body,
    read_head,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootcellar.testing.connection import Connection

__all__ = ["NO_FAULT", "Exchange"]

NO_FAULT = Fault(name="")
_BODILESS = {204, 304}
_CONNECTION_FIELDS = ("connection", "keep-alive", "proxy-connection", "expect")
_REASONS = {403: "Forbidden", 404: "Not Found", 412: "Precondition Failed"}


@dataclass(slots=True)
class Exchange:
    """A request on its way, and its reply.

    Attributes:
        client: Who asks.
        head: Of the request.
        fault: To be done to it.
        ended: Nothing more will happen.
    """

    client: Connection
    head: Head
    fault: Fault = NO_FAULT
    ended: bool = False
    _started: float = field(default_factory=time.monotonic)
    _told: int = 0
    _sent: int = 0
    _received: int = 0
    _body: Iterator[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._body = self._request_body()

    def shown(self) -> ProxiedRequest:
        """Return how far it has come."""
        path, _, query = self._target.partition("?")
        return ProxiedRequest(
            method=self._method,
            path=path,
            key=unquote(path.lstrip("/").partition("/")[2]),
            query=query,
            range=self.head["Range"],
            status=self._told,
            sent_bytes=self._sent,
            received_bytes=self._received,
            fault=self.fault.name,
            started=self._started,
            ended=self.ended,
        )

    def run(self, connect: Callable[[], Connection]) -> bool:
        """Do it all, and tell whether the client may send another request on its connection.

        Args:
            connect: Gives a connection to the server; closed here.

        Raises:
            LineClosed: The client's connection is to end.
        """
        self.fault.first(self.client)
        if self.fault.answer is not None:
            return self._answer(*self.fault.answer)
        try:
            server = connect()
        except OSError:
            return self._answer(502, "BadGateway")
        try:
            whole = self._forward(server)
            reply = _reply_of(server)
            return self._pass_back(server, reply) and whole
        finally:
            server.close()

    @property
    def _method(self) -> str:
        return self.head.start.split(" ", 2)[0]

    @property
    def _target(self) -> str:
        target = self.head.start.split(" ", 2)[1]
        # The absolute form, as to a proxy of another kind.
        return "/" + target.split("/", 3)[3] if target.startswith("http://") else target

    @property
    def _keeps(self) -> bool:
        return self.head.start.endswith("1.1") and self.head["Connection"].lower() != "close"

    def _request_body(self) -> Iterator[bytes]:
        if self.head["Expect"] and (self.head.length or self.head.is_chunked):
            self.client.send(CONTINUE)
        for piece in read_body(self.client.reader, self.head, until_closed=False):
            self._sent += len(piece)
            yield piece

    def _answer(self, status: int, code: str) -> bool:
        """Reply in the server's place."""
        drained = not self.head["Expect"]
        if drained:
            for _ in self._body:
                pass
        content = f"<Error><Code>{code}</Code><Message>as the test asked</Message></Error>".encode()
        reply = Head(f"HTTP/1.1 {status} {_REASONS.get(status, code)}", ())
        reply = reply.having("Content-Type", "application/xml")
        reply = reply.having("Content-Length", str(len(content)))
        keeps = self._keeps and drained
        self._tell(reply if keeps else reply.having("Connection", "close"))
        if self._method != "HEAD":
            self._give(content, content)
        return keeps

    def _forward(self, server: Connection) -> bool:
        """Send the request on, and tell whether all of it went."""
        head = self.head.without(*_CONNECTION_FIELDS).having("Connection", "close")
        try:
            server.send(head.to_bytes())
            for piece in self.fault.request(self._body, self.client):
                server.send(frame(piece, chunked=head.is_chunked))
            if head.is_chunked:
                server.send(END_OF_CHUNKS)
        except LineClosed:
            if not server.broken:
                raise
            return False  # it may have answered before it had it all
        return True

    def _pass_back(self, server: Connection, reply: Head) -> bool:
        bodiless = self._method == "HEAD" or reply.status in _BODILESS
        body = iter(()) if bodiless else read_body(server.reader, reply, until_closed=True)
        if self.fault.reply_lost:
            for _ in body:
                pass
            raise LineClosed
        length = None if reply.length is None else max(0, reply.length + self.fault.length_change)
        head = _head_back(reply, length, bodiless=bodiless)
        keeps = self._keeps and self.fault.length_change <= 0
        self._tell(head if keeps else head.having("Connection", "close"))
        if bodiless:
            return keeps
        for piece in self.fault.reply(_first(body, length), self.client):
            self._give(piece, frame(piece, chunked=head.is_chunked))
        if head.is_chunked:
            self.client.send(END_OF_CHUNKS)
        return keeps

    def _tell(self, head: Head) -> None:
        self._told = head.status
        self.client.send(head.to_bytes())

    def _give(self, piece: bytes, frame: bytes) -> None:
        # Counted first, so that who has got it finds it counted.
        self._received += len(piece)
        self.client.send(frame)


def _reply_of(server: Connection) -> Head:
    while True:
        reply = read_head(server.reader)
        if reply is None:
            raise LineClosed
        if reply.status >= 200:  # noqa: PLR2004 - those below are not the last word
            return reply


def _head_back(reply: Head, length: int | None, *, bodiless: bool) -> Head:
    """Return the reply's head as the client gets it."""
    head = Head(f"HTTP/1.1 {reply.start.split(' ', 1)[1]}", reply.fields)
    head = head.without(*_CONNECTION_FIELDS)
    if length is not None:
        return head.without("content-length").having("Content-Length", str(length))
    if head.is_chunked or bodiless:
        return head
    # It lasts until the server closes; this way the client sees where that is.
    return head.having("Transfer-Encoding", "chunked")


def _first(pieces: Iterator[bytes], length: int | None) -> Iterator[bytes]:
    """Yield the pieces, and no more of them than a length."""
    left = length
    for piece in pieces:
        yield piece if left is None else piece[:left]
        left = None if left is None else max(0, left - len(piece))
