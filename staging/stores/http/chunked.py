"""A body that comes in chunks, each with its size before it: how HTTP sends what has no length."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from rootcellar.staging.stores.http.head import BrokenAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Receives", "chunked"]

_TRAILERS = 100
_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")


class Receives(Protocol):
    """What a chunked body is read from."""

    def receive(self, most: int) -> memoryview:
        """Return some bytes, at most these many; none at the end of the connection."""

    def receive_line(self) -> bytes:
        """Return a line without its end."""


def chunked(connection: Receives) -> Iterator[memoryview]:
    """Yield a chunked body as it comes, each part valid until the next is asked for.

    Raises:
        BrokenAnswerError: It ended early, or is not chunked.
    """
    while left := _size_of_next(connection):
        while left:
            part = connection.receive(left)
            if not part:
                raise BrokenAnswerError("the connection was closed within the answer")
            left -= len(part)
            yield part
        if connection.receive_line():
            raise BrokenAnswerError("a chunk of the answer is longer than it says")
    if all(connection.receive_line() for _ in range(_TRAILERS)):
        raise BrokenAnswerError("the answer does not end")


def _size_of_next(connection: Receives) -> int:
    # `int` alone would take signs and underscores, and raise what is no error of a connection.
    size = connection.receive_line().partition(b";")[0].strip()
    if not _SIZE.fullmatch(size):
        raise BrokenAnswerError("the answer is not HTTP")
    return int(size, 16)
