"""Many small exchanges by one thread: what is clean comes, all else is handed back."""

from __future__ import annotations

import gc
import os
import socket
import ssl
import threading
import time
import warnings
from contextlib import closing
from itertools import pairwise

import pytest
import test_wire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from many_server import Served

from rootcellar.staging.engine.pipeline import pipelined
from rootcellar.staging.stores.http import many as wire_many_module
from rootcellar.staging.stores.http.endpoint import Endpoint
from rootcellar.staging.stores.http.many import MOST_BYTES, exchange_many
from rootcellar.staging.stores.http.wire import FileSlice, Request, Wire

certificate = test_wire.certificate


@pytest.fixture
def serve():
    servers = []

    def begin(answer, server_tls=None, **endpoint):
        server = Served(answer, server_tls)
        servers.append(server)
        return server, Wire(Endpoint("127.0.0.1", server.port, **endpoint))

    yield begin
    for server in servers:
        server.close()


def ok(body, extra=""):
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


def gets(paths):
    return [(path, Request("GET", path, {"host": "h"})) for path in paths]


def outcome(wire, requests):
    """What came of each: its bytes, or None where it is not done."""
    return {
        done.item: bytes(done.body) if done.status else None
        for done in exchange_many(wire, requests)
    }


def body_of(path):
    """Of a length that the path tells."""
    return path.encode() * int(path.rpartition("/")[2])


PATHS = [f"/{number}/{number * 37 % 3000}" for number in range(1, 301)]


def test_each_request_gets_its_own_answer(serve):
    """Over few connections, which are used again, and kept in the end."""
    server, wire = serve(lambda path, _: ok(body_of(path), "ETag: x\r\n"))

    assert {path: body_of(path) for path in PATHS} == outcome(wire, gets(PATHS))
    assert server.connections <= 32
    before = server.connections
    assert {"/a/3": b"/a/3" * 3} == outcome(wire, gets(["/a/3"]))
    assert before == server.connections


def test_an_answer_tells_status_and_headers(serve):
    """The names of headers are in small letters."""
    _, wire = serve(lambda *_: ok(b"", 'ETag: "E"\r\n'))

    [done] = exchange_many(wire, gets(["/a"]))

    assert ("/a", 200, '"E"', b"") == (done.item, done.status, done.headers["etag"], done.body)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, 600), max_size=8), st.integers(0, 500))
def test_an_answer_may_come_in_any_pieces(serve, cuts, size):
    """Wherever the other side, or the network, cuts it."""
    content = os.urandom(size)
    whole = ok(content, "ETag: abc\r\n")
    ends = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(ends) if b > a]
    server, wire = serve(lambda *_: pieces)

    assert dict.fromkeys("abc", content) == outcome(wire, gets("abc"))
    server.close()


def test_bodies_are_sent(serve):
    """Also those that no socket takes at once."""
    contents = {f"/{size}": os.urandom(size) for size in (0, 1, 20_000, 262_144, 5_000_000)}
    _, wire = serve(lambda path, body: ok(b"%d" % (body == contents[path])))
    requests = [(path, Request("PUT", path, {"host": "h"}, c)) for path, c in contents.items()]

    assert dict.fromkeys(contents, b"1") == outcome(wire, requests)


def test_an_encrypted_way_carries_the_same(serve, certificate):
    """Both directions, and answers that come as several records."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=certificate)
    server, wire = serve(lambda path, body: ok(body_of(path) + body), tls, tls=trust)
    paths = [*PATHS, "/large/20000"]
    sent = os.urandom(200_000)
    puts = [(path, Request("PUT", path, {"host": "h"}, sent)) for path in PATHS[:20]]

    assert {path: body_of(path) for path in paths} == outcome(wire, gets(paths))
    assert {path: body_of(path) + sent for path, _ in puts} == outcome(wire, puts)
    assert 1 < server.connections <= 32


def test_who_is_not_vouched_for_is_sent_nothing(serve, certificate):
    """All is handed back, to be refused with the reason by the ordinary way."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    server, wire = serve(lambda *_: ok(b"x"), tls, tls=ssl.create_default_context())

    assert dict.fromkeys("abc") == outcome(wire, gets("abc"))
    assert [] == server.seen


BAD = {
    "closed": None,
    "garbage": b"SSH-2.0-OpenSSH\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "no number": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "digits without end": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
    "superscript": "HTTP/1.1 200 OK\r\nContent-Length: ²\r\n\r\nhe".encode("latin-1"),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n\r\n",
    "both": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhe",
    "too much": ok(b"hello") + b"more",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"hello"),
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    "too large": ok(b"x" * (MOST_BYTES + 1)),
    "refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    "elsewhere": b"HTTP/1.1 307 There\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
    "busy": b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_clean_is_handed_back(serve, name):
    """It alone, and without harm to others before and behind it on its connection."""
    _, wire = serve(lambda path, _: BAD[name] if path == "/bad" else ok(path.encode()))
    paths = [f"/{number}" for number in range(40)]
    paths[7] = paths[23] = "/bad"

    found = [
        (done.item, bytes(done.body) if done.status else None)
        for done in exchange_many(wire, gets(paths))
    ]

    expected = [(path, None if path == "/bad" else path.encode()) for path in paths]
    assert sorted(expected, key=str) == sorted(found, key=str)


def test_a_body_that_ends_early_is_handed_back(serve):
    """Fewer bytes than were announced are never taken for all."""

    def cut(path, _):
        yield ok(b"hello")[: -1 if path == "/cut" else None]
        if path == "/cut":
            raise OSError

    _, wire = serve(cut)

    assert {"/cut": None, "/whole": b"hello"} == outcome(wire, gets(["/cut", "/whole"]))


