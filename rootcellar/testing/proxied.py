"""What a proxy says of a request that went through it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ProxiedRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiedRequest:
    """One request, as far as it has come.

    Attributes:
        path: Without the query, as it was sent.
        key: Of the object: the path decoded, without the bucket; empty for the bucket itself.
        query: Without the question mark.
        range: The Range field, such as `bytes=0-99`, or empty.
        status: That the client was told; 0 if none was, or not yet.
        sent_bytes: Of the request's body, that came from the client.
        received_bytes: Of the reply's body, that went to the client.
        fault: The name of the fault that was done to it, or empty.
        started: When it came, in seconds of `time.monotonic`.
        ended: Nothing more will happen.
    """

    method: str
    path: str
    key: str
    query: str
    range: str
    status: int
    sent_bytes: int
    received_bytes: int
    fault: str
    started: float
    ended: bool
