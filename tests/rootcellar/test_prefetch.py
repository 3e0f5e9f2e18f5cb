"""What a worker knows of a message's inputs before its run begins; see end_to_end/test_prefetch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from types import SimpleNamespace
from typing import Annotated

import pytest
from grid_words import Words, count_words

from rootcellar import STREAMED, Staged, prefetch
from rootcellar.prefetch import Feed, upcoming_inputs
from rootcellar.schemas.errors import BindingError
from rootcellar.settings import Settings
from rootcellar.staging.prefetch import MESSAGE_BYTES, Upcoming


def streamed(text: Annotated[Staged[Words], STREAMED]) -> int:
    return len(text.open().read())


def gathered(texts: list[Staged[Words]]) -> int:
    return len(texts)


def message(project, body, *args):
    """Return a message as a worker has it when it is received."""
    return SimpleNamespace(id="t", task=project.app.task(body), args=args, kwargs={})


def test_keys_are_known_by_their_uris(project):
    """Each member of a fan-in is one input, of the task's id."""
    found = upcoming_inputs(message(project, gathered, [3, 4]))

    assert [("t", "raw://words/03.txt"), ("t", "raw://words/04.txt")] == [
        (one.task, one.uri) for one in found
    ]


def test_refs_are_known_exactly(project):
    """With their digest and state."""
    project.put(Words(page=1), "a b")
    project.app.task(count_words).apply(args=(1,)).get()
    (used,) = project.last_run().inputs
    ref = used.version.ref

    (found,) = upcoming_inputs(message(project, count_words, ref.__json__()))
    assert (ref.uri, ref.digest, ref.pin) == (found.uri, found.digest, found.pin)


def test_what_is_streamed_is_left_alone(project):
    """The body reads ranges of it; the whole may be larger than the disk."""
    assert [] == upcoming_inputs(message(project, streamed, 3))


def test_selections_are_left_to_the_run(project):
    """Only the catalog knows their members."""
    assert [] == upcoming_inputs(message(project, gathered, Words.where(page=[1, 2]).__json__()))


def test_a_message_that_does_not_bind(project):
    """It is the run that will tell of it; here it is an error of ours."""
    with pytest.raises(BindingError):
        upcoming_inputs(message(project, count_words, "three"))


class Subprocess:
    """Stands for what would listen; what it was sent is read by the test."""

    def __init__(self, *_args, pass_fds, **_options):
        self.pid = 0
        self.socket = socket.socket(fileno=os.dup(pass_fds[0]))
        self.terminate = self.socket.close

    def wait(self, _seconds):
        return 0

    def messages(self):
        self.socket.settimeout(0)
        found = []
        while True:
            try:
                found.append(json.loads(self.socket.recv(MESSAGE_BYTES)))
            except BlockingIOError:
                return found


@pytest.fixture
def feed(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", Subprocess)
    feed = Feed(Settings(cache_dir=tmp_path))
    yield feed
    feed.close()


def test_long_names_go_in_more_messages(feed):
    """None is longer than the subprocess reads; what fits into none is left out."""
    names = [f"raw://{number}/{'a' * 8000}" for number in range(18)]
    wanted = [Upcoming("t", uri, "file") for uri in [*names, f"raw://{'a' * MESSAGE_BYTES}"]]

    assert feed.add(wanted)

    told = [one["uri"] for said in feed._process.messages() for one in said.get("add", ())]
    assert names == told


def test_starts_leave_nothing_registered(feed, monkeypatch):
    """However often it starts, a child of the pool closes what is open, once."""
    registered = []
    monkeypatch.setattr(os, "register_at_fork", lambda **what: registered.append(what))
    prefetch._close_in_children.cache_clear()

    for _ in range(2):
        assert feed.add([Upcoming("t", "raw://a", "file")])
        feed.close()

    assert 1 == len(registered)
