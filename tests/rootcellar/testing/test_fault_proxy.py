"""The proxy before a server of ours that says what it got, and a client of plain sockets."""

from __future__ import annotations

import hashlib
import http.client
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from rootcellar.testing import Fault, FaultProxy, Match

BODY = bytes(range(256)) * 1024
SIZE = len(BODY)


def get(client, path="/bucket/key", **fields):
    client.request("GET", path, headers=fields)
    reply = client.getresponse()
    return reply.status, reply.read()


def put(client, content):
    client.request("PUT", "/b/k", content)
    return client.getresponse().read().decode()


@pytest.mark.parametrize("path", ["/b/plain", "/b/chunked", "/b/endless"])
def test_a_reply_passes_whole(client, path):
    """Whatever way the server says how long the body is, on a connection that stays."""
    line = None
    for _ in range(3):
        assert (200, BODY) == get(client, path)
        line = line or client.sock
        assert line is client.sock


def test_a_reply_without_body_passes(client):
    """A HEAD says the length of what it does not send."""
    for _ in range(2):
        client.request("HEAD", "/b/key")
        reply = client.getresponse()

        assert (200, str(SIZE), b"") == (
            reply.status,
            reply.getheader("Content-Length"),
            reply.read(),
        )


@pytest.mark.parametrize("chunked", [False, True])
def test_a_request_passes_whole(client, proxy, chunked):
    """With a length or in chunks, and it is counted."""
    pieces = [BODY] * 3

    client.request("PUT", "/b/k", iter(pieces) if chunked else BODY * 3, encode_chunked=chunked)
    digest = client.getresponse().read().decode()

    assert hashlib.sha256(BODY * 3).hexdigest() == digest
    assert 3 * SIZE == proxy.requests[0].sent_bytes


def test_a_client_that_asks_first_is_told_to_go_on(proxy):
    """Expect: 100-continue is answered before the body is sent."""
    with socket.create_connection(urlsplit(proxy.url).netloc.split(":")) as line:
        line.sendall(b"PUT /b/k HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == line.recv(100)
        line.sendall(b"abc")
        assert b"HTTP/1.1 200" in line.recv(1000)


def test_a_client_that_asks_first_may_be_refused(proxy):
    """An error comes in place of the word to go on, and the body is never asked for."""
    proxy.add(Fault.status(403))
    with socket.create_connection(urlsplit(proxy.url).netloc.split(":")) as line:
        line.sendall(b"PUT /b/k HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")

        assert line.recv(100).startswith(b"HTTP/1.1 403")


def test_connections_are_parallel(proxy, client):
    """One that is held does not hold the others."""
    proxy.add(Fault.stall(), when=Match(key="held"))
    client.timeout = 0.5
    with (
        ThreadPoolExecutor() as pool,
        closing(http.client.HTTPConnection(urlsplit(proxy.url).netloc)) as other,
    ):
        held = pool.submit(get, client, "/b/held")
        assert (200, BODY) == get(other)
        with pytest.raises(TimeoutError):
            held.result()


def test_a_request_is_logged(client, proxy):
    """With its key decoded, its range, and what became of it."""
    get(client, "/bucket/some/a%20key?partNumber=2", Range="bytes=0-9")

    (request,) = proxy.requests

    assert ("GET", "some/a key", "partNumber=2") == (request.method, request.key, request.query)
    assert ("bytes=0-9", 200, SIZE) == (request.range, request.status, request.received_bytes)
    assert (0, "") == (request.sent_bytes, request.fault)


def test_a_fault_is_for_what_matches(client, proxy):
    """From the nth request on, so many times, and no other method, key, query or range."""
    when = Match(method="GET", key="*.parquet", query="a=*", range="bytes=0-*", nth=2)
    proxy.add(Fault.status(503), when=when, times=2)
    wanted = [("/b/x.parquet?a=1", "bytes=0-9")] * 5
    others = [("/b/x.json?a=1", "bytes=0-9"), ("/b/x.parquet", "bytes=0-9"),
              ("/b/x.parquet?a=1", "bytes=5-9")]  # fmt: skip

    assert [200] * 3 == [get(client, path, Range=span)[0] for path, span in others]
    assert [200, 503, 503, 200, 200] == [get(client, p, Range=span)[0] for p, span in wanted]
    assert 2 == len([r for r in proxy.requests if r.fault == "status 503 SlowDown"])


def test_the_first_rule_wins_and_the_others_count(client, proxy):
    """One request has one fault; a rule that was not asked has its turn later."""
    proxy.add(Fault.status(500))
    proxy.add(Fault.status(403), times=None)

    assert [500, 403, 403] == [get(client)[0] for _ in range(3)]


@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [(503, "", b"SlowDown"), (412, "", b"PreconditionFailed"), (500, "Odd", b"Odd")],
)
def test_an_error_has_the_form_of_s3(client, proxy, server, status, code, shown):
    """The server does not hear of the request, and the connection stays."""
    proxy.add(Fault.status(status, code=code))

    got, content = get(client, "/b/refused")

    assert status == got
    assert b"<Code>" + shown + b"</Code>" in content
    assert "/b/refused" not in server.seen
    assert (200, BODY) == get(client)


