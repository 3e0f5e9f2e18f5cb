"""A server between a client and an S3 server that lets things go wrong as a test asks.

It knows HTTP and nothing of S3 but the form of its errors, so it stands before any server that
does not look at the Host field: moto, MinIO, one of your own. Bodies pass through piece by piece.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rootcellar.testing.connection import Connection
from rootcellar.testing.exchange import Exchange
from rootcellar.testing.faults import ActionFailed, Fault, Match
from rootcellar.testing.rules import Rules, always, at_random
from rootcellar.testing.wire import HttpError, LineClosed, read_head

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from rootcellar.testing.proxied import ProxiedRequest

__all__ = ["FaultProxy"]

_ANY = Match()
_LOOPBACK = "127.0.0.1"
_STOP_SECONDS = 10.0


class FaultProxy:
    """A proxy before a server, on a free port of this host. A context manager.

    Requests run in threads, one for each connection, as in a server. Without rules all requests
    pass as they are. At most one fault is done to a request: the first rule that is due wins.

    Args:
        target: URL of the server, `http://host:port`.

    Raises:
        ValueError: The URL is another.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        if parts.scheme != "http" or not parts.hostname:
            msg = f"not the URL of a server without encryption: {target!r}"
            raise ValueError(msg)
        self._target = (parts.hostname, parts.port or 80)
        self._rules = Rules()
        self._exchanges: list[Exchange] = []
        self._failures: list[BaseException] = []
        self._connections: set[Connection] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listener = socket.create_server((_LOOPBACK, 0), backlog=128)
        self._port = self._listener.getsockname()[1]
        self._acceptor = self._started(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if error is None and self._failures:
            raise self._failures[0]

    @property
    def url(self) -> str:
        """What clients take for the server's URL."""
        return f"http://{_LOOPBACK}:{self._port}"

    @property
    def requests(self) -> tuple[ProxiedRequest, ...]:
        """All requests since the start or `clear`, in the order in which they came."""
        with self._lock:
            return tuple(exchange.shown() for exchange in self._exchanges)

    def matching(self, when: Match) -> tuple[ProxiedRequest, ...]:
        """Return those of `requests` that match."""
        return tuple(request for request in self.requests if when.fits(request))

    def add(self, fault: Fault, *, when: Match = _ANY, times: int | None = 1) -> None:
        """Do something to requests that match.

        Args:
            fault: What.
            when: Which requests; `nth` of them is the first.
            times: How many in a row, or all if None.

        Raises:
            TypeError: It is no fault, or no match.
            ValueError: `times` is less than 1.
        """
        _check([fault], when, times)
        self._rules.add(when, times, always(fault))

    def scatter(
        self,
        faults: Sequence[Fault],
        *,
        rate: float,
        seed: int,
        when: Match = _ANY,
        times: int | None = None,
    ) -> None:
        """Do one of some things to requests that are chosen at random.

        The same seed chooses the same numbers of the requests that match, in the order in which
        they come.

        Args:
            faults: What.
            rate: In how many of all cases, from 0 to 1.
            seed: Of the choice.
            when: Which requests.
            times: How many in all.

        Raises:
            TypeError: One is no fault, or `when` is no match.
            ValueError: `times` is less than 1.
        """
        _check(faults, when, times)
        self._rules.add(when, times, at_random(faults, rate, seed))

    def clear(self) -> None:
        """Drop all rules, forget all requests, and cut those that stall; others go on."""
        self._rules.clear()
        with self._lock:
            self._exchanges.clear()
            for connection in self._connections:
                if connection.stalled:
                    connection.interrupt()

    def close(self) -> None:
        """End all connections and threads. Safe to repeat."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(_STOP_SECONDS)
        with self._lock:
            for connection in self._connections:
                connection.interrupt()
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(_STOP_SECONDS)
        self._listener.close()

    def _started(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, name="fault proxy", daemon=True)
        with self._lock:
            self._threads = {known for known in self._threads if known.is_alive()} | {thread}
            thread.start()
        return thread

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self._started(self._serve, self._opened(line))

    def _opened(self, line: socket.socket) -> Connection:
        connection = Connection(line, self._stopping)
        with self._lock:
            self._connections = {c for c in self._connections if not c.closed} | {connection}
        if self._stopping.is_set():
            connection.interrupt()
        return connection

    def _connect(self) -> Connection:
        return self._opened(socket.create_connection(self._target))

    def _serve(self, client: Connection) -> None:
        abruptly = False
        try:
            while self._serve_one(client):
                pass
        except LineClosed as end:
            abruptly = end.abruptly
        except ActionFailed as failure:
            self._failures.append(failure.__cause__ or failure)
        except (HttpError, OSError):
            pass
        finally:
            client.close(abruptly=abruptly)

    def _serve_one(self, client: Connection) -> bool:
        head = read_head(client.reader)
        if head is None:
            return False
        exchange = Exchange(client, head)
        exchange.fault = self._rules.due(exchange.shown()) or exchange.fault
        with self._lock:
            self._exchanges.append(exchange)
        try:
            return exchange.run(self._connect)
        finally:
            exchange.ended = True


def _check(faults: Sequence[object], when: object, times: int | None) -> None:
    """Refuse now what would only fail, or never match, in the proxy's thread."""
    wrong = next((one for one in faults if not isinstance(one, Fault)), None)
    if wrong is not None:
        msg = f"not a fault: {wrong!r}; make one as with Fault.status(503)"
        raise TypeError(msg)
    if not isinstance(when, Match):
        msg = f"not a match: {when!r}; write when=Match(method='GET')"
        raise TypeError(msg)
    if times is not None and times < 1:
        msg = f"a fault is done at least once, not {times} times; None is always"
        raise ValueError(msg)
