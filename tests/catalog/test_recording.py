"""Recording: whole, once, in any order, whatever the text."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import StatementError

from rootcellar.catalog.tables import metadata
from rootcellar.schemas.record import ErrorRecord, OutputRecord, PhaseSeconds, RunState, new_uid
from rootcellar.schemas.ref import Pin

LATER = timedelta(hours=1)


def everything(catalog):
    """All rows of all tables."""

    def rows(connection):
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
        }

    return catalog._database.read(rows)


def test_a_run_is_read_back_as_it_was_recorded(catalog, records):
    """What a run's two records say stands in the Run value."""
    start = records.started(
        task_id="c1", root_id="r", parent_id="p", group_id="g", parent_run="u", retries=2,
        redelivered=True, queue="big", arguments={"tilt": 30}, host="node-1", pid=7,
    )  # fmt: skip
    end = records.ended(
        start.uid,
        state=RunState.FAILED,
        phases=PhaseSeconds(stage_in=1.5, body=2.25, stage_out=0.5),
        error=ErrorRecord(phase="body", error="ValueError", message="no", traceback="tb"),
    )
    catalog.start_run(start)
    catalog.finish_run(end)

    run = catalog.run(start.uid)

    for name in start.__slots__:
        assert getattr(start, name) == getattr(run, name), name
    for name in ("state", "ended_at", "phases", "error", "reuse_key", "reused_run"):
        assert getattr(end, name) == getattr(run, name), name


def test_a_version_is_read_back_as_it_was_recorded(catalog, records):
    """A version row gives back the ref that was recorded, to the last field."""
    pin = Pin(size_bytes=4, etag="e", version_id="v")
    made = records.version("pv", {"tilt": 30.0, "site": "Ä"}, "rows", pin=pin, row_count=9)
    uid = records.record(catalog, [], [made])

    found = catalog.version(made.ref.version)

    assert made.ref == found.ref
    assert (9, 1, "run", uid, True) == (
        found.row_count, found.seq, found.origin, found.run_uid, found.is_present,
    )  # fmt: skip
    assert ["tilt", "site"] == list(found.key)
    assert isinstance(found.key["tilt"], float)


def test_recording_twice_changes_nothing(catalog, records):
    """Replaying both records of a run leaves every row of every table as it was."""
    start = records.started()
    seen = records.version("weather", {"station": 1}, "sky", origin="observed")
    end = records.ended(start.uid, [seen], [records.version("pv", {"station": 1}, "power")])
    catalog.declare([records.type_record()])
    catalog.start_run(start)
    catalog.finish_run(end)
    before = everything(catalog)

    catalog.declare([records.type_record()])
    catalog.start_run(start)
    catalog.finish_run(end)
    catalog.start_run(start)

    assert before == everything(catalog)


def test_the_first_end_of_a_run_stands(catalog, records):
    """A second, different end for the same uid changes nothing."""
    made = records.version("pv", {"station": 1}, "power")
    uid = records.record(catalog, [], [made], reuse_key="k")
    before = everything(catalog)

    catalog.finish_run(records.ended(uid, [made], [], state=RunState.FAILED))

    assert before == everything(catalog)


def test_an_end_may_arrive_before_its_start(catalog, records):
    """The start completes the row and leaves the end's state alone."""
    start = records.started(arguments={"tilt": 1})
    made = records.version("pv", {"station": 1}, "power")
    catalog.finish_run(records.ended(start.uid, [], [made]))
    early = catalog.run(start.uid)

    catalog.start_run(start)

    assert ("", RunState.SUCCEEDED) == (early.task, early.state)
    late = catalog.run(start.uid)
    assert ("simulate", RunState.SUCCEEDED, {"tilt": 1}, start.started_at) == (
        late.task, late.state, late.arguments, late.started_at,
    )  # fmt: skip
    assert [made.ref] == [one.version.ref for one in late.outputs]


def test_a_reader_may_be_recorded_before_the_producer(catalog, records):
    """A version that was read first, as if foreign, gets its producer and what that knows."""
    made = records.version("pv", {"station": 1}, "power", row_count=9)
    sums = records.version("sum", {}, "total")
    records.record(catalog, [replace(made, origin="observed", row_count=None)], [sums])
    orphan = catalog.version(made.ref.version)

    producer = records.record(catalog, [], [made])

    found = catalog.version(made.ref.version)
    assert orphan.run is None
    assert (producer, "run", 9) == (found.run.uid, found.origin, found.row_count)
    assert [made.ref] == [one.ref for one in catalog.upstream(sums.ref)]


