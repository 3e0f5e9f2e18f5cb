"""HTTP/1.1 as far as a proxy needs it: heads, and bodies piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

__all__ = [
    "CONTINUE",
    "END_OF_CHUNKS",
    "Head",
    "HttpError",
    "LineClosed",
    "frame",
    "read_body",
    "read_head",
]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
END_OF_CHUNKS = b"0\r\n\r\n"
_PIECE_BYTES = 64 * 1024
_LINE_BYTES = 64 * 1024
_FIELDS = 256


class HttpError(Exception):
    """A peer does not speak HTTP as we know it."""


class LineClosed(Exception):  # noqa: N818 - an end, not always an error
    """A connection ended, or is to end now.

    Args:
        abruptly: By a reset, not by an orderly close.
    """

    def __init__(self, *, abruptly: bool = False) -> None:
        super().__init__()
        self.abruptly = abruptly


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the body of a request or of a reply.

    Attributes:
        start: The first line.
        fields: Name and value, as they came and in their order.
    """

    start: str
    fields: tuple[tuple[str, str], ...]

    def __getitem__(self, name: str) -> str:
        """Return the value of a field, or an empty string."""
        return next((value for known, value in self.fields if known.lower() == name.lower()), "")

    def without(self, *names: str) -> Head:
        """Return this head without some fields; their names in small letters."""
        kept = tuple(field for field in self.fields if field[0].lower() not in names)
        return Head(self.start, kept)

    def having(self, name: str, value: str) -> Head:
        """Return this head with one more field."""
        return Head(self.start, (*self.fields, (name, value)))

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks of HTTP's own."""
        return "chunked" in self["Transfer-Encoding"].lower()

    @property
    def length(self) -> int | None:
        """The length that is promised, or None."""
        text = self["Content-Length"]
        return int(text) if text.isdigit() and not self.is_chunked else None

    @property
    def status(self) -> int:
        """Of a reply."""
        return int(self.start.split(" ", 2)[1])

    def to_bytes(self) -> bytes:
        """Return the head as it goes over the wire."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")


def read_head(source: BufferedReader) -> Head | None:
    """Return the next head, or None where the peer has ended.

    Raises:
        HttpError: It is too long, or is none.
    """
    start = _line(source) or _line(source)  # an empty line may come before a request
    if not start:
        return None
    fields: list[tuple[str, str]] = []
    while text := _line(source):
        name, separator, value = text.partition(":")
        if not separator or len(fields) == _FIELDS:
            raise HttpError(text)
        fields.append((name, value.strip()))
    head = Head(start, tuple(fields))
    if len(start.split(" ", 2)) < 2:  # noqa: PLR2004 - method and path, or version and status
        raise HttpError(start)
    return head


def read_body(source: BufferedReader, head: Head, *, until_closed: bool) -> Iterator[bytes]:
    """Yield the body that follows a head, without its chunks' frames.

    Args:
        source: Where the head was read from.
        head: Says how long the body is.
        until_closed: A body of which nothing is said lasts until the peer closes.

    Raises:
        LineClosed: It ended early.
    """
    if head.is_chunked:
        yield from _chunks(source)
    elif head.length is not None:
        yield from _exactly(source, head.length)
    elif until_closed:
        while piece := source.read1(_PIECE_BYTES):
            yield piece


def frame(piece: bytes, *, chunked: bool) -> bytes:
    """Return a piece of a body as it goes over the wire."""
    if not chunked or not piece:
        return piece
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _line(source: BufferedReader) -> str:
    line = source.readline(_LINE_BYTES)
    if len(line) == _LINE_BYTES:
        raise HttpError("a line is too long")
    return line.rstrip(b"\r\n").decode("latin-1")


def _chunks(source: BufferedReader) -> Iterator[bytes]:
    while True:
        size = _line(source).partition(";")[0]
        if not size:
            raise LineClosed
        yield from _exactly(source, int(size, 16))
        if int(size, 16) == 0:
            while _line(source):
                pass  # trailers
            return
        _line(source)


def _exactly(source: BufferedReader, length: int) -> Iterator[bytes]:
    while length:
        piece = source.read1(min(length, _PIECE_BYTES))
        if not piece:
            raise LineClosed
        length -= len(piece)
        yield piece
