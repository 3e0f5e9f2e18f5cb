"""What is gone in one of two catalogs, after they were merged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rootcellar.catalog.catalog import Catalog


@pytest.fixture
def laptop(tmp_path):
    """A catalog of its own in a SQLite file."""
    with Catalog(f"sqlite:///{tmp_path}/laptop.sqlite") as laptop:
        yield laptop


def made(records, body, **fields):
    """A version with a place of its own, as templates with `{version}` give."""
    return records.version("pv", {"n": 1}, body, uri=f"derived://pv/{body}", **fields)


def told(catalog):
    """What a catalog says is gone."""
    found = catalog.deleted()
    rows = (dict(zip(found.names, row, strict=True)) for row in found.rows)
    names = ("version", "state", "at", "policy", "freed_bytes")
    return sorted(tuple(row[name] for name in names) for row in rows)


def test_what_is_gone_is_gone_on_both_sides(catalog, laptop, records):
    """Deleted by a policy or found missing, with when, why and how many bytes; each once."""
    deleted, missing, kept, announced = (made(records, body) for body in "abcd")
    for one in (deleted, missing, kept, announced):
        records.record(laptop, [], [one])
    first = laptop.push(catalog)
    laptop.announce_removals({announced.ref.version: "last 1"})
    laptop.finish_removals(
        {deleted.ref.version: 7, missing.ref.version: None}, {deleted.ref.version: "last 1"}
    )
    second, third, back = laptop.push(catalog), laptop.push(catalog), laptop.pull(catalog)

    assert (0, 2, 0, 0) == tuple(one.removals for one in (first, second, third, back))
    assert "and 2 deletions came over" in str(second)
    assert 2 == len(told(laptop))
    assert told(laptop) == told(catalog)
    assert catalog.find(announced.ref.version).is_present
    assert "missing" == catalog.find(missing.ref.version).state


def test_what_comes_later_is_gone_from_the_start(catalog, laptop, records):
    """A catalog that never knew it as there takes over that it is not."""
    one = made(records, "a")
    records.record(laptop, [], [one])
    laptop.finish_removals({one.ref.version: 3})

    assert 1 == laptop.push(catalog).removals
    assert "deleted" == catalog.find(one.ref.version).state
    assert catalog.head_ref("pv", {"n": 1}) is None


def test_what_was_seen_afterwards_stays(catalog, laptop, records):
    """The other side saw the same bytes there after they were missed."""
    seen = made(records, "a", origin="observed")
    records.record(laptop, [seen], [])
    laptop.finish_removals({seen.ref.version: None})
    later = datetime.now(UTC) + timedelta(hours=1)
    again = made(records, "a", origin="observed", recorded_at=later)
    records.record(catalog, [again], [])

    assert 0 == laptop.push(catalog).removals
    assert [True] == [one.is_present for one in catalog.versions("pv")]