def test_identical_bytes_are_two_versions_of_one_content(catalog, records):
    """Rewriting the same bytes is a new version with the next number."""
    first = records.version("pv", {"station": 1}, "same")
    second = records.version("pv", {"station": 1}, "same", recorded_at=records.START + LATER)
    one = records.record(catalog, [], [first])
    two = records.record(catalog, [], [second])

    versions = list(catalog.versions("pv", station=1))

    assert [(2, two, True), (1, one, False)] == [(v.seq, v.run_uid, v.is_present) for v in versions]
    assert versions[0].digest == versions[1].digest


def test_a_late_record_does_not_take_the_head(catalog, records):
    """The head is the version recorded last at its worker, not the last to reach the catalog."""
    newer = records.version("pv", {"station": 1}, "b", recorded_at=records.START + LATER)
    older = records.version("pv", {"station": 1}, "a")
    records.record(catalog, [], [newer])
    records.record(catalog, [], [older])

    assert newer.ref == catalog.head("pv", {"station": 1}).ref
    assert not catalog.version(older.ref.version).is_present
    assert catalog.version(newer.ref.version).is_present


def test_foreign_bytes_are_one_version_however_often_they_are_seen(catalog, records):
    """Sightings of the same bytes in the same state are one version; other bytes are another."""
    sights = [
        records.version("weather", {"station": 1}, body, origin="observed")
        for body in ("sky", "sky", "rain")
    ]
    runs = [records.record(catalog, [one], []) for one in [*sights, sights[1]]]

    inputs = [catalog.run(uid).inputs[0].version.digest for uid in runs]

    assert [sights[0].ref.digest] * 2 == inputs[:2]
    assert 2 == len(catalog.versions("weather"))


def test_a_sighting_of_our_own_version_is_that_version(catalog, records):
    """Bytes taken for foreign because their record was late count as what they are."""
    made = records.version("pv", {"station": 1}, "power")
    seen = records.version("pv", {"station": 1}, "power", origin="observed")
    producer = records.record(catalog, [], [made])
    reader = records.record(catalog, [seen, replace(seen)], [])

    assert [made.ref.version] * 2 == [one.version.uid for one in catalog.inputs(reader)]
    assert producer == catalog.inputs(reader)[0].version.run_uid


def test_two_sightings_of_one_run_are_one_version(catalog, records):
    """Two uids for the same foreign bytes in one record become one row."""
    twins = [records.version("w", {"s": 1}, "sky", origin="observed") for _ in range(2)]
    uid = records.record(catalog, twins, [])

    assert 1 == len({one.version.uid for one in catalog.inputs(uid)})
    assert 1 == len(catalog.versions("w"))


def test_a_reused_run_points_at_the_old_version(catalog, records):
    """Taking outputs over makes an edge and no version, and no false producer."""
    made = records.version("pv", {"station": 1}, "power")
    first = records.record(catalog, [], [made], reuse_key="k")
    start = records.started()
    catalog.start_run(start)
    taken = OutputRecord(argument="made", ordinal=0, version=made, mode="reused")
    end = records.ended(start.uid, state=RunState.REUSED, reused_run=first, reuse_key="k")
    catalog.finish_run(replace(end, outputs=(taken,)))

    assert [("reused", made.ref)] == [(o.mode, o.version.ref) for o in catalog.outputs(start.uid)]
    assert first == catalog.produced(made.ref).uid
    assert first == catalog.reusable("k").run_uid


def test_only_running_runs_are_marked_lost_and_a_late_end_wins(catalog, records):
    """A run that ended is never lost; a lost one that reports after all has ended."""
    done = records.record(catalog)
    silent, absent = records.started(), new_uid()
    catalog.start_run(silent)

    assert 1 == catalog.mark_lost([done, silent.uid, absent])
    assert RunState.LOST == catalog.run(silent.uid).state
    assert RunState.SUCCEEDED == catalog.run(done).state
    assert 0 == catalog.mark_lost([silent.uid])

    catalog.finish_run(records.ended(silent.uid))

    assert RunState.SUCCEEDED == catalog.run(silent.uid).state


