"""Where copies are, and what whoever looks finds there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rootcellar.catalog.answers.copies import Finding, Standing
from rootcellar.schemas.errors import CatalogError


def copied(catalog, records):
    """One content at two places and once replaced; returns the three versions."""
    made = [
        records.version(name, {}, "same", recorded_at=records.START + timedelta(hours=hour))
        for hour, name in enumerate("abc")
    ]
    later = records.version("b", {}, "other", recorded_at=records.START + timedelta(days=1))
    for one in (*made, later):
        records.record(catalog, [], [one])
    return made


def test_copies_stand_behind_the_version_itself(catalog, records):
    """Equal bytes that are at their URI still; its own place always."""
    a, b, c = copied(catalog, records)

    assert [a.ref.uri, c.ref.uri] == [one.uri for one in catalog.locations(a.ref)]
    found = catalog.locations(b.ref)
    assert (b.ref.uri, c.ref.uri, a.ref.uri) == found.column("uri")
    assert (False, True, True) == found.column("is_present")
    assert {None} == set(found.column("found"))


def test_whoever_asks_looks_into_the_stores(catalog, records):
    """Each place once, and what was found stands beside it."""
    a, _, c = copied(catalog, records)
    there = {
        a.ref.uri: Finding(Standing.GONE),
        c.ref.uri: Finding(Standing.UNKNOWN, "no answer"),
    }

    found = catalog.locations(a.ref, verify=lambda version: there[version.uri])

    assert ("gone", "unknown") == found.column("found")
    assert (None, "no answer") == found.column("problem")


def test_a_catalog_alone_cannot_look(catalog, records):
    """It knows no stores, and says who does."""
    a, *_ = copied(catalog, records)

    with pytest.raises(CatalogError, match="knows no stores") as caught:
        catalog.locations(a.ref, verify=True)
    assert "rootcellar.Catalog" in caught.value.remedy


def test_many_copies_are_cut_with_a_note(catalog, records):
    """Its own place stays."""
    a, *_ = copied(catalog, records)
    found = catalog.locations(a.ref, limit=1)

    assert ([a.ref.uri], "first 1 of more") == ([one.uri for one in found], found.note)
