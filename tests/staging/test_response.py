"""Answers that lie about their length, trickle, or do not end."""

from __future__ import annotations

import threading

import pytest
from scripted import get

from rootcellar.staging.stores.http import response as response_module
from rootcellar.staging.stores.http.wire import (
    BrokenAnswerError,
    Request,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "e"\r\n\r\nhello'


@pytest.mark.parametrize("rest", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"\r\n"])
def test_more_than_was_told_is_not_the_next_answer(play, rest):
    """What stands behind a body is dropped with its connection."""
    script, wire = play(OK + rest, OK)

    assert [b"hello", b"hello"] == [get(wire)[2], get(wire)[2]]
    assert 2 == script.connections


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"xyz\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhelloXX0\r\n\r\n",
        CHUNKED + b"0\r\n" + b"a: b\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    ],
)
def test_nonsense_is_a_broken_answer(play, answer):
    """It is tried again as a lost connection is, and nothing else is raised."""
    _, wire = play(answer)

    with pytest.raises(BrokenAnswerError):
        get(wire)


def test_early_hints_are_passed_over(play):
    """Any interim answer is followed by the one that counts."""
    _, wire = play(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK)

    assert b"hello" == get(wire)[2]


def test_an_answer_that_does_not_end_is_not_held(play, monkeypatch):
    """What is held in memory is bounded, whatever the other side sends."""
    monkeypatch.setattr(response_module, "_CONTENT_BYTES", 1000)
    _, wire = play(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000)

    with pytest.raises(BrokenAnswerError, match="too long"):
        get(wire)


def test_a_body_in_chunks_is_not_held(play):
    """Where it is read piece by piece, it is however it is told to end."""
    piece = b"%x\r\n" % 2**20 + bytes(2**20) + b"\r\n"
    _, wire = play(CHUNKED + 3 * piece + b"0\r\n\r\n")

    with wire.exchange(Request("GET", "/", {"host": "h"})) as response:
        sizes = [len(chunk) for chunk in response.chunks()]

    assert 3 * 2**20 == sum(sizes)
    assert 2**20 >= max(sizes)
    assert response.is_done


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"ffffff\r\n", b"x"),
        (CHUNKED, b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    ],
    ids=["head", "chunks", "one chunk", "length of a chunk", "no length"],
)
def test_an_answer_that_trickles_is_an_error(play, monkeypatch, begin, again):
    """However little at a time keeps the connection alive, no exchange goes on for ever."""
    monkeypatch.setattr(response_module, "_CONTENT_TIMEOUTS", 2)
    ended = threading.Event()

    def trickle(connection):
        connection.sendall(begin)
        while not ended.wait(0.02):
            connection.sendall(again)

    _, wire = play(trickle, timeout_seconds=0.2)
    with pytest.raises(TimeoutError, match="too slowly"):
        get(wire)
    ended.set()
