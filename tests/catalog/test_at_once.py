"""at_once: a run entered with few statements leaves the rows that the long way leaves."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from rootcellar.catalog import recording
from rootcellar.catalog import tables as t
from rootcellar.catalog.catalog import Catalog
from rootcellar.schemas.errors import CatalogError


@pytest.fixture
def ways(monkeypatch):
    """Tells of each run that was tried at once whether it was entered so."""
    found = []
    enter = recording.enter_at_once

    def watched(*arguments):
        found.append(False)
        ids = enter(*arguments)
        found[-1] = True
        return ids

    monkeypatch.setattr(recording, "enter_at_once", watched)
    return found


def history(records):
    """Runs over few artifacts: made anew, late, of equal bytes, and at another's place."""
    seen = [records.version("weather", {"s": 0}, "sky", origin="observed")]
    runs, last = [], seen
    for number in range(12):
        start = records.started(task=f"t{number % 2}")
        made = [
            records.version("pv", {"s": n, "site": "b\0"}, f"{number // 3}")
            for n in range(1 + number % 4)
        ]
        if number % 5 == 4:
            made = [replace(one, recorded_at=one.recorded_at - timedelta(days=1)) for one in made]
        if number == 7:
            moved = records.version("wind", {"s": 0}, "w", uri=made[0].ref.uri)
            made = [moved, *made[1:]]
        runs.append((start, records.ended(start.uid, [*seen, *last], made)))
        last = made
    return runs


@pytest.fixture
def by_the_long_way(url, request, tmp_path):
    """A second catalog of the same kind, whose runs are never entered at once."""
    if url.startswith("sqlite"):
        other = f"sqlite:///{tmp_path}/other/catalog.sqlite"
    else:
        other = request.getfixturevalue("another_postgres_url")
    with Catalog(other) as catalog:
        catalog._recorder._at_once = lambda *_: False
        yield catalog


def test_the_rows_are_those_of_the_long_way(catalog, by_the_long_way, records, ways):
    """Ids, numbers, heads and states too, over a history that repeats itself."""
    for one in (catalog, by_the_long_way):
        for start, end in (runs := history(records)) if one is catalog else runs:
            one.finish_run(end, start)

    assert records.everything(by_the_long_way) == records.everything(catalog)
    assert sum(ways) >= len(runs) - 1


def test_a_run_that_is_there_already_changes_nothing(catalog, records, ways):
    """Neither as it was, nor with other products under its uid."""
    start = records.started()
    catalog.types()
    catalog._recorder._identities.types(["pv", "wind"])
    catalog.finish_run(records.ended(start.uid, [], [records.version("pv", {"s": 1}, "a")]), start)
    before = records.everything(catalog)

    catalog.finish_run(
        records.ended(start.uid, [], [records.version("wind", {"s": 2}, "b")]), start
    )

    assert before == records.everything(catalog)
    assert [True, False] == ways


def test_a_product_that_was_read_before_gets_its_producer(catalog, records, ways):
    """Its reader's record came first, and took it for foreign bytes."""
    made = records.version("pv", {"s": 1}, "power")
    reader, maker = records.started(), records.started()
    catalog.finish_run(records.ended(reader.uid, [replace(made, origin="observed")], []), reader)
    with Catalog(catalog._database._url.render_as_string(hide_password=False)) as other:
        other.finish_run(records.ended(maker.uid, [], [made]), maker)

        assert maker.uid == other.produced(made.ref.version).uid
        assert 1 == len(other.versions())
    assert [False] == ways


def test_nothing_of_a_run_that_fails_is_remembered(catalog, records, monkeypatch):
    """An id that was given up with its transaction belongs to another's row later."""
    made = [records.version("pv", {"s": 1}, "power")]
    start = records.started()
    end = records.ended(start.uid, [], made)
    broken = replace(end, inputs=(*end.inputs,), ended_at=end.ended_at.replace(tzinfo=None))

    with pytest.raises((CatalogError, ValueError)):
        catalog.finish_run(broken, start)
    assert not catalog._recorder.has_all_of([made[0].ref.version])
    catalog.finish_run(end, start)

    assert [made[0].ref.version] == [one.version.uid for one in catalog.outputs(start.uid)]


def test_writers_of_the_same_artifacts_number_their_versions_apart(url, records):
    """Threads and connections of their own; each place has one version that is present."""
    writers, turns = 6, 8
    errors = []

    def write(catalog):
        try:
            for turn in range(turns):
                start = records.started()
                made = [records.version("pv", {"s": n}, f"{turn}{start.uid}") for n in (2, 1, 0)]
                catalog.finish_run(records.ended(start.uid, [], made), start)
        except Exception as error:  # noqa: BLE001  # shown by the assertion
            errors.append(error)

    catalogs = [Catalog(url) for _ in range(writers)]
    catalogs[0].types()
    threads = [threading.Thread(target=write, args=(one,)) for one in catalogs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def read(connection):
        numbers = connection.execute(select(t.version.c.artifact_id, t.version.c.seq)).all()
        present = connection.execute(
            select(func.count()).where(t.location.c.state == t.LocationState.PRESENT)
        ).scalar()
        heads = connection.execute(
            select(func.count())
            .select_from(t.artifact_head)
            .join(t.location, t.location.c.version_id == t.artifact_head.c.version_id)
            .where(t.location.c.state == t.LocationState.PRESENT)
        ).scalar()
        return sorted(seq for _, seq in numbers), present, heads

    seqs, present, heads = catalogs[0]._database.read(read)
    for one in catalogs:
        one.dispose()

    assert [] == errors
    assert sorted(list(range(1, writers * turns + 1)) * 3) == seqs
    assert (3, 3) == (present, heads)