def test_a_byte_is_flipped(client, proxy):
    """One, and the length stays."""
    proxy.add(Fault.flip(100_000))

    _, content = get(client)

    assert [100_000] == [at for at in range(SIZE) if content[at] != BODY[at]]


def test_a_byte_is_flipped_on_the_way_up(client, proxy):
    """The server gets another body than the client sent."""
    proxy.add(Fault.flip(1, of="request"))

    assert hashlib.sha256(b"a\x9dc").hexdigest() == put(client, b"abc")


@pytest.mark.parametrize("path", ["/b/plain", "/b/chunked"])
@pytest.mark.parametrize("after", [0, 1000, 100_000])
def test_a_reply_is_cut(client, proxy, path, after):
    """The client gets so many bytes and sees that more were promised."""
    proxy.add(Fault.cut(after_bytes=after))

    with pytest.raises(http.client.IncompleteRead) as raised:
        get(client, path)

    assert BODY[:after] == raised.value.partial or path == "/b/chunked"
    assert after == proxy.requests[0].received_bytes


def test_a_connection_is_reset(client, proxy, server):
    """Before the request went on, or in the reply."""
    proxy.add(Fault.reset())
    with pytest.raises(ConnectionResetError):
        get(client, "/b/reset")
    assert "/b/reset" not in server.seen

    client.close()
    proxy.add(Fault.reset(after_bytes=1000))
    with pytest.raises(ConnectionResetError):
        get(client)


def test_a_request_is_broken_off(client, proxy, server):
    """The server gets a part of it."""
    before = server.broken_off
    proxy.add(Fault.reset(after_bytes=1000, of="request"))

    with pytest.raises(OSError, match=r"reset|pipe"):
        put(client, BODY)

    end = time.monotonic() + 10
    while server.broken_off == before:
        assert time.monotonic() < end


def test_a_shorter_length_is_consistent(client, proxy):
    """HTTP sees nothing wrong, and the end is missing."""
    proxy.add(Fault.wrong_length(-10))

    assert (200, BODY[:-10]) == get(client)
    assert (200, BODY) == get(client)


def test_a_longer_length_is_not_kept(client, proxy):
    """All of the body comes, and more was promised."""
    proxy.add(Fault.wrong_length(10))

    with pytest.raises(http.client.IncompleteRead) as raised:
        get(client)

    assert BODY == raised.value.partial


def test_a_reply_is_lost(client, proxy, server):
    """The server has done it, and the client hears nothing."""
    proxy.add(Fault.lose_reply())

    with pytest.raises(http.client.RemoteDisconnected):
        get(client, "/b/lost")

    assert "/b/lost" in server.seen
    assert 0 == proxy.requests[0].status


def test_a_delay_delays(client, proxy):
    """By at least its time."""
    proxy.add(Fault.delay(0.2))
    started = time.monotonic()

    assert (200, BODY) == get(client)
    assert time.monotonic() - started >= 0.2


def test_a_slow_body_is_slow(client, proxy):
    """At no more than its rate."""
    proxy.add(Fault.slow(SIZE * 4))
    started = time.monotonic()

    assert (200, BODY) == get(client)
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("fault", [Fault.stall(), Fault.stall(after_bytes=10), Fault.slow(1)])
def test_the_end_does_not_wait_for_a_stall(proxy, client, fault):
    """A stalled client is let go when the proxy ends."""
    proxy.add(fault)
    started = time.monotonic()
    with ThreadPoolExecutor() as pool:
        held = pool.submit(get, client)
        while not proxy.requests:
            assert time.monotonic() < started + 10
        proxy.close()
        with pytest.raises((http.client.HTTPException, OSError)):
            held.result()
    assert time.monotonic() - started < 5


