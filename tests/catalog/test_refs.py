"""refs: the short question has the long one's answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rootcellar.catalog import refs
from rootcellar.schemas.ref import Pin


def test_finds_what_version_at_finds(catalog, records):
    """By etag or by version id, the newest, and nothing for a size alone."""
    tagged = records.version("pv", {"s": 1}, "tagged")
    kept = records.version("pv", {"s": 2}, "kept", pin=Pin(size_bytes=4, version_id="v7"))
    bare = records.version("pv", {"s": 3}, "bare", pin=Pin(size_bytes=4))
    again = replace(
        records.version("pv", {"s": 1}, "tagged"),
        recorded_at=records.START + timedelta(minutes=1),
    )
    records.record(catalog, [], [tagged, kept, bare])
    records.record(catalog, [], [again])
    for one in (tagged, kept, bare, again):
        long = catalog.version_at(one.ref.uri, one.ref.pin)
        for _ in range(2):
            assert (long and long.ref) == catalog.ref_at(one.ref.uri, one.ref.pin)

    assert again.ref == catalog.ref_at(tagged.ref.uri, tagged.ref.pin)
    assert catalog.ref_at(bare.ref.uri, bare.ref.pin) is None
    assert catalog.ref_at("raw://nothing", tagged.ref.pin) is None


def test_finds_what_head_finds(catalog, records):
    """The current version at each moment, also by the process that asked before."""
    for body in ("one", "two"):
        made = records.version("pv", {"s": 1}, body)
        records.record(catalog, [], [made])

        assert catalog.head("pv", {"s": 1}).ref == catalog.head_ref("pv", {"s": 1}) == made.ref
    assert catalog.head_ref("pv", {"s": 2}) is None
    assert catalog.head_ref("nothing", {}) is None


@pytest.fixture
def forgetful(monkeypatch):
    monkeypatch.setattr(refs, "_MANY", 2)


def test_forgetting_changes_no_answer(catalog, records, forgetful):
    """A process that met more than it remembers asks again, and records as before."""
    made = [records.version("pv", {"s": number}, f"b{number}") for number in range(6)]
    records.record(catalog, [], made)
    for _ in range(2):
        for one in made:
            assert one.ref == catalog.ref_at(one.ref.uri, one.ref.pin)
            uid = records.record(catalog, [replace(one, origin="observed")])
            assert [one.ref.version] == [item.version.uid for item in catalog.inputs(uid)]
    assert 6 == len(catalog.versions())
