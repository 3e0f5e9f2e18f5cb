"""The big catalog and what is measured on it, in small."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks import catalog_reads, catalog_shape, catalog_writes
from benchmarks.catalog_graph import fill
from benchmarks.catalog_shape import Shape
from benchmarks.suite import OURS, Scale
from rootcellar.catalog.catalog import Catalog

SHAPE = Shape(5_000)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('catalog')}/catalog.sqlite"
    fill(url, SHAPE)
    with Catalog(url) as catalog:
        yield catalog


def uid(version_id):
    return catalog_shape.uid(1, version_id)


def test_ids_are_those_of_the_order():
    """Each version and each run has an id of its own, in the order in which they are made."""
    versions = [version_id for version_id, *_ in SHAPE.made()]
    runs = [run_id for run_id, _ in SHAPE.reads()]

    assert list(range(1, len(versions) + 1)) == versions
    assert list(range(1, len(runs) + 1)) == runs


def test_a_run_reads_what_was_there():
    """No run reads a version that a later run makes, so there is no circle."""
    made_by = {version_id: run_id for version_id, _, _, run_id, _ in SHAPE.made()}

    assert all(made_by[one] < run_id for run_id, read in SHAPE.reads() for one in read)


def test_each_artifact_has_one_current_version():
    """The last one that was made of it."""
    made = list(SHAPE.made())
    last = {artifact: version_id for version_id, artifact, *_ in made}

    assert last == {artifact: version_id for version_id, artifact, *_, is_last in made if is_last}
    assert SHAPE.artifacts == len(last)


def test_there_are_as_many_edges_as_asked_for():
    """Readings and makings; the links and the last runs come on top, a fifth at most."""
    runs = Counter(len(read) for _, read in Shape(500_000).reads())

    assert 500_000 <= sum((count + 2) * number for count, number in runs.items()) < 600_000


def test_the_catalog_holds_the_shape(catalog):
    """It answers as one would that was recorded."""
    chain = catalog.upstream(uid(SHAPE.last_link), max_nodes=10_000)
    common = catalog.readers(uid(catalog_shape.REFERENCE), limit=10_000)
    number = next(n for n in range(SHAPE.plain) if SHAPE.place(n)[1] == 1)
    run = catalog.run(catalog_shape.uid(2, SHAPE.run_id(number)))

    # The links before it, and what each of them reads besides.
    assert SHAPE.chain - 1 + 1 == len(chain)
    assert list(map(uid, SHAPE.read(number))) == [one.version.uid for one in run.inputs]
    assert {uid(SHAPE.version_id(number, side)) for side in (0, 1)} == {
        one.version.uid for one in run.outputs
    }
    assert SHAPE.plain - -(-SHAPE.plain // 10) == len(common)


def test_some_of_it_is_stale(catalog):
    """What hangs on what was made anew, and nothing of the first stage."""
    stale = catalog.stale()

    assert stale
    assert 0 not in {one.key["stage"] for one in stale}


@pytest.mark.parametrize("name", catalog_reads.QUESTIONS)
def test_each_question_has_a_figure_for_each_database(name):
    """Or the reason why there is none."""
    rows = catalog_reads.measure(name, Scale(quick=True, rounds=1))

    assert [name, f"{name}-postgres"] == [row.name for row in rows]
    assert ["", ""] == [row.note for row in rows]
    assert all(row.ours for row in rows)


def test_recording_is_measured_beside_its_peers():
    """Each has a figure, or the reason why there is none."""
    rows = catalog_writes.measure_record("record-sqlite", Scale(quick=True, rounds=1))

    assert {OURS, catalog_writes.TWICE, *catalog_writes.PEERS} == {row.peer for row in rows}
    assert [] == [row.peer for row in rows if row.theirs is None and not row.note]


def test_what_a_peer_lacks_is_said(monkeypatch, tmp_path):
    """Without the peers' environment their rows say so, and ours has its figure."""
    monkeypatch.setattr(catalog_writes, "PYTHON", tmp_path / "python")

    rows = catalog_writes.measure_record("record-sqlite", Scale(quick=True, rounds=1))

    notes = {row.peer: row.note for row in rows if row.theirs is None}
    assert set(catalog_writes.PEERS) == notes.keys()
    assert all("make bench" in note for note in notes.values())


def test_waits_and_bytes_are_counted():
    """Postgres is waited for at least once, and a run takes more than its own text."""
    waits = catalog_writes.measure_record("record-postgres", Scale(quick=True, rounds=1))[-1]
    (size,) = catalog_writes.measure_size("catalog-size", Scale(quick=True, rounds=1))

    assert "record-postgres-trips" == waits.name
    assert 1 <= waits.ours < 30
    assert 500 < size.ours < 10_000
