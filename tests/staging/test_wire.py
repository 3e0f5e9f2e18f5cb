"""HTTP as object stores speak it, and as they break it, from a server that plays a script."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import threading
import time
from contextlib import suppress

import pytest
from scripted import Script, get

from rootcellar.staging.engine.pipeline import pipelined
from rootcellar.staging.stores.http import wire as wire_module
from rootcellar.staging.stores.http.wire import (
    BrokenAnswerError,
    Endpoint,
    FileSlice,
    Request,
    Wire,
)

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "e"\r\n\r\nhello'


def test_an_answer_has_status_headers_and_body(play):
    """The names of headers are in small letters; the request went out as given."""
    script, wire = play(OK)

    status, headers, content = get(wire)

    assert (200, '"e"', b"hello") == (status, headers["etag"], content)
    assert b"GET /x?a=b HTTP/1.1\r\nhost: h\r\n\r\n" == script.requests[0]


def test_a_connection_is_used_again(play):
    """Also after answers without a body; but not after one that closes."""
    closing = OK.replace(b"ETag", b"Connection: close\r\nETag")
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    script, wire = play(OK, empty, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", closing, OK)

    for method in ["GET", "DELETE", "HEAD", "GET", "GET"]:
        get(wire, method)

    assert 2 == script.connections


def test_a_body_may_come_in_chunks_of_unknown_length(play):
    """As Amazon sends XML."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    script, wire = play(chunked + b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: t\r\n\r\n", OK)

    assert b"hello" == get(wire)[2]
    assert b"hello" == get(wire)[2]
    assert 1 == script.connections


GET = Request("GET", "/x", {"host": "h"})
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_chunks_come_as_they_are_sent(play):
    """A large body of unknown length takes no more memory than another."""
    part = os.urandom(3 * 2**20)
    sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for _ in range(2)) + b"0\r\n\r\n"
    _, wire = play(CHUNKED + sent, OK)

    with wire.exchange(GET) as response:
        sizes, content = [], b""
        for chunk in response.chunks():
            sizes.append(len(chunk))
            content += chunk

    assert 2 * part == content
    assert 2**20 >= max(sizes)
    with wire.exchange(GET) as response:
        assert b"hello" == response.content()


def test_a_body_may_end_with_the_connection(play):
    """As HTTP/1.0 had it."""
    _, wire = play(b"HTTP/1.0 200 OK\r\n\r\nhello")

    assert b"hello" == get(wire)[2]


def test_an_interim_answer_is_passed_over(play):
    """100 Continue is not the answer."""
    _, wire = play(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)

    assert 200 == get(wire)[0]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"SSH-2.0\r\n\r\n"])
def test_what_is_no_answer_is_an_error(play, answer):
    """Closed too early, or another protocol."""
    _, wire = play(answer)

    with pytest.raises(BrokenAnswerError):
        get(wire)


def test_a_body_that_ends_early_is_an_error(play):
    """Fewer bytes than were announced are never taken for all."""
    _, wire = play(OK[:-1])

    with pytest.raises(BrokenAnswerError, match="within"):
        get(wire)


@pytest.mark.parametrize("value", ['"e"\r\nx-amz-acl: public-read', '"e"\n\nGET /other', "\0"])
def test_a_header_is_one_line(play, value):
    """What came in a message adds no header, and no request whose answer another one would get."""
    script, wire = play(OK)
    request = Request("GET", "/a", {"host": "h", "if-match": value})
    with pytest.raises(ValueError, match="line break"), wire.exchange(request):
        pass

    assert [] == script.requests


def test_a_header_of_other_letters_is_sent(play):
    """It matches nothing, and is no reason to fail in another way."""
    script, wire = play(OK)
    with wire.exchange(Request("GET", "/a", {"host": "h", "if-match": "€"})) as response:
        response.content()

    assert b"if-match: ?" in script.requests[0]


def test_a_closed_idle_connection_is_replaced(play):
    """The other side may close what is idle, at any moment."""

    def once(connection):
        connection.sendall(OK)
        connection.close()

    script, wire = play(once, OK)

    assert b"hello" == get(wire)[2]
    assert b"hello" == get(wire)[2]
    assert 2 == script.connections


