"""What was current at a moment, against a plain search over what was recorded."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.schemas.errors import CatalogError, NotInCatalog

HOUR = timedelta(hours=1)
MANY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Records arrive in this order, with these hours: not sorted, and some at the same one.
ARRIVALS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 2), st.integers(0, 5), st.sampled_from("xyz")),
    max_size=12,
)


@pytest.fixture
def salts():
    """Numbers that keep the examples of one test apart in one catalog."""
    return iter(range(1_000_000))


@MANY
@given(arrivals=ARRIVALS, hour=st.integers(-1, 6))
def test_a_view_shows_what_a_plain_search_finds(catalog, records, salts, arrivals, hour):
    """For each artifact the latest by then; of equal times the one that arrived last."""
    salt = next(salts)
    current = {}
    for name, key, when, body in arrivals:
        made = records.version(
            f"{name}{salt}", {"n": key}, body, recorded_at=records.START + when * HOUR
        )
        records.record(catalog, [], [made])
        if when <= hour and when >= current.get((name, key), (when, ""))[0]:
            current[name, key] = (when, made.ref.version)
    view = catalog.at(records.START + hour * HOUR)

    for name in {name for name, *_ in arrivals}:
        expected = {uid for (of, _), (_, uid) in current.items() if of == name}
        found = view.versions(f"{name}{salt}")
        assert expected == {one.uid for one in found}
        assert sorted(one.order for one in found) == [one.order for one in found]
        for (of, key), (_, uid) in current.items():
            if of == name:
                assert [uid] == [one.uid for one in view.versions(f"{name}{salt}", n=key)]


@MANY
@given(arrivals=ARRIVALS)
def test_a_view_of_the_end_is_the_present(catalog, records, salts, arrivals):
    """What is current after everything was recorded is what heads are."""
    salt = next(salts)
    for name, key, when, body in arrivals:
        made = records.version(
            f"{name}{salt}", {"n": key}, body, recorded_at=records.START + when * HOUR
        )
        records.record(catalog, [], [made])
    view = catalog.at(records.START + 9 * HOUR)

    for name in {f"{name}{salt}" for name, *_ in arrivals}:
        assert list(catalog.heads(name)) == list(view.versions(name))


def two_days(catalog, records):
    """An artifact that changed, and its place that another type took over."""
    first = records.version("w", {"s": 1}, "sun")
    second = records.version("w", {"s": 1}, "rain", recorded_at=records.START + 24 * HOUR)
    third = records.version(
        "x", {}, "fog", uri=second.ref.uri, recorded_at=records.START + 48 * HOUR
    )
    for one in (first, second, third):
        records.record(catalog, [], [one])
    return [one.ref for one in (first, second, third)]


def test_what_was_current_is_found_by_whatever_names_it(catalog, records):
    """A ref and a uid stand for their artifact, a URI for what lay there then."""
    first, second, third = two_days(catalog, records)
    view = catalog.at(records.START + HOUR)

    assert {first.version} == {view.find(x).uid for x in (second, second.version, first.uri)}
    assert second.version == catalog.at("2026-05-03").find(first.uri).uid
    assert third.version == catalog.at(records.START + 48 * HOUR).find(first.uri).uid


def test_what_was_not_there_yet_is_not_found(catalog, records):
    """Before the first record there is an error with a remedy, and an empty table."""
    first, *_ = two_days(catalog, records)
    view = catalog.at(records.START - HOUR)

    with pytest.raises(NotInCatalog, match="nothing of it was recorded by 2026-05-01 11:00 UTC"):
        view.find(first)
    assert [] == list(view.versions("w"))


def test_a_view_of_everything_is_cut_with_a_note(catalog, records):
    """Without a type all are shown, up to the limit."""
    two_days(catalog, records)
    view = catalog.at(records.START + 72 * HOUR)

    assert ["w", "x"] == [one.type for one in view.versions()]
    assert "first 1 of more" == view.versions(max_rows=1).note


@pytest.mark.parametrize(
    ("when", "meant"),
    [
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        (date(2026, 5, 1), datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01T12:30", datetime(2026, 5, 1, 12, 30, tzinfo=UTC)),
        ("2026-05-01T12:30+02:00", datetime(2026, 5, 1, 10, 30, tzinfo=UTC)),
        (
            datetime(2026, 5, 1, tzinfo=timezone(timedelta(hours=1))),
            datetime(2026, 4, 30, 23, tzinfo=UTC),
        ),
    ],
)
def test_moments_may_be_written_in_many_ways(catalog, when, meant):
    """What has no zone is UTC, and a day means its beginning."""
    assert meant == catalog.at(when).when


def test_a_span_is_one_until_now(catalog):
    """A week ago is a week before now."""
    before = datetime.now(UTC)

    assert before <= catalog.at(timedelta(days=7)).when + timedelta(days=7) <= datetime.now(UTC)


@pytest.mark.parametrize("when", ["yesterday", datetime(2026, 5, 1), None, 5])  # noqa: DTZ001
def test_what_is_no_moment_is_refused(catalog, when):
    """A naive time object could be anybody's."""
    with pytest.raises(CatalogError) as caught:
        catalog.at(when)

    assert caught.value.remedy


def test_a_misspelt_type_is_refused(catalog, records):
    """As in the present."""
    two_days(catalog, records)

    with pytest.raises(NotInCatalog, match="no such artifact type"):
        catalog.at(records.START).versions("ww")
