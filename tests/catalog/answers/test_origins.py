"""Where bytes came from: by their digest, and how sure that is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rootcellar.catalog.answers.sameness import Change
from rootcellar.catalog.answers.whence import LocalContent
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CatalogError
from rootcellar.schemas.record import RunState

DAY = timedelta(days=1)


def content(body, **fields):
    """A local file with these bytes."""
    digest = Digest.of(body.encode())
    fields = {"name": "some.dat", "kind": "file", "digests": (digest,), **fields}
    return LocalContent(size_bytes=len(body), **fields)


def hours(catalog, records):
    """Weather that was replaced after power was made of it; returns weather, newer, power."""
    sky = records.version("w", {"s": 1}, "sun", origin="observed")
    power = records.version("pv", {"s": 1}, "power", recorded_at=records.START + DAY)
    newer = records.version(
        "w", {"s": 1}, "rain", origin="observed", recorded_at=records.START + 2 * DAY
    )
    records.record(catalog, [sky], [power])
    records.record(catalog, [newer], [], task="look")
    return sky, newer, power


def test_a_file_is_known_by_its_content(catalog, records):
    """Version, run and inputs, and that the input is stale."""
    sky, newer, power = hours(catalog, records)
    answer = catalog.whence(content("power"))

    assert power.ref.version == answer.version.uid
    assert answer.is_current
    assert not catalog.whence(content("sun")).is_current
    assert not catalog.whence(content("other")).is_current
    assert answer.version.run == answer.run
    assert "exact match by sha256" == answer.certainty
    assert [(sky.ref.version, newer.ref.version, Change.CHANGED, True)] == [
        (one.version.uid, one.current.uid, one.change, one.is_stale) for one in answer.sources
    ]
    assert answer


def test_all_versions_with_the_content_are_named(catalog, records):
    """Newest first, of whatever artifact; a limit says that it cut."""
    made = [
        records.version(name, {}, "same", recorded_at=records.START + number * DAY)
        for number, name in enumerate("aba")
    ]
    for one in made:
        records.record(catalog, [], [one])

    answer = catalog.whence(content("same"))
    cut = catalog.whence(content("same"), max_versions=2)

    assert [one.ref.version for one in reversed(made)] == [one.uid for one in answer.versions]
    assert "" == answer.note
    assert ("newest 2 of more versions", 2) == (cut.note, len(cut.versions))
    with pytest.raises(CatalogError, match="max_versions"):
        catalog.whence(content("same"), max_versions=0)


def test_an_equal_name_and_size_claim_nothing(catalog, records):
    """Five other bytes are another file, whatever it is called."""
    hours(catalog, records)
    answer = catalog.whence(content("other", name="power"))

    assert (False, (), "no match: no version has these bytes") == (
        bool(answer),
        answer.versions,
        answer.certainty,
    )


def test_a_file_and_a_folder_of_one_digest_are_two(catalog, records):
    """What a manifest says is not what a file holds."""
    hours(catalog, records)

    assert not catalog.whence(content("power", kind="folder", members=1))


def test_what_was_never_read_whole_is_told(catalog, records):
    """It may be the one; nobody can tell."""
    hours(catalog, records)
    seen = records.version("w", {"s": 2}, "other", origin="observed")
    digest = Digest.unread(seen.ref.uri, "etag:1")
    unread = replace(seen, ref=seen.ref.model_copy(update={"digest": digest}))
    records.record(catalog, [unread], [], task="look")

    answer = catalog.whence(content("other"))

    assert (False, 1) == (bool(answer), answer.unread)
    assert "1 version of this size was never read whole, and cannot be compared" in str(answer)


def test_algorithms_are_those_of_that_size(catalog, records):
    """What no digest could match need not be read."""
    hours(catalog, records)
    by_blake = records.version("b", {}, "12345678", origin="observed")
    digest = Digest("blake3:" + "0" * 64)
    by_blake = replace(by_blake, ref=by_blake.ref.model_copy(update={"digest": digest}))
    records.record(catalog, [by_blake], [], task="look")

    assert {"sha256"} == catalog.algorithms(kind="file", size_bytes=5)
    assert {"blake3"} == catalog.algorithms(kind="file", size_bytes=8)
    assert set() == catalog.algorithms(kind="file", size_bytes=9)
    assert set() == catalog.algorithms(kind="folder", size_bytes=5, members=1)


def test_an_input_with_the_same_bytes_is_unchanged(catalog, records):
    """Made once more, but no other: nothing to do over."""
    hours(catalog, records)
    again = records.version("w", {"s": 1}, "sun", origin="run", recorded_at=records.START + 3 * DAY)
    records.record(catalog, [], [again], task="fetch")

    [source] = catalog.whence(content("power")).sources

    assert (Change.SAME, False) == (source.change, source.is_stale)
    assert "unchanged since (version 3 has the same bytes)" == source.standing


def test_the_answer_reads_as_text(catalog, records):
    """Made, code, inputs with what became of each, and where else the bytes are."""
    hours(catalog, records)
    other = records.version("copy", {}, "power", recorded_at=records.START)
    records.record(catalog, [], [other])

    lines = str(catalog.whence(content("power"))).splitlines()

    assert [
        "pv(s=1) version 1   exact match by sha256, 5 B",
        "  made   2026-05-02 12:00 UTC by simulate, 2 min",
        f"  code   source {records.CODE.source_digest.short}   Python 3.11.9",
        "  from   source  w(s=1)  v1  newer: version 2 of 2026-05-03 12:00 UTC   <- stale",
        "  also   same bytes as copy() version 1, by simulate at 2026-05-01 12:00 UTC",
    ] == lines


def test_a_state_that_updates_itself_is_not_stale(catalog, records):
    """It depends on its own past, which is over; so does what the same run made beside it."""
    old = records.version("state", {}, "one")
    new = records.version("state", {}, "other", recorded_at=records.START + DAY)
    plot = records.version("plot", {}, "picture", recorded_at=records.START + DAY)
    records.record(catalog, [], [old])
    records.record(catalog, [old], [new, plot])

    for body in ("other", "picture"):
        [source] = catalog.whence(content(body)).sources
        assert ("its own past", False) == (source.standing, source.is_stale)


def test_found_bytes_say_so(catalog, records):
    """Of what no run of ours made, where and when it was seen, and what is there now."""
    sky, *_ = hours(catalog, records)

    lines = str(catalog.whence(content("sun"))).splitlines()

    assert [
        "w(s=1) version 1   exact match by sha256, 3 B",
        f"  made   2026-05-01 12:00 UTC seen at {sky.ref.uri}, by no run of ours",
        "  now    changed: version 2 of 2026-05-03 12:00 UTC",
    ] == lines


def test_an_absent_input_and_a_retry_are_told(catalog, records):
    """An optional input that was not there is an input all the same."""
    made = records.version("pv", {}, "power")
    start = records.started(retries=1, host="gpu-03", arguments={"threshold": 4.5})
    end = records.ended(start.uid, [None], [made], state=RunState.SUCCEEDED)
    catalog.start_run(start)
    catalog.finish_run(end)

    text = str(catalog.whence(content("power")))

    assert "by simulate, attempt 2, 2 min, host gpu-03" in text
    assert "args threshold=4.5" in text
    assert "source  nothing    was not there" in text


def test_each_of_several_inputs_of_one_argument_has_its_place(catalog, records):
    """The first one, too; the only one of an argument has none."""
    skies = [records.version("w", {"s": n}, f"sky {n}", origin="observed") for n in range(2)]
    total = records.version("total", {}, "total")
    start = records.started(task="add")
    end = records.ended(start.uid, [], [total])
    inputs = [
        records.InputRecord(argument=name, ordinal=place, version=one, cache="miss")
        for name, place, one in (("many", 0, skies[0]), ("many", 1, skies[1]), ("one", 0, skies[0]))
    ]
    catalog.start_run(start)
    catalog.finish_run(replace(end, inputs=tuple(inputs)))

    told = str(catalog.whence(content("total"))).splitlines()[-3:]

    assert ["many[0]", "many[1]", "one"] == [
        line.removeprefix("  from").strip().split()[0] for line in told
    ]
