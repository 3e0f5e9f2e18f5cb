"""sighted: a store that goes back to an earlier state is a newer version, and the current one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rootcellar.schemas.record import new_uid

LATER = timedelta(hours=1)


@pytest.fixture
def first(records):
    """What stood there first, with rows: made by a run."""
    return records.version("pv", {"s": 1}, "first", row_count=7, schema_fingerprint="f1")


@pytest.fixture
def second(records):
    """What was put over it by somebody else, later."""
    later = records.START + LATER
    return records.version("pv", {"s": 1}, "other", origin="observed", recorded_at=later)


@pytest.fixture
def replaced(catalog, records, first, second):
    """A catalog in which a run made the first version, and the second stands in its place."""
    records.record(catalog, [], [first])
    catalog.enter_sightings([second])
    return catalog


def seqs(catalog):
    return [(one.seq, one.state) for one in catalog.history(catalog.head("pv", {"s": 1}))]


def seen(one, at):
    """A sighting of what `one` was."""
    ref = one.ref.model_copy(update={"version": new_uid()})
    return replace(one, ref=ref, origin="observed", recorded_at=at, row_count=None)


def test_reading_an_earlier_state_moves_the_head(replaced, first):
    """It is a version of its own, with content, rows and maker of the earlier one."""
    maker = replaced.version(first.ref.version).run_uid

    ref = replaced.ref_at(first.ref.uri, first.ref.pin)
    head = replaced.head("pv", {"s": 1})

    assert head.ref == ref
    assert (first.ref.digest, 7, "f1", "text/plain") == (
        head.digest,
        head.row_count,
        head.schema_fingerprint,
        head.media_type,
    )
    assert (maker, "run") == (head.run_uid, head.origin)
    assert [(3, "present"), (2, "superseded"), (1, "superseded")] == seqs(replaced)


def test_it_is_entered_once(replaced, first, second):
    """However often it is read; and again when the other state is back."""
    refs = {replaced.ref_at(first.ref.uri, first.ref.pin).version for _ in range(3)}
    replaced.enter_sightings([seen(first, datetime.now(UTC))])
    replaced._refs.forget()

    assert refs == {replaced.ref_at(first.ref.uri, first.ref.pin).version}
    assert 3 == replaced.head("pv", {"s": 1}).seq


def test_what_was_made_of_it_is_not_stale(replaced, records, first):
    """The current state is the one that was read, though another stood there in between."""
    made = records.version("sum", {"s": 1}, "of first", recorded_at=records.START)
    records.record(replaced, [first], [made])
    before = len(replaced.stale())

    replaced.ref_at(first.ref.uri, first.ref.pin)

    assert (1, 0) == (before, len(replaced.stale()))


def test_what_was_current_then_stays_told(replaced, records, first, second):
    """Each moment has its own version, also before the store went back."""
    replaced.ref_at(first.ref.uri, first.ref.pin)
    moments = [records.START, records.START + LATER, datetime.now(UTC) + LATER]

    found = [replaced.at(when).find(first.ref.uri).seq for when in moments]

    assert [1, 2, 3] == found


def test_who_looked_just_before_a_publication_moves_nothing(catalog, records, first):
    """An object seen in its old state while the new one is entered is no going back."""
    records.record(catalog, [], [first])
    now = datetime.now(UTC)
    second = records.version("pv", {"s": 1}, "other", recorded_at=now)
    records.record(catalog, [], [second])

    asked = catalog.ref_at(first.ref.uri, first.ref.pin)
    catalog.enter_sightings([seen(first, now + timedelta(seconds=1))])

    assert first.ref == asked
    assert second.ref == catalog.head_ref("pv", {"s": 1})


def test_sightings_that_waited_tell_the_same(catalog, records, first, second):
    """Entered all at once, or in any order, each state is current when it was seen."""
    back = seen(first, records.START + 2 * LATER)
    records.record(catalog, [], [first])

    catalog.enter_sightings([back, second, seen(first, records.START + LATER / 2)])

    assert back.ref == catalog.head_ref("pv", {"s": 1})
    assert [3, 2, 1] == [one.seq for one in catalog.history(back.ref.uri)]


def test_what_is_new_and_what_is_back_are_entered_together(replaced, records, first):
    """One has a maker, and the other none."""
    now = datetime.now(UTC)
    back, new = seen(first, now), seen(records.version("pv", {"s": 2}, "new"), now)

    replaced.enter_sightings([new, back])

    assert [back.ref, new.ref] == [replaced.head_ref("pv", {"s": one}) for one in (1, 2)]
    assert replaced.head("pv", {"s": 1}).run_uid
    assert not replaced.head("pv", {"s": 2}).run_uid


def test_a_sighting_from_before_is_no_going_back(replaced, records, first, second):
    """A record of it that arrives late is of the version that stood then."""
    late = seen(first, records.START + LATER / 2)

    records.record(replaced, [late])

    assert second.ref == replaced.head_ref("pv", {"s": 1})
    assert 2 == len(replaced.versions())
