"""The facade: lookups for staging, listings for people."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest

from rootcellar.catalog.catalog import Catalog
from rootcellar.schemas.errors import CatalogError, NotInCatalog
from rootcellar.schemas.record import RunState
from rootcellar.schemas.ref import Pin


@dataclass(frozen=True)
class Member:
    """An artifact as the catalog sees one."""

    type_name: str
    key: dict


@pytest.fixture
def grid(catalog, records):
    """Two stations, four outputs of three runs, one failure."""
    sky = {n: records.version("w", {"station": n}, f"{n}", origin="observed") for n in (1, 2)}
    pv = {
        (n, tilt): records.version("pv", {"station": n, "tilt": tilt}, f"{n} {tilt}")
        for n in (1, 2)
        for tilt in (10, 30)
    }
    for n in (1, 2):
        records.record(catalog, [sky[n]], [pv[n, 10], pv[n, 30]], reuse_key=f"key {n}")
    records.record(catalog, [], [], task="fit", state=RunState.FAILED)
    return sky, pv


def test_a_state_that_was_seen_is_known_again(catalog, grid, records):
    """A URI and a pin find the version; another state does not."""
    sky, _ = grid
    ref = sky[1].ref

    assert ref == catalog.version_at(ref.uri, ref.pin).ref
    assert catalog.version_at(ref.uri, Pin(size_bytes=1, etag="other")) is None
    assert catalog.version_at(ref.uri + "x", ref.pin) is None


def test_a_size_alone_is_no_evidence(catalog, records):
    """Without a change token nothing is recognised: other bytes may have the same size."""
    pin = Pin(size_bytes=3)
    made = records.version("pv", {}, "abc", pin=pin)
    records.record(catalog, [], [made])

    assert catalog.version_at(made.ref.uri, pin) is None


def test_of_identical_states_the_newest_version_counts(catalog, records):
    """A store whose etag is a digest cannot tell rewrites apart: the last is what lies there."""
    old = records.version("pv", {}, "same")
    new = records.version("pv", {}, "same", recorded_at=records.START + timedelta(hours=1))
    records.record(catalog, [], [old])
    records.record(catalog, [], [new])

    assert new.ref == catalog.version_at(new.ref.uri, new.ref.pin).ref


def test_keys_fit_by_parts(catalog, grid):
    """Fields left out match all, lists match any, and numbers match by value."""
    assert [{"station": n, "tilt": t} for n in (1, 2) for t in (10, 30)] == catalog.keys("pv")
    assert [{"station": 2, "tilt": 30}] == catalog.keys("pv", station=2, tilt=30)
    assert 4 == len(catalog.keys("pv", station=range(5)))
    assert [{"station": 1, "tilt": 10}] == catalog.keys("pv", station=[1.0, 7], tilt=10)
    assert [] == catalog.keys("pv", station="1")
    assert [] == catalog.keys("pv", station=[])
    assert [] == catalog.keys("nothing")


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        (True, True),
        (2**70, 2**70),
        (0.1, 0.1),
        (30.0, 30),
        ("2026-05-01", date(2026, 5, 1)),
        ("ä" * 3_000, "ä" * 3_000),
    ],
)
def test_values_of_any_type_are_found(catalog, records, value, asked):
    """Whatever stands in a key can be asked for."""
    records.record(catalog, [], [records.version("pv", {"x": value, "y": 0}, "b", uri="raw://x")])

    assert [{"x": value, "y": 0}] == catalog.keys("pv", x=asked)
    assert [value] == [one.key["x"] for one in catalog.heads("pv", x=[asked])]


def test_reuse_gives_the_newest_succeeded_run(catalog, grid, records):
    """The outputs of a failed run, or of another key, are never reused."""
    _, pv = grid
    records.record(catalog, [], [], state=RunState.FAILED, reuse_key="key 1")

    found = catalog.reusable("key 1")

    assert [pv[1, 10].ref, pv[1, 30].ref] == [one.version.ref for one in found.outputs]
    assert catalog.reusable("") is None
    assert catalog.reusable("other") is None


def test_versions_are_listed_by_key(catalog, grid):
    """A type and any part of its key select versions."""
    _, pv = grid

    assert {pv[1, 30].ref, pv[2, 30].ref} == {one.ref for one in catalog.versions("pv", tilt=30)}
    assert 6 == len(catalog.versions())
    short = catalog.versions(max_rows=5)
    assert (5, "first 5 of more") == (len(short), short.note)
    assert "" == catalog.versions(max_rows=6).note


def test_a_misspelt_name_is_an_error_that_knows_better(catalog, grid):
    """An empty table would look like missing data."""
    with pytest.raises(NotInCatalog, match="no such artifact type") as caught:
        catalog.versions("pw")
    assert "pv" in caught.value.remedy
    with pytest.raises(NotInCatalog, match="no field 'titl'") as caught:
        catalog.versions("pv", titl=30)
    assert "tilt" in caught.value.remedy
    with pytest.raises(NotInCatalog, match="a task 'simulat'") as caught:
        catalog.runs("simulat")
    assert "simulate" in caught.value.remedy
    with pytest.raises(NotInCatalog, match="run state 'fail'") as caught:
        catalog.runs(state="fail")
    assert "failed" in caught.value.remedy


def test_a_field_is_known_before_anything_is_made(catalog, records):
    """A declared type refuses a misspelt field though none of its artifacts is recorded."""
    catalog.declare([records.type_record("w"), records.type_record("one", definition={"key": {}})])

    assert 0 == len(catalog.versions("w", station=1))
    with pytest.raises(NotInCatalog, match="no field 'statoin'"):
        catalog.versions("w", statoin=1)
    with pytest.raises(NotInCatalog, match="no field 'station'") as caught:
        catalog.versions("one", station=1)
    assert "empty" in caught.value.remedy


def test_a_time_without_a_zone_is_no_start(catalog):
    """It is refused in our words, without the query."""
    with pytest.raises(CatalogError, match="has no time zone") as caught:
        catalog.runs(since=datetime(2026, 1, 1))  # noqa: DTZ001

    assert "SELECT" not in str(caught.value)


def test_a_task_is_found_by_the_end_of_its_name(catalog, records):
    """Celery names tasks by their module; people do not. A whole name goes first."""
    long = records.record(catalog, task="grid.tasks.fit")
    short = records.record(catalog, task="settle")
    records.record(catalog, task="grid.settle")

    assert [long] == [run.uid for run in catalog.runs("fit")]
    assert [short] == [run.uid for run in catalog.runs("settle")]


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"])
def test_a_key_that_is_no_time_in_utc_is_refused(catalog, records, text):
    """No key holds it, in whatever question."""
    records.record(catalog, [], [records.version("pv", {"hour": "2026-05-01T12:00:00Z"})])
    hour = datetime.fromisoformat(text)

    for ask in (catalog.versions, catalog.heads, catalog.stale, catalog.at("0s").versions):
        with pytest.raises(CatalogError, match="beyond the calendar"):
            ask("pv", hour=[hour])


def test_times_are_found_in_any_zone(catalog, records):
    """A key holds UTC; the question may be put in local time."""
    at = datetime.fromisoformat("2026-01-01T17:30:00+05:30")
    made = records.version("w", {"at": "2026-01-01T12:00:00Z", "part": None}, "sky")
    records.record(catalog, [], [made])

    assert [made.ref] == [one.ref for one in catalog.versions("w", at=at)]
    assert [made.ref] == [one.ref for one in catalog.versions("w", part=None)]
    assert 0 == len(catalog.versions("w", at=None))


def test_what_names_no_version_is_told_from_what_is_not_recorded(catalog, grid, records):
    """Each wrong question gets its own answer and a remedy."""
    elsewhere = records.version("pv", {"station": 9, "tilt": 1}, "far")
    wrong = [
        ("pv", "It is an artifact type"),
        ("0198", "whole uid"),
        ("raw://nobody/x", "store's name"),
        (elsewhere.ref, "Open the catalog"),
        (Member("pv", {"station": 9, "tilt": 1}), "Run the task"),
        (7, "Pass a version"),
    ]

    for subject, remedy in wrong:
        with pytest.raises(NotInCatalog) as caught:
            catalog.find(subject)
        assert remedy in caught.value.remedy, subject


def test_runs_are_filtered(catalog, grid, records):
    """By task, by state, by time, newest first, with a note when cut."""
    assert ["fit"] == [run.task for run in catalog.runs(state="failed")]
    assert 2 == len(catalog.runs("simulate", RunState.SUCCEEDED))
    assert 3 == len(catalog.runs(since=records.START))
    assert 0 == len(catalog.runs(since=records.START + timedelta(seconds=1)))
    span = datetime.now(records.START.tzinfo) - records.START + timedelta(days=1)
    assert 3 == len(catalog.runs(since=span))
    assert "first 2 of more" == catalog.runs(limit=2).note


def test_every_name_of_a_version_is_understood(catalog, grid):
    """A uid, a ref, its JSON, a value, an artifact and a URI mean the same version."""
    _, pv = grid
    ref = pv[1, 30].ref
    value = catalog.version(ref.version)
    member = Member("pv", {"tilt": 30, "station": 1})

    runs = {catalog.produced(x).uid for x in (ref.version, ref, value, member, ref.uri)}
    runs.add(catalog.produced(ref.__json__()).uid)

    assert {value.run_uid} == runs


def test_foreign_bytes_have_no_producer(catalog, grid):
    """None is the answer for bytes that no run of ours made."""
    sky, _ = grid

    assert catalog.produced(sky[1].ref) is None


def test_a_version_walks_by_itself(catalog, grid):
    """In a notebook a value is enough."""
    sky, pv = grid
    value = catalog.version(pv[1, 30].ref.version)
    source = catalog.version(sky[1].ref.version)

    assert [sky[1].ref] == [one.ref for one in value.upstream()]
    assert {pv[1, 10].ref, pv[1, 30].ref} == {one.ref for one in source.downstream()}
    assert 3 == len(value.graph().nodes)
    assert value.run.task == "simulate"
    assert [sky[1].ref] == [one.version.ref for one in value.run.inputs]
    assert "pv(station=1, tilt=30) version 1" == str(value)
    assert value == catalog.version(value.uid)
    assert 1 == len({value, catalog.version(value.uid)})


def test_an_unknown_run_is_an_error(catalog):
    """A run that is not there is not None."""
    with pytest.raises(NotInCatalog):
        catalog.inputs("no-such-run")
    with pytest.raises(NotInCatalog):
        catalog.run("nothing")


def test_checking_changes_nothing(sqlite_url, tmp_path):
    """Looking at a catalog that is not there does not create it."""
    with Catalog(sqlite_url) as catalog:
        before = catalog.check()
        untouched = not (tmp_path / "rows").exists()
        catalog.types()
        after = catalog.check()

    assert untouched
    assert ("", True, "") == (before.revision, before.is_usable, before.uid)
    assert after.revision == after.expected
    assert after.uid


def test_an_unreachable_catalog_is_a_finding(records):
    """The check reports what use would raise, without the password."""
    with Catalog("postgresql://u:s3cret@127.0.0.1:1/x") as catalog:
        health = catalog.check()

    assert not health.is_reachable
    assert health.problem
    assert "s3cret" not in repr(health) + repr(catalog)


def test_results_become_frames(catalog, grid, records):
    """Every listing hands itself over with typed columns, empty ones too."""
    catalog.declare([records.type_record("w")])
    uid = catalog.runs("simulate")[0].uid
    for table in (
        catalog.types(),
        catalog.versions(),
        catalog.versions("pv", station=9),
        catalog.runs(),
        catalog.inputs(uid),
        catalog.outputs(uid),
        catalog.upstream(catalog.versions("pv")[0]),
    ):
        assert len(table) == table.to_arrow().num_rows
        assert list(table.names) == table.to_arrow().column_names


def test_a_graph_draws_itself(catalog, grid):
    """The picture names the artifacts and the task."""
    _, pv = grid
    graph = catalog.graph(pv[1, 30].ref)

    for form in (graph.to_svg(), graph.to_mermaid(), graph.to_text()):
        assert "simulate" in form
        assert "station=1" in form


def test_a_value_prints_on_one_line(catalog, grid):
    """What it is, when and by whom it was made, and the uid to ask on with."""
    _, pv = grid
    found = catalog.find(pv[1, 30].ref)
    failed = catalog.runs("fit")[0]

    assert (
        "<Version pv(station=1, tilt=30) version 1: made by simulate at 2026-05-01 12:00 UTC, "
        f"4 B, uid {found.uid}>"
    ) == repr(found)
    assert (f"<Run fit: failed in 2 min, started 2026-05-01 12:00 UTC, uid {failed.uid}>") == repr(
        failed
    )
    assert "<ArtifactType pv: 4 artifacts at ?>" == repr(catalog.types()[0])


def test_a_type_may_be_named_by_its_class(catalog, grid):
    """Wherever a question takes a type; what is neither is refused."""

    class Pv:
        type_name = "pv"

    class W:
        type_name = "w"

    assert 4 == len(catalog.versions(Pv))
    assert 2 == len(catalog.versions(Pv, tilt=10))
    assert 0 == len(catalog.stale(Pv)) == len(catalog.duplicates(Pv)) == len(catalog.deleted(Pv))
    assert 4 == len(catalog.coverage(Pv))
    assert 0 == len(catalog.gaps(have=W, lack=Pv))
    assert 4 == len(catalog.at("0s").versions(Pv))
    with pytest.raises(NotInCatalog, match="names no artifact type"):
        catalog.versions(3)


def test_a_start_may_be_written(catalog, grid):
    """As a span, or as a day; what is neither is refused in our words."""
    assert 3 == len(catalog.runs(since="2026-01-01"))
    assert 0 == len(catalog.runs(since="1s"))
    assert 1 == len(catalog.failures(since=date(2026, 1, 1)))
    with pytest.raises(CatalogError, match="'lately' is no time"):
        catalog.runs(since="lately")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_leaves_nothing_is_refused(catalog, grid, limit):
    """An empty answer would look like lost data."""
    with pytest.raises(CatalogError, match="limit cannot be"):
        catalog.runs(limit=limit)
    with pytest.raises(CatalogError, match="max_rows cannot be"):
        catalog.versions(max_rows=limit)
    with pytest.raises(CatalogError, match="max_rows cannot be"):
        catalog.stale(max_rows=limit)


def test_a_uid_is_found_by_its_end(catalog, grid):
    """Versions before runs, and nothing is a pattern."""
    version, run = catalog.versions("pv")[0], catalog.runs()[0]

    assert [version] == catalog.ending(version.uid[-8:])
    assert [run] == catalog.ending(run.uid[-8:])
    assert 3 + 6 == len(catalog.ending(""))
    assert 2 == len(catalog.ending("", limit=1))
    assert [] == catalog.ending("%")


def test_a_catalog_without_its_own_row_is_a_finding(sqlite_url):
    """Its tables were made by somebody else, or are damaged; asking how it is says so."""
    with Catalog(sqlite_url) as catalog:
        catalog.types()
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        connection.execute("DELETE FROM catalog_info")
        connection.commit()
    with Catalog(sqlite_url) as catalog:
        health = catalog.check()

    assert not health.is_usable
    assert "not whole" in health.problem
