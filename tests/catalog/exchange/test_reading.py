"""Reading records back: whatever was recorded can be replayed."""

from __future__ import annotations

from dataclasses import fields

import pytest

from rootcellar.catalog.exchange.reading import RunMark
from rootcellar.catalog.values import Run, RunInput, RunOutput, Version
from rootcellar.schemas.record import (
    InputRecord,
    OutputRecord,
    RunEnded,
    RunStarted,
    RunState,
    VersionRecord,
)


def test_every_field_of_a_record_is_read_back():
    """Whatever is recorded can be replayed: a field that no value has would be lost on the way."""
    # Columns and what is known of them have tables of their own; see test_merging.
    own = {"version", "inputs", "outputs", "ref", "is_learned", "columns", "statistics"}
    names = {
        kind: {one.name for one in fields(record)} - own
        for kind, records in {
            Run: (RunStarted, RunEnded),
            RunInput: (InputRecord,),
            RunOutput: (OutputRecord,),
            Version: (VersionRecord,),
        }.items()
        for record in records
    }

    for kind, wanted in names.items():
        assert set() == wanted - {one.name for one in fields(kind)}


def mark(state, *, is_started=True):
    """How far a run is recorded somewhere."""
    return RunMark(row_id=1, uid="u", state=RunState(state), is_started=is_started)


@pytest.mark.parametrize(
    ("ours", "theirs", "adds"),
    [
        (mark("running"), None, True),
        (mark("running"), mark("running"), False),
        (mark("running"), mark("failed"), False),
        (mark("running"), mark("failed", is_started=False), True),
        (mark("failed"), mark("running"), True),
        (mark("failed"), mark("lost"), True),
        (mark("failed"), mark("failed"), False),
        (mark("failed"), mark("succeeded"), False),
        (mark("lost"), mark("running"), True),
        (mark("lost"), mark("lost"), False),
        (mark("lost"), mark("succeeded"), False),
        (mark("failed", is_started=False), mark("running"), True),
        (mark("failed", is_started=False), mark("failed"), False),
    ],
)
def test_a_run_is_replayed_where_it_tells_something(ours, theirs, adds):
    """An end goes over what runs or was taken for lost, and over no other end."""
    assert adds is ours.adds_to(theirs)
