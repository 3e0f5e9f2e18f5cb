"""What can be done to a request on its way, and to which requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rootcellar.testing.wire import LineClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from rootcellar.testing.proxied import ProxiedRequest

    _Filter = Callable[[Iterator[bytes], "Line"], Iterator[bytes]]

__all__ = ["ActionFailed", "Fault", "Line", "Match"]

_Where = Literal["request", "reply"]
_CODES = {
    400: "RequestTimeout",
    403: "AccessDenied",
    404: "NoSuchKey",
    409: "ConditionalRequestConflict",
    412: "PreconditionFailed",
    500: "InternalError",
    503: "SlowDown",
}
_SLICES_PER_SECOND = 20


class ActionFailed(Exception):  # noqa: N818 - its cause is the error
    """What a test asked to be called has failed."""


class Line(Protocol):
    """The connection to the client, to a fault."""

    def wait(self, seconds: float | None) -> None:
        """Wait, or for ever.

        Raises:
            LineClosed: The client gave up, or the proxy ends.
        """


def _as_it_comes(pieces: Iterator[bytes], _line: Line) -> Iterator[bytes]:
    return pieces


def _at_once(_line: Line) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with one request. Made by the class methods.

    Bytes are counted from 0 at the start of a body: of the reply unless `of="request"`.

    Attributes:
        name: What it is called in the proxy's log.
    """

    name: str
    first: Callable[[Line], object] = field(default=_at_once, repr=False)
    answer: tuple[int, str] | None = field(default=None, repr=False)
    request: _Filter = field(default=_as_it_comes, repr=False)
    reply: _Filter = field(default=_as_it_comes, repr=False)
    length_change: int = field(default=0, repr=False)
    reply_lost: bool = field(default=False, repr=False)

    @classmethod
    def status(cls, status: int, *, code: str = "") -> Self:
        """Answer with an error of S3's form and do not forward the request.

        Args:
            status: Of HTTP.
            code: Of S3, such as `SlowDown`; if empty, one that goes with the status.
        """
        if not 100 <= status <= 999:  # noqa: PLR2004 - three digits, as HTTP has it
            msg = f"not a status of HTTP: {status}"
            raise ValueError(msg)
        code = code or _CODES.get(status, "InternalError")
        return cls(name=f"status {status} {code}", answer=(status, code))

    @classmethod
    def delay(cls, seconds: float) -> Self:
        """Forward the request only after a time."""
        return cls(name=f"delay {seconds}", first=lambda line: line.wait(seconds))

    @classmethod
    def before(cls, action: Callable[[], object]) -> Self:
        """Call something, such as what overwrites the object, and then forward the request.

        What it raises cuts the client's connection, and the end of the proxy raises it again.
        """
        return cls(name="before", first=lambda _: _call(action))

    @classmethod
    def stall(cls, *, after_bytes: int | None = None, of: _Where = "reply") -> Self:
        """Let no byte more through until the client gives up or the proxy ends.

        The client's bytes are not taken either, and so may fill the line. That a client with a
        full line has given up is not seen: then only `FaultProxy.clear` ends the request.

        Args:
            after_bytes: If None, the request is not even forwarded.
            of: The body whose bytes are counted.
        """
        if after_bytes is None:
            return cls(name="stall", first=lambda line: line.wait(None))

        def stalled(pieces: Iterator[bytes], line: Line) -> Iterator[bytes]:
            yield from _head_of(pieces, after_bytes)
            line.wait(None)

        return cls._through(f"stall {of} at {after_bytes}", of, stalled)

    @classmethod
    def slow(cls, bytes_per_second: float, *, of: _Where = "reply") -> Self:
        """Let a body through at no more than this rate."""
        step = max(1, int(bytes_per_second / _SLICES_PER_SECOND))

        def slowed(pieces: Iterator[bytes], line: Line) -> Iterator[bytes]:
            for piece in pieces:
                for start in range(0, len(piece), step):
                    part = piece[start : start + step]
                    line.wait(len(part) / bytes_per_second)
                    yield part

        return cls._through(f"slow {of} {bytes_per_second}", of, slowed)

    @classmethod
    def reset(cls, *, after_bytes: int | None = None, of: _Where = "reply") -> Self:
        """Reset the client's connection. What is still on its way to the client is lost too.

        Args:
            after_bytes: If None, the request is not even forwarded.
            of: The body whose bytes are counted. In a request the server's end is cut off too.
        """
        return cls._ending("reset", after_bytes, of, abruptly=True)

    @classmethod
    def cut(cls, *, after_bytes: int | None = None, of: _Where = "reply") -> Self:
        """Close the client's connection in order, but too early. Arguments as for `reset`."""
        return cls._ending("cut", after_bytes, of, abruptly=False)

    @classmethod
    def _through(cls, name: str, of: _Where, through: _Filter) -> Self:
        return cls(name=name, request=through) if of == "request" else cls(name=name, reply=through)

    @classmethod
    def _ending(cls, name: str, after_bytes: int | None, of: _Where, *, abruptly: bool) -> Self:
        def end(_line: Line) -> None:
            raise LineClosed(abruptly=abruptly)

        if after_bytes is None:
            return cls(name=name, first=end)

        def ended(pieces: Iterator[bytes], line: Line) -> Iterator[bytes]:
            yield from _head_of(pieces, after_bytes)
            end(line)

        return cls._through(f"{name} {of} at {after_bytes}", of, ended)

    @classmethod
    def wrong_length(cls, change: int) -> Self:
        """Say that the reply's body is longer or shorter than it is.

        If shorter, the reply is whole as HTTP has it, and its last bytes are missing; if longer,
        it ends early.
        """
        return cls(name=f"wrong length {change:+}", length_change=change)

    @classmethod
    def flip(cls, byte: int, *, of: _Where = "reply") -> Self:
        """Turn over all bits of one byte of a body."""

        def flipped(pieces: Iterator[bytes], _line: Line) -> Iterator[bytes]:
            start = 0
            for piece in pieces:
                at = byte - start
                start += len(piece)
                if 0 <= at < len(piece):
                    yield piece[:at] + bytes([piece[at] ^ 0xFF]) + piece[at + 1 :]
                else:
                    yield piece

        return cls._through(f"flip {of} {byte}", of, flipped)

    @classmethod
    def lose_reply(cls) -> Self:
        """Forward the request, let the server do it, and close the connection without a reply."""
        return cls(name="lose reply", reply_lost=True)