HOSTILE = {
    "nul": "a\0b",
    "surrogate": "a\udc80b",
    "quote": "'; DROP TABLE run; --",
    "percent": "%s %(x)s :x ?",
    "emoji": "\N{SNOWMAN}",
    "long": "x" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_recorded(catalog, records, name):
    """No text in any field costs a run its row, and it can be found by that text."""
    text = HOSTILE[name]
    made = records.version("pv", {"site": text}, "power", uri=f"raw://{text}", media_type=text)
    start = records.started(
        task="t" + text[:500],
        task_id=text, queue=text, host=text, arguments={text: [text, {"deep": text}]},
    )  # fmt: skip
    error = ErrorRecord(phase="body", error=text, message=text, traceback=text)
    catalog.start_run(start)
    catalog.finish_run(records.ended(start.uid, [], [made], error=error, reuse_key="k"))

    assert start.uid == catalog.runs(task="t" + text[:500])[0].uid
    assert made.ref.version == catalog.head("pv", {"site": text}).uid
    assert [made.ref.version] == [one.uid for one in catalog.heads("pv", site=["?", text])]
    assert made.ref.version == catalog.version_at(made.ref.uri, made.ref.pin).uid


def test_numbers_that_json_lacks_are_recorded_by_name(catalog, records):
    """NaN and infinities in arguments become text, and huge integers stay what they are."""
    start = records.started(arguments={"a": math.nan, "b": [math.inf, -math.inf], "c": 10**40})
    catalog.start_run(start)

    assert {"a": "nan", "b": ["inf", "-inf"], "c": 10**40} == catalog.run(start.uid).arguments


def test_a_naive_time_is_refused(catalog, records):
    """A time without a zone is an error of the caller, not a guess of ours."""
    with pytest.raises((ValueError, StatementError), match="without a zone"):
        catalog.start_run(records.started(started_at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_times_keep_their_instant(catalog, records):
    """Times come back in UTC, to the microsecond."""
    at = datetime.fromisoformat("2026-03-01T04:05:06.000007+05:30")
    start = records.started(started_at=at)
    catalog.start_run(start)

    assert at.astimezone(UTC).isoformat() == catalog.run(start.uid).started_at.isoformat()


def test_a_declaration_is_a_revision_only_if_it_differs(catalog, records):
    """Declaring again is free, a change is a new revision, and going back is the old one."""
    old = records.type_record(definition={"key": {"station": "int"}})
    new = records.type_record(definition={"key": {"station": "str"}})
    revisions = []
    for declared in (old, old, new, old):
        catalog.declare([declared])
        revisions.append(catalog.types()[0].rev)

    assert [1, 1, 2, 1] == revisions


def test_an_undeclared_type_can_be_recorded(catalog, records):
    """A record that arrives in a fresh catalog needs no declaration."""
    records.record(catalog, [], [records.version("pv", {"station": 1}, "power")])

    assert [("pv", 0, 1)] == [(one.name, one.rev, one.artifacts) for one in catalog.types()]


def test_a_failure_in_the_middle_leaves_nothing(catalog, records, monkeypatch):
    """A run's end is entered whole or not at all."""
    start = records.started()
    catalog.start_run(start)
    before = everything(catalog)
    end = records.ended(start.uid, [], [records.version("pv", {"s": 1}, "power")])
    catalog._recorder._identities.types(["pv"])
    before = everything(catalog)
    monkeypatch.setattr("rootcellar.catalog.recording._end_row", lambda _record: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        catalog.finish_run(end)

    assert before == everything(catalog)


def test_a_wide_fan_in_is_recorded(catalog, records):
    """Thousands of inputs fit into one run."""
    many = [records.version("w", {"s": n}, f"{n}", origin="observed") for n in range(2_500)]
    uid = records.record(catalog, many, [records.version("sum", {}, "total")])

    count = catalog._database.read(
        lambda c: c.execute(select(func.count()).select_from(metadata.tables["run_input"])).scalar()
    )

    assert 2_500 == count == len(catalog.inputs(uid))
