"""Versions over time, and what changed from one to the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CatalogError, NotInCatalog

DAY = timedelta(days=1)


def days(catalog, records, bodies, **fields):
    """Record one version a day."""
    made = [
        records.version("w", {"s": 1}, body, recorded_at=records.START + n * DAY, **fields)
        for n, body in enumerate(bodies)
    ]
    for one in made:
        records.record(catalog, [], [one])
    return made


def test_a_history_says_what_changed(catalog, records):
    """Each version beside the one before it, the newest first."""
    made = days(catalog, records, ["sun", "sun", "fog", "rain"])

    for x in (made[0].ref, made[3].ref.version, made[1].ref.uri):
        found = catalog.history(x)
        assert [one.ref.version for one in reversed(made)] == [one.uid for one in found]
        assert ("changed", "changed", "same bytes", "first") == found.column("change")
        assert (4, 3, 2, 1) == found.column("seq")


def test_a_late_record_stands_where_it_belongs(catalog, records):
    """Time orders a history, not arrival; the first row is the current version."""
    late = records.version("w", {"s": 1}, "fog", recorded_at=records.START)
    days(catalog, records, ["sun", "sun"])
    records.record(catalog, [], [late])

    found = catalog.history(late.ref)

    assert (2, 3, 1) == found.column("seq")
    assert ("changed", "changed", "first") == found.column("change")
    assert catalog.heads("w")[0] == found[0]


def test_a_cut_history_still_compares_its_last_row(catalog, records):
    """What is left out is not taken for the beginning."""
    made = days(catalog, records, ["sun", "fog", "fog"])

    found = catalog.history(made[0].ref, max_rows=2)

    assert ("same bytes", "changed") == found.column("change")
    assert "newest 2 of more" == found.note
    with pytest.raises(CatalogError, match="max_rows"):
        catalog.history(made[0].ref, max_rows=0)


def test_what_cannot_be_compared_is_unknown(catalog, records):
    """Digests by two algorithms differ for equal bytes; other sizes are other bytes."""
    made = days(catalog, records, ["sun", "fog", "rain"])
    later = records.version("w", {"s": 1}, "rain", recorded_at=records.START + 4 * DAY)
    digest = Digest("blake3:" + "1" * 64)
    later = replace(later, ref=later.ref.model_copy(update={"digest": digest}))
    records.record(catalog, [], [later])
    last = records.version("w", {"s": 1}, "sunny", recorded_at=records.START + 5 * DAY)
    records.record(catalog, [], [last])

    found = catalog.history(made[0].ref)

    assert ("changed", "unknown", "changed", "changed", "first") == found.column("change")


def test_a_uri_has_a_history_of_its_own(catalog, records):
    """Who wrote it last stands first, of whatever artifact."""
    first, _ = days(catalog, records, ["sun", "fog"])
    other = records.version("x", {}, "fog", uri=first.ref.uri, recorded_at=records.START + 5 * DAY)
    run = records.record(catalog, [], [other], task="copy")

    found = catalog.uri_history(first.ref.uri)

    assert ("x", "w", "w") == found.column("type")
    assert ("same bytes", "changed", "first") == found.column("change")
    assert (True, False, False) == found.column("is_present")
    assert (run, "copy") == (found[0].run_uid, found[0].task)


def test_a_uri_where_nothing_was_is_told(catalog):
    """Nothing there is an error with a remedy."""
    with pytest.raises(NotInCatalog) as caught:
        catalog.uri_history("raw://nothing")

    assert caught.value.remedy