def _call(action: Callable[[], object]) -> None:
    try:
        action()
    except Exception as error:
        raise ActionFailed from error


def _head_of(pieces: Iterator[bytes], size_bytes: int) -> Iterator[bytes]:
    left = size_bytes
    while left > 0:
        piece = next(pieces, b"")
        if not piece:
            return
        yield piece[:left]
        left -= len(piece)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests. Patterns are globs, as of `fnmatch`, in which case matters.

    Attributes:
        method: Of HTTP, such as `GET`.
        key: Of the object, without the bucket.
        query: Without the question mark, such as `*partNumber=2*`.
        range: The Range field, such as `bytes=0-*`. A request without one has an empty one.
        nth: The first one of those that match, from 1. Only a rule of a proxy counts.
    """

    method: str = "*"
    key: str = "*"
    query: str = "*"
    range: str = "*"
    nth: int = 1

    def __post_init__(self) -> None:
        if self.nth < 1:
            msg = f"the first request is number 1, not {self.nth}"
            raise ValueError(msg)
        if self.method != self.method.upper():
            msg = f"methods are written in capitals: {self.method!r} matches none"
            raise ValueError(msg)

    def fits(self, request: ProxiedRequest) -> bool:
        """Tell whether a request is one of these, whatever its number."""
        named: tuple[Any, ...] = ("method", "key", "query", "range")
        return all(fnmatchcase(getattr(request, n), getattr(self, n)) for n in named)
