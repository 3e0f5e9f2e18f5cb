"""Records that come late: from a spool, when others have gone on."""

from __future__ import annotations

from datetime import timedelta

from rootcellar.schemas.record import new_uid


def sighting(records, made, seconds=1):
    """The same bytes in the same place, found by somebody who could not ask what they are."""
    return records.version(
        made.ref.type, made.ref.key, uri=made.ref.uri, pin=made.ref.pin, body="power",
        origin="observed", recorded_at=made.recorded_at + timedelta(seconds=seconds),
    )  # fmt: skip


def test_a_late_producer_takes_over_what_was_taken_for_foreign(catalog, records):
    """Who read a file before its producer was recorded has its lineage all the same."""
    source = records.version("weather", {"station": 1}, "sky", origin="observed")
    made = records.version("pv", {"station": 1}, "power")
    seen = sighting(records, made)
    sums = records.version("sum", {}, "1")
    records.record(catalog, [seen], [sums])
    before = catalog.produced(seen.ref.version)
    start = records.started()
    for _ in range(2):
        catalog.finish_late(records.ended(start.uid, [source], [made]), start)

    assert before is None
    assert start.uid == catalog.produced(seen.ref.version).uid
    assert ["pv", "weather"] == [one.type for one in catalog.upstream(sums.ref.version)]
    assert start.uid == catalog.produced(catalog.head("pv", {"station": 1})).uid


def test_what_was_there_before_stays_foreign(catalog, records):
    """The same bytes in the same place, seen before the run: no run made those."""
    made = records.version("pv", {"station": 1}, "power")
    seen = sighting(records, made, seconds=-1)
    records.record(catalog, [seen], [])
    start = records.started()
    catalog.finish_late(records.ended(start.uid, [], [made]), start)

    assert catalog.produced(seen.ref.version) is None


def test_a_run_that_is_lost_and_a_late_start(catalog, records):
    """A start that waited does not wake a run that was marked lost, or has ended."""
    start = records.started(uid=new_uid())
    catalog.start_run(start)
    catalog.mark_lost([start.uid])
    catalog.start_run(start)

    assert "lost" == catalog.run(start.uid).state

    catalog.finish_late(records.ended(start.uid), start)
    catalog.start_run(start)

    assert "succeeded" == catalog.run(start.uid).state