@pytest.fixture
def big(tmp_path):
    content = os.urandom(5_000_000)
    (tmp_path / "big").write_bytes(content)
    file = os.open(tmp_path / "big", os.O_RDONLY)
    yield file, content
    os.close(file)


def test_a_body_is_sent_from_a_file(play, big):
    """The slice, and its length."""
    file, content = big
    script, wire = play(OK)

    get(wire, "PUT", FileSlice(file, 1000, 4_500_000))

    head, _, body = script.requests[0].partition(b"\r\n\r\n")
    assert b"content-length: 4500000" in head
    assert content[1000:4_501_000] == body


def test_a_file_that_became_shorter_is_an_error(play, big):
    """The other side waits for bytes that are not there."""
    _, wire = play(OK)

    with pytest.raises(BrokenAnswerError, match="shorter"):
        get(wire, "PUT", FileSlice(big[0], 0, 6_000_000))


def test_who_refuses_a_body_is_heard(play, big):
    """The answer may come, and the connection be closed, before the body was sent."""

    def refuse(connection):
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    script, wire = play(refuse)
    script._receive = lambda connection: connection.recv(1000)

    with suppress(ConnectionError):  # a reset may overtake the answer
        assert 403 == get(wire, "PUT", FileSlice(big[0], 0, 5_000_000))[0]


def test_a_large_body_comes_in_small_pieces(play):
    """Of at most 1 MiB, from one buffer."""
    content = os.urandom(3_000_000)
    _, wire = play(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + content)

    with wire.exchange(Request("GET", "/", {"host": "h"})) as response:
        pieces = [bytes(chunk) for chunk in response.chunks()]

    assert content == b"".join(pieces)
    assert max(map(len, pieces)) <= 1024 * 1024


def test_silence_is_an_error(play):
    """Nothing for the time that is allowed."""
    release = threading.Event()
    _, wire = play(lambda _: release.wait(20), timeout_seconds=1)

    with pytest.raises(TimeoutError):
        get(wire)
    release.set()


def test_a_trickle_is_an_error(play, monkeypatch):
    """A body that comes by single bytes is given up."""
    clock = [1000.0]
    monkeypatch.setattr(wire_module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(wire_module, "BODY_BUFFER_BYTES", 10)

    entered = threading.Event()

    def trickle(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        entered.wait(20)
        connection.sendall(b"x" * 999)

    _, wire = play(trickle)
    request = Request("GET", "/", {"host": "h"})

    def read():
        with wire.exchange(request) as response:
            entered.set()
            for _ in response.chunks():
                clock[0] += 20

    with pytest.raises(TimeoutError, match="too slowly"):
        read()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_waiting_exchange_is_cut_off(play):
    """When its work is no longer wanted, it does not wait for the other side."""
    release, begun = threading.Event(), threading.Event()

    def wait(_):
        begun.set()
        release.wait(20)

    _, wire = play(wait)

    def work(item):
        if item:
            begun.wait(20)
            raise LookupError
        get(wire)

    started = time.monotonic()
    with pytest.raises(LookupError):
        list(pipelined([0, 1], work, parallel=2))

    assert time.monotonic() - started < 10
    release.set()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_an_encrypted_way_carries_the_same(play, certificate, big):
    """Both directions, over a connection that is used again."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    content = os.urandom(3_000_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + content
    script, wire = play(OK, answer, server_tls=server, tls=trusting(certificate))

    get(wire, "PUT", FileSlice(big[0], 1000, 4_000_000))

    assert content == get(wire)[2]
    assert script.requests[0].endswith(big[1][1000:4_001_000])
    assert 1 == script.connections


def test_a_certificate_that_nobody_vouches_for_is_refused(play, certificate):
    """The other side must be who it says."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    script = Script([OK], server)
    wire = Wire(Endpoint("127.0.0.1", script.port, ssl.create_default_context()))

    with pytest.raises(ssl.SSLCertVerificationError):
        get(wire)
    script.close()


def trusting(certificate):
    return ssl.create_default_context(cafile=certificate)
