"""run_bounds: what is told of a run at once and what is recorded of it later are the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rootcellar.note_text import read_note
from rootcellar.run_bounds import RunEnd, RunStart
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import (
    CodeIdentity,
    Environment,
    InputRecord,
    PhaseSeconds,
    RunEnded,
    RunStarted,
    RunState,
    new_uid,
)

ENVIRONMENT = Environment(python="3.11", platform="Linux", packages={"numpy": "2.0"}, image="i")
STARTED = RunStarted(
    uid=new_uid(),
    kind="task",
    task="rain.count",
    started_at=datetime.now(UTC),
    task_id="4f",
    retries=2,
    redelivered=True,
    queue="fast",
    arguments={"tilt": 30, "text": "\ud800", "none": None},
    code=CodeIdentity(qualname="m:f", source_digest=Digest.of(b"code"), git_dirty=True),
    environment=ENVIRONMENT,
    host="here",
    pid=7,
)


def test_a_start_is_recorded_as_it_was_told():
    """Whoever enters it later reads the text, and loses nothing."""
    told = RunStart.of(STARTED)
    start = RunStart(
        told.uid,
        task=told.task,
        task_id=told.task_id,
        redelivered=told.redelivered,
        text=told.text,
        environment=ENVIRONMENT,
    )

    assert STARTED == start.record
    assert start.record is start.record


def an_end(**fields):
    given = {"phases": PhaseSeconds(stage_in=0.5, body=1.0, stage_out=0.25), **fields}
    at = datetime.now(UTC)
    return RunEnded(uid=STARTED.uid, state=RunState.SUCCEEDED, ended_at=at, **given)


def test_an_end_is_recorded_as_it_was_told():
    """The note of a process that died says what its row would have said."""
    nothing = InputRecord(argument="rain", ordinal=0, version=None)
    ended = an_end(inputs=(nothing, replace(nothing, ordinal=1, cache="hit", hits=1)))
    end = RunEnd.of(ended)
    noted = read_note(b"null", RunStart.of(STARTED).text + end.text)

    assert ended == end.record
    assert ended == noted.ended(lambda _uid: None)
    assert [] == end.versions


def test_an_end_makes_its_record_once():
    """And not before it is asked for."""
    made = []
    end = RunEnd("u", versions=[], text=b"", record=lambda: made.append(1) or an_end())

    assert [] == made
    assert end.record is end.record
    assert [1] == made


@pytest.mark.parametrize(
    "fields", [{"reuse_key": "k"}, {"reused_run": "u"}, {"state": RunState.FAILED}]
)
def test_an_end_that_others_look_for_is_not_told(fields):
    """Its row is entered before the result."""
    assert RunEnd.of(replace(an_end(), **fields)) is None
