"""Failures, duplicates and costs, against plain sums over what was recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rootcellar.schemas.errors import NotInCatalog
from rootcellar.schemas.record import ErrorRecord, PhaseSeconds, RunState

HOUR = timedelta(hours=1)


def fail(catalog, records, hour, *, task="fit", error="builtins.ValueError", message="bad"):
    """A run that failed; without an error, one that was lost."""
    start = records.started(task=task, started_at=records.START + hour * HOUR)
    catalog.start_run(start)
    if not error:
        catalog.mark_lost([start.uid])
        return start.uid
    what = ErrorRecord(
        phase="body", error=error, message=message, traceback="…", cause="deterministic"
    )
    catalog.finish_run(records.ended(start.uid, state=RunState.FAILED, error=what))
    return start.uid


def failed(catalog, records):
    """Five failures of three kinds, and a success; returns the uids by hour."""
    records.record(catalog, task="fit")
    return [
        fail(catalog, records, 1, message="one"),
        fail(catalog, records, 2, message="two"),
        fail(catalog, records, 3, error="builtins.KeyError"),
        fail(catalog, records, 4, error=""),
        fail(catalog, records, 5, task="grid.plot", message="three"),
    ]


def test_failures_stand_one_by_one(catalog, records):
    """The last first, with error, cause and phase; lost runs have none."""
    uids = failed(catalog, records)
    found = catalog.failures()

    assert uids[::-1] == [one.uid for one in found]
    assert ("builtins.ValueError", None, "builtins.KeyError") == found.column("error")[:3]
    assert ("deterministic", None, "deterministic") == found.column("cause")[:3]
    assert "body" == found.column("phase")[0]


def test_failures_are_counted_by_error(catalog, records):
    """How often, first and last, with the last run as an example; the most frequent first."""
    uids = failed(catalog, records)
    groups = catalog.failures().groups
    [most, *_] = [dict(row) for row in groups]

    assert {("fit", "builtins.ValueError"): 2} | {
        ("fit", "builtins.KeyError"): 1,
        ("fit", None): 1,
        ("grid.plot", "builtins.ValueError"): 1,
    } == {(row["task"], row["error"]): row["count"] for row in groups}
    assert (records.START + HOUR, records.START + 2 * HOUR) == (most["first"], most["last"])
    assert (uids[1], "two", "failed") == (most["run"], most["message"], most["state"])


def test_groups_count_what_the_limit_left_out(catalog, records):
    """A cut table says so; the counts are of all."""
    failed(catalog, records)
    found = catalog.failures(limit=1)

    assert (1, "first 1 of more") == (len(found), found.note)
    assert 5 == sum(found.groups.column("count"))
    assert found.groups == found[:1].groups


def test_failures_of_a_task_since_then(catalog, records):
    """The end of a task's name will do; an unknown one is told."""
    uids = failed(catalog, records)

    assert uids[4:] == [one.uid for one in catalog.failures("plot")]
    since = catalog.failures("fit", records.START + 3 * HOUR)
    assert [uids[3], uids[2]] == [one.uid for one in since]
    assert 2 == sum(since.groups.column("count"))
    with pytest.raises(NotInCatalog):
        catalog.failures("nothing")


def test_duplicates_are_contents_of_several_versions(catalog, records):
    """Artifacts, versions, places and what keeping them costs; single ones are left out."""
    for name, key, body in (
        ("mask", 1, "same"),
        ("mask", 2, "same"),
        ("copy", 1, "same"),
        ("mask", 3, "lonely"),
        ("mask", 4, "again"),
        ("mask", 4, "again"),
    ):
        records.record(catalog, [], [records.version(name, {"n": key}, body)])

    found = [dict(row) for row in catalog.duplicates()]

    assert [(3, 3, 3, 4, 8), (1, 2, 1, 5, 0)] == [
        tuple(row[n] for n in ("artifacts", "versions", "places", "size_bytes", "extra_bytes"))
        for row in found
    ]
    assert ["mask(n=1)", "mask(n=2)", "copy(n=1)"] == found[0]["which"]


def test_duplicates_of_a_type_and_a_limit(catalog, records):
    """Only its own versions count; a cut list says so."""
    for name, body in (("mask", "same"), ("mask", "same"), ("mask", "x"), ("mask", "x")):
        records.record(catalog, [], [records.version(name, {}, body)])
    records.record(catalog, [], [records.version("copy", {}, "same")])

    found = catalog.duplicates("mask")

    assert {1} == set(found.column("artifacts"))
    assert {2} == set(found.column("versions"))
    assert [] == list(catalog.duplicates("copy"))
    assert "first 1 of more" == catalog.duplicates("mask", limit=1).note
    with pytest.raises(NotInCatalog):
        catalog.duplicates("nothing")


def test_of_many_duplicates_twenty_are_named(catalog, records):
    """A content that everything has would fill the screen."""
    made = [records.version("empty", {"n": number}, "") for number in range(25)]
    records.record(catalog, [], made)

    [row] = catalog.duplicates()

    assert (25, 20) == (row["artifacts"], len(row["which"]))


def test_costs_are_sums_by_task(catalog, records):
    """Seconds by phase, bytes, and the share of inputs that were on the host."""
    sky = records.version("w", {}, "sun", origin="observed")
    for task, state, body, hits, misses in (
        ("fit", RunState.SUCCEEDED, 10.0, 1, 0),
        ("fit", RunState.FAILED, 5.0, 0, 1),
        ("fit", RunState.REUSED, 0.0, 0, 0),
        ("plot", RunState.SUCCEEDED, 0.25, 1, 1),
    ):
        start = records.started(task=task)
        end = records.ended(start.uid, [sky], state=state)
        read = replace(end.inputs[0], hits=hits, misses=misses, transferred_bytes=100, seconds=2.0)
        phases = PhaseSeconds(stage_in=1.0, body=body, stage_out=0.5)
        catalog.start_run(start)
        catalog.finish_run(replace(end, inputs=(read,), phases=phases))

    fit, plot = [dict(row) for row in catalog.cost()]

    assert {
        "task": "fit",
        "runs": 3,
        "succeeded": 1,
        "reused": 1,
        "failed": 1,
        "stage_in_seconds": 3.0,
        "body_seconds": 15.0,
        "stage_out_seconds": 1.5,
        "download_seconds": 6.0,
        "downloaded_bytes": 300,
        "uploaded_bytes": 0,
        "hits": 1,
        "misses": 1,
        "hit_ratio": 0.5,
    } == fit
    assert ("plot", 0.25) == (plot["task"], plot["body_seconds"])
    assert [plot] == [dict(row) for row in catalog.cost("plot")]
    assert [] == list(catalog.cost(since=records.START + HOUR))


def test_costs_of_a_run_that_read_nothing(catalog, records):
    """A share of nothing is nothing; and the sums fit into a frame."""
    records.record(catalog)
    found = catalog.cost()

    assert (None,) == found.column("hit_ratio")
    assert 1 == found.to_arrow().num_rows
