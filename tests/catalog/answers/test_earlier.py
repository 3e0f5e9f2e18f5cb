"""Which version is meant by an earlier one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from rootcellar.schemas.errors import CatalogError, NotInCatalog


@pytest.fixture
def days(lab):
    """Versions of one artifact with their ages in days; the last two hold the same bytes."""
    now = datetime.now(UTC)
    made = {
        age: lab.version("pv", body, recorded_at=now - timedelta(days=age))
        for age, body in ((30, "a"), (10, "b"), (3, "c"), (1, "c"))
    }
    for one in made.values():
        lab.run("fit", [], [one])
    lab.run("fit", [], [lab.version("pv", "z", key={"n": 2}, recorded_at=now)])
    return {age: one.ref for age, one in made.items()}


def test_the_one_before_has_other_content(lab, days):
    """An equal rewrite explains nothing, so it is passed over."""
    assert days[10].version == lab.catalog.earlier(days[1]).uid
    assert days[30].version == lab.catalog.earlier(days[10]).uid
    with pytest.raises(NotInCatalog, match="no earlier version of it has other content"):
        lab.catalog.earlier(days[30])


@pytest.mark.parametrize("than", ["7d", "1w", "240 h", timedelta(days=7)])
def test_a_span_means_what_was_current_then(lab, days, than):
    """So long ago, in units as the commands take them."""
    assert days[10].version == lab.catalog.earlier(days[1], than).uid


def test_a_time_means_what_was_current_then(lab, days):
    """A day begins at midnight UTC; a time needs its zone."""
    then = datetime.now(UTC) - timedelta(days=5)

    for than in (then, then.isoformat(), then.date(), then.date().isoformat()):
        assert days[10].version == lab.catalog.earlier(days[1], than).uid
    with pytest.raises(CatalogError, match="no time zone"):
        lab.catalog.earlier(days[1], then.replace(tzinfo=None))
    with pytest.raises(CatalogError, match="is no time"):
        lab.catalog.earlier(days[1], "2026-13-01")


def test_before_the_first_version_there_is_nothing(lab, days):
    """That is an error with a remedy, not the oldest."""
    with pytest.raises(NotInCatalog, match="no version of it was recorded by") as caught:
        lab.catalog.earlier(days[1], date(2000, 1, 1))

    assert caught.value.remedy


def test_anything_else_names_a_version(lab, days):
    """A uid, a version, a ref, also of another artifact."""
    for than in (days[3], days[3].version, lab.catalog.find(days[3])):
        assert days[3].version == lab.catalog.earlier(days[1], than).uid
