"""The heads of requests and answers of HTTP/1.1, as bytes and as values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LENGTH", "BrokenAnswerError", "Head", "encoded_head", "parsed_head"]

LENGTH = re.compile(r"[0-9]{1,18}")
"""What a length looks like: ASCII digits, and no more of them than any object has."""


class BrokenAnswerError(ConnectionError):
    """The other side closed the connection too early, or does not speak HTTP."""


class Head(NamedTuple):
    """The head of an answer; the names of its headers are in small letters."""

    version: str
    status: int
    headers: dict[str, str]

    @property
    def is_last(self) -> bool:
        """Whether the other side closes the connection behind the answer."""
        usual = "close" if self.version == "HTTP/1.0" else "keep-alive"
        return self.headers.get("connection", usual).lower() == "close"


def encoded_head(method: str, target: str, headers: Mapping[str, str], length: int) -> bytes:
    """Return the head of a request as it is sent.

    Args:
        method: Of the request.
        target: Encoded.
        headers: All but the length.
        length: Of the body.

    Raises:
        ValueError: A line break stands in it.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length or method in {"PUT", "POST"}:
        lines.append(f"content-length: {length}")
    text = "".join(lines)
    if "\r" in text or "\n" in text or "\0" in text:
        # Sent, the rest of the line would be another header, or another request.
        raise ValueError("a line break stands in a header of a request")
    # What is no letter there stands in no token that a store gave out, and so matches none.
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1", errors="replace")


def parsed_head(head: bytes | bytearray) -> Head:
    """Return the head of an answer, given all before its empty line.

    Raises:
        BrokenAnswerError: It is not HTTP.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise BrokenAnswerError("the answer is not HTTP")
    return Head(version, int(rest[:3]), headers)
