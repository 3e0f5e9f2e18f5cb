"""Where a service listens, and sockets that lead there."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rootcellar.staging.engine.pipeline import cut_off_by

if TYPE_CHECKING:
    import ssl

__all__ = ["Endpoint", "let_wait", "opened", "send_look_seconds"]

_SEND_LOOKS = 4


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service listens.

    Attributes:
        tls: None for a way that is not encrypted.
        timeout_seconds: In which something must come or go; 64 KiB of a body. What stands still
            is given up after twice as long at most: a buffer may just have been filled.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    connect_seconds: float = 10.0
    timeout_seconds: float = 30.0


def opened(endpoint: Endpoint) -> socket.socket:
    """Return a new socket, connected, and encrypted where the endpoint is.

    Raises:
        OSError: There is none to be had.
    """
    address = (endpoint.host, endpoint.port)
    raw = socket.create_connection(address, timeout=endpoint.connect_seconds)
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if endpoint.tls is None:
            return raw
        encrypted = endpoint.tls.wrap_socket(
            raw, server_hostname=endpoint.host, do_handshake_on_connect=False
        )
    except BaseException:
        raw.close()
        raise
    try:
        with cut_off_by(lambda: _cut(encrypted)):
            encrypted.do_handshake()
    except BaseException:
        encrypted.close()
        raise
    return encrypted


def _cut(connected: socket.socket) -> None:
    # Not SSLSocket's, which changes what the other thread works with. It may be closed already.
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def let_wait(connected: socket.socket, endpoint: Endpoint) -> None:
    """Let a socket wait for what comes and goes, no longer than the endpoint's timeout."""
    if endpoint.tls is not None:
        connected.settimeout(endpoint.timeout_seconds)
        return
    # The kernel's own timeouts: Python's would add a call to every call.
    limit = _timeval(endpoint.timeout_seconds)
    connected.settimeout(None)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    # The kernel waits up to three times until it tells that it sent no more.
    often = _timeval(send_look_seconds(endpoint.timeout_seconds))
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, often)


def send_look_seconds(timeout_seconds: float) -> float:
    """Return how long to wait at once for room to send, which is told late if it grows slowly."""
    return timeout_seconds / _SEND_LOOKS


def _timeval(seconds: float) -> bytes:
    # No time at all would mean for ever.
    micros = max(1, round(seconds * 1_000_000))
    return struct.pack("ll", micros // 1_000_000, micros % 1_000_000)