def test_silence_is_handed_back(serve):
    """Nothing for the time that is allowed; the rest goes on meanwhile."""
    release = threading.Event()

    def stall(path, _):
        if path == "/silent":
            release.wait(20)
        return ok(b"x")

    _, wire = serve(stall, timeout_seconds=0.5)
    paths = ["/silent", *(f"/{number}" for number in range(100))]
    order = [(done.item, done.status) for done in exchange_many(wire, gets(paths))]
    release.set()

    assert ("/silent", 0) == order[-1]
    assert {200} == {status for _, status in order[:-1]}


def test_a_trickle_is_handed_back(serve):
    """A body that comes by single bytes, each in time, does not come."""
    done = threading.Event()

    def trickle(*_):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        while not done.wait(0.05):
            yield b"x"

    _, wire = serve(trickle, timeout_seconds=0.5)
    found = outcome(wire, gets(["/a"]))
    done.set()

    assert {"/a": None} == found


def test_nobody_listens(serve):
    """Each request is handed back, and none is held."""
    server, wire = serve(lambda *_: None)
    server.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    wire = Wire(Endpoint("127.0.0.1", port))

    assert dict.fromkeys(PATHS) == outcome(wire, gets(PATHS))


def test_a_server_that_closes_each_connection_is_served(serve):
    """With as many connections as it takes."""
    server, wire = serve(lambda path, _: ok(path.encode(), "Connection: close\r\n"))

    assert {path: path.encode() for path in PATHS} == outcome(wire, gets(PATHS))
    assert len(PATHS) <= server.connections


def test_a_closed_idle_connection_costs_one_request(serve):
    """The other side may close what is idle, at any moment; only what was sent there is lost."""
    server, wire = serve(lambda path, _: ok(path.encode()))
    outcome(wire, gets(PATHS[:40]))
    for connection in server._open:
        connection.shutdown(socket.SHUT_RDWR)

    assert {path: path.encode() for path in PATHS} == outcome(wire, gets(PATHS))


def test_requests_are_taken_as_they_can_be_sent(serve):
    """Memory stays bounded however many there are: never more than 32 and one are under way."""
    _, wire = serve(lambda path, _: ok(path.encode()))
    taken = ended = most = 0

    def requests():
        nonlocal taken, most
        for one in gets(PATHS * 3):
            taken += 1
            most = max(most, taken - ended)
            yield one

    for _ in exchange_many(wire, requests()):
        ended += 1

    assert 3 * len(PATHS) == ended
    assert most <= wire_many_module._MOST_CONNECTIONS + 1


def test_what_the_requests_raise_is_raised(serve):
    """And the connections on which something is under way are closed."""
    _, wire = serve(lambda path, _: ok(path.encode()))

    def requests():
        yield from gets(PATHS[:20])
        raise LookupError

    with pytest.raises(LookupError):
        list(exchange_many(wire, requests()))

    assert {"/a": b"/a"} == outcome(wire, gets(["/a"]))


def test_idle_connections_go_with_what_they_belong_to(serve):
    """Also where that is part of a cycle; the collector has nothing to warn of."""
    _, wire = serve(lambda path, _: ok(path.encode()))
    outcome(wire, gets(PATHS[:20]))
    cycle = [wire]
    cycle.append(cycle)

    del wire, cycle
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()

    assert [] == [str(one.message) for one in caught if "socket" in str(one.message)]


def test_leaving_early_leaves_nothing_behind(serve):
    """A connection with half an answer on it is not used again."""
    _, wire = serve(lambda path, _: ok(path.encode() * 1000))

    with closing(exchange_many(wire, gets(PATHS))) as answers:
        next(answers)

    assert {"/a": b"/a" * 1000, "/b": b"/b" * 1000} == outcome(wire, gets(["/a", "/b"]))


def test_it_is_cut_off_when_it_is_not_wanted(serve):
    """By whoever stops the work that its thread does, without waiting for the other side."""
    release, begun = threading.Event(), threading.Event()

    def wait(*_):
        begun.set()
        release.wait(20)

    _, wire = serve(wait)

    def work(item):
        if item:
            begun.wait(20)
            raise LookupError
        list(exchange_many(wire, gets(PATHS)))

    started = time.monotonic()
    with pytest.raises(LookupError):
        list(pipelined([0, 1], work, parallel=2))
    release.set()

    assert time.monotonic() - started < 10


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_signal_ends_it(serve, alarm):
    """A soft time limit is raised out of the wait; a socket that was just made is dropped."""
    release, begun = threading.Event(), threading.Event()

    def wait(*_):
        begun.set()
        release.wait(20)

    _, wire = serve(wait)
    alarm.when(begun)

    with pytest.raises(alarm.error):
        list(exchange_many(wire, gets(PATHS)))
    release.set()
    gc.collect()  # while its warning is expected


@pytest.mark.parametrize(
    "request_",
    [Request("HEAD", "/a", {"host": "h"}), Request("PUT", "/a", {"host": "h"}, FileSlice(0, 0, 5))],
)
def test_what_is_not_for_it_is_handed_back(serve, request_):
    """Answers without a body, and bodies that are files."""
    server, wire = serve(lambda *_: ok(b"x"))

    assert {"a": None} == outcome(wire, [("a", request_)])
    assert [] == server.seen


def test_a_header_is_one_line(serve):
    """What came in a message adds no header, and no request."""
    server, wire = serve(lambda *_: ok(b"x"))
    request = Request("GET", "/a", {"host": "h", "if-match": '"e"\r\nx-amz-acl: public-read'})

    with pytest.raises(ValueError, match="line break"):
        list(exchange_many(wire, [("a", request)]))

    assert [] == server.seen
