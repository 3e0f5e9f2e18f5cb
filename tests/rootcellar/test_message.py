"""message: what travels beside a call, and what is recorded of where a run came from."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003  the annotations of bodies are read

import pytest
from celery.signals import before_task_publish
from grid_words import Words, count_words

from rootcellar.message import HEADER


@pytest.fixture
def headers(project):
    """The headers of what this app sends."""
    project.app.conf.update(broker_url="memory://")
    sent = []

    def keep(headers=None, **_):
        sent.append(headers)

    before_task_publish.connect(keep, weak=False, dispatch_uid="headers")
    yield sent
    before_task_publish.disconnect(dispatch_uid="headers")


def test_header_is_small_and_plain(project, headers):
    """Run and commit: no paths, no arguments."""
    project.app.task(count_words).delay(1)
    (sent,) = headers

    assert re.fullmatch(r"- ([0-9a-f]{40}|-) (clean|dirty|-)", sent[HEADER])


def test_message_is_unchanged(project, headers):
    """The arguments travel as they were passed; a worker without us could run the task."""
    task = project.app.task(count_words)
    bodies = []
    before_task_publish.connect(
        lambda body=None, **_: bodies.append(body), weak=False, dispatch_uid="bodies"
    )
    task.delay(Words(page=1))
    before_task_publish.disconnect(dispatch_uid="bodies")

    assert bodies[0][0] == (Words(page=1),)


def test_headers_of_the_caller_are_kept(project, headers):
    """What a caller adds of its own stays."""
    project.app.task(count_words).apply_async((1,), headers={"mine": 1})

    assert headers[0]["mine"] == 1
    assert HEADER in headers[0]


def test_sender_is_the_run_that_sends(project, headers):
    """A task that is sent from a body names the run it was sent from."""
    inner = project.app.task(count_words)

    @project.app.task
    def outer(text: Path) -> None:
        inner.delay(2)

    project.put(Words(page=1), "a")
    outer.apply(args=[1]).get()

    assert headers[0][HEADER].split()[0] == project.last_run().uid


def test_commit_of_the_caller_is_recorded(project):
    """The code a message was sent with counts, not what the worker happens to have."""
    task = project.app.task(count_words)
    project.put(Words(page=1), "a")
    task.apply(args=[1], headers={HEADER: "- abc dirty"})
    code = project.last_run().code

    assert (code.git_commit, code.git_dirty) == ("abc", True)


@pytest.mark.parametrize("damaged", ["text", "a b c d", [1], {"run": None}])
def test_damaged_header_is_passed_over(project, damaged):
    """What somebody else put there does not stop a run."""
    task = project.app.task(count_words)
    project.put(Words(page=1), "a")
    result = task.apply(args=[1], headers={HEADER: damaged})

    assert result.get()
    assert project.last_run().parent_run == ""