def test_a_stall_ends_with_its_client(proxy, client):
    """When the client gives up, the request is over."""
    proxy.add(Fault.stall(after_bytes=10))
    client.request("GET", "/b/k")
    client.getresponse().read(10)
    client.close()

    end = time.monotonic() + 10
    while not proxy.requests[0].ended:
        assert time.monotonic() < end


def test_something_happens_before_a_request(client, proxy, server):
    """In that moment, and the request goes on."""
    proxy.add(Fault.before(lambda: server.seen.append("before")), when=Match(nth=2))

    get(client, "/b/first")
    get(client, "/b/second")

    assert ["/b/first", "before", "/b/second"] == server.seen[-3:]


def test_what_a_test_got_wrong_is_not_hidden(server):
    """The end of the proxy raises what the test's own function raised."""
    proxy = FaultProxy(f"http://127.0.0.1:{server.server_port}")
    proxy.add(Fault.before(lambda: 1 // 0))
    with (
        pytest.raises(ZeroDivisionError),
        proxy,
        closing(http.client.HTTPConnection(urlsplit(proxy.url).netloc)) as client,
        pytest.raises(http.client.RemoteDisconnected),
    ):
        get(client)


def test_chance_is_the_same_with_each_run(client, proxy):
    """A seed chooses which requests fail, and with what."""
    faults = [Fault.status(500), Fault.status(503)]
    said = []
    for seed in (1, 1, 2):
        proxy.clear()
        proxy.scatter(faults, rate=0.5, seed=seed, when=Match(key="b*"), times=4)
        said.append([get(client, f"/b/{key}")[0] for key in "abababababababab"])

    assert said[0] == said[1]
    assert said[0] != said[2]
    assert {200, 500, 503} == set(said[0])
    assert 4 == len([status for status in said[0] if status != 200])


def test_many_clients_and_many_bytes(proxy):
    """A hundred megabytes over eight connections come as they are."""

    def load(number):
        with closing(http.client.HTTPConnection(urlsplit(proxy.url).netloc)) as client:
            return all(get(client) == (200, BODY) for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(load, range(8)))
    assert 400 == len(proxy.matching(Match(method="GET")))


def test_a_server_that_is_not_there_is_a_bad_gateway():
    """The client is told so."""
    with (
        FaultProxy("http://127.0.0.1:9") as proxy,
        closing(http.client.HTTPConnection(urlsplit(proxy.url).netloc)) as client,
    ):
        assert 502 == get(client)[0]


@pytest.mark.parametrize("target", ["https://a", "127.0.0.1:80", ""])
def test_only_plain_servers(target):
    """Another URL is refused where it is given."""
    with pytest.raises(ValueError, match="not the URL"):
        FaultProxy(target)


def test_requests_are_counted_from_one():
    """A rule for the request before the first is a mistake."""
    with pytest.raises(ValueError, match="number 1"):
        Match(nth=0)


def test_clearing_lets_go_of_a_full_line(proxy):
    """A stalled client that has filled the line and given up is forgotten with the rest."""
    proxy.add(Fault.stall())
    with socket.create_connection(urlsplit(proxy.url).netloc.split(":")) as line:
        line.sendall(b"PUT /b/k HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n")
        line.settimeout(0.2)
        with pytest.raises(TimeoutError):
            line.sendall(bytes(100_000_000))
    (held,) = proxy._exchanges
    assert not held.ended

    proxy.clear()

    end = time.monotonic() + 10
    while not held.ended:
        assert time.monotonic() < end
    assert () == proxy.requests


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda proxy: proxy.add(503), "not a fault: 503"),
        (lambda proxy: proxy.add(Fault.reset(), when="GET"), "not a match: 'GET'"),
        (lambda proxy: proxy.add(Fault.reset(), times=0), "not 0 times"),
        (lambda proxy: proxy.scatter([503], rate=1, seed=1), "not a fault: 503"),
        (lambda _: Match(method="get"), "'get' matches none"),
        (lambda _: Fault.status(42), "not a status of HTTP: 42"),
    ],
)
def test_what_would_do_nothing_is_refused(proxy, wrong, said):
    """At once, and not in a thread of the proxy."""
    with pytest.raises((TypeError, ValueError), match=said):
        wrong(proxy)
