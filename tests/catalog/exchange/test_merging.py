"""Merging catalogs: all of it, once, in any order, also after it was cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.exchange import merging
from rootcellar.schemas.columns import Column, ColumnStatistics
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CatalogError, CatalogUnavailable
from rootcellar.schemas.record import (
    ErrorRecord,
    PhaseSeconds,
    RunState,
)


@pytest.fixture
def laptop(tmp_path):
    """A catalog of its own in a SQLite file."""
    with Catalog(f"sqlite:///{tmp_path}/laptop.sqlite") as laptop:
        yield laptop


def fill(catalog, records, name="pv", runs=3):
    """Runs in a chain over foreign bytes, one that failed, one that goes on, one that was lost."""
    last = records.version("weather", {"station": 1}, "sky", origin="observed")
    for number in range(runs):
        made = records.version(
            name,
            {"n": number},
            f"{name} {number}",
            recorded_at=records.START + timedelta(minutes=number),
            row_count=number,
            schema_fingerprint=Digest.of(str(number % 2).encode()),
            columns=(Column("n", ("int64", "double")[number % 2]),),
            statistics=(ColumnStatistics(name="n", null_count=number, minimum="a\0"),),
        )
        phases = PhaseSeconds(stage_in=1.5, body=2.25, stage_out=0.5)
        records.record(catalog, [last], [made], phases=phases)
        last = made
    error = ErrorRecord(phase="body", error="ValueError", message="no", traceback="tb")
    records.record(catalog, [last], [], state=RunState.FAILED, error=error)
    going, lost = records.started(arguments={"x": [1, None, "ü"]}), records.started(host="n2")
    catalog.start_run(going)
    catalog.start_run(lost)
    catalog.mark_lost([lost.uid])
    return last


def answers(catalog):
    """All that can be asked of a catalog's runs and versions, but for numbers by arrival."""
    versions = {
        one.uid: (
            (one.ref, one.origin, one.run_uid, one.is_present, one.recorded_at, one.row_count),
            (one.schema_fingerprint, [*one.schema], [*one.statistics]),
        )
        for one in catalog.versions()
    }
    runs = {
        run.uid: (
            replace(run, catalog=None),
            [replace(one, version=one.version and one.version.uid) for one in run.inputs],
            [replace(one, version=one.version.uid) for one in run.outputs],
        )
        for run in catalog.runs()
    }
    types = {one.name: (one.definition, one.declared_at, one.artifacts) for one in catalog.types()}
    heads = {one.name: [v.uid for v in catalog.heads(one.name)] for one in catalog.types()}
    walks = {uid: set(catalog.upstream(uid).column("version")) for uid in versions}
    return versions, runs, types, heads, walks


def test_a_pushed_catalog_answers_as_it_did(laptop, catalog, records):
    """Runs, versions, heads, walks and types are the same in the other catalog."""
    laptop.declare([records.type_record("weather"), records.type_record("pv")])
    fill(laptop, records)
    merged = laptop.push(catalog)

    assert answers(laptop) == answers(catalog)
    assert (6, 4, 2, 0, 0) == (
        merged.runs, merged.versions, merged.types, merged.known_runs, merged.joined
    )  # fmt: skip


def test_pull_is_push_from_the_other_side(laptop, catalog, records):
    """The same records arrive; a URL serves as well as a catalog."""
    fill(catalog, records)
    laptop.pull(catalog)
    with Catalog(f"{laptop._database._url}".replace("laptop", "third")) as third:
        third.pull(laptop._database._url.render_as_string(hide_password=False))

        assert answers(catalog) == answers(laptop) == answers(third)


def test_a_merge_may_be_repeated(laptop, catalog, records):
    """The second time nothing changes, and it says so."""
    fill(laptop, records)
    laptop.push(catalog)
    before = answers(catalog)
    merged = laptop.push(catalog)

    assert before == answers(catalog)
    assert (0, 0, 0, 6) == (merged.runs, merged.versions, merged.types, merged.known_runs)


def test_both_ways_both_know_all(laptop, catalog, records):
    """After push and pull either side answers for both."""
    fill(laptop, records, "pv")
    fill(catalog, records, "wind")
    laptop.push(catalog)
    laptop.pull(catalog)
    mine, theirs = answers(laptop), answers(catalog)

    assert mine[1].keys() == theirs[1].keys()
    assert 12 == len(mine[1])
    assert mine[3].keys() == theirs[3].keys() == {"weather", "pv", "wind"}


def test_a_sighting_that_both_have_stays_one_version(laptop, catalog, records):
    """The same bytes in the same place are joined: runs of both sides read one version."""
    seen = [records.version("weather", {}, "sky", origin="observed") for _ in range(2)]
    uids = [
        records.record(where, [one], [records.version("pv", {"n": number}, f"{number}")])
        for number, (where, one) in enumerate(zip((laptop, catalog), seen, strict=True))
    ]
    merged = laptop.push(catalog)
    read = {catalog.run(uid).inputs[0].version.uid for uid in uids}

    assert {seen[1].ref.version} == read
    assert 1 == merged.joined


def test_observed_versions_that_nobody_read_come_along(laptop, catalog, records):
    """A sighting without any run is a version too, with its place."""
    seen = records.version("weather", {"station": 9}, "sky", origin="observed")
    laptop.types()
    laptop._recorder.enter_versions([seen])
    laptop.push(catalog)

    assert seen.ref == catalog.find(seen.ref.uri).ref


def test_what_ended_meanwhile_is_completed(laptop, catalog, records):
    """A run pushed while it ran, and one taken for lost, get their ends by a later push."""
    going, lost = records.started(), records.started()
    made = records.version("pv", {}, "x")
    for start in (going, lost):
        laptop.start_run(start)
    laptop.push(catalog)
    catalog.mark_lost([lost.uid])
    laptop.finish_run(records.ended(going.uid, [], [made]))
    laptop.finish_run(records.ended(lost.uid, [], []))
    merged = laptop.push(catalog)

    assert {"succeeded"} == set(catalog.runs().column("state"))
    assert going.uid == catalog.find(made.ref).run_uid
    assert 2 == merged.runs


def test_a_known_end_is_never_taken_back(laptop, catalog, records):
    """A catalog that still has a run as running, or as lost, does not undo its end elsewhere."""
    start = records.started()
    for one in (laptop, catalog):
        one.start_run(start)
    catalog.finish_run(records.ended(start.uid))
    laptop.push(catalog)
    laptop.mark_lost([start.uid])
    laptop.push(catalog)

    assert RunState.SUCCEEDED == catalog.run(start.uid).state


def test_an_end_without_a_start_is_completed_from_the_other_side(laptop, catalog, records):
    """The start may be recorded in one catalog and the end in the other."""
    start = records.started(task="fit", host="n1")
    laptop.finish_run(records.ended(start.uid))
    catalog.start_run(start)
    laptop.push(catalog)
    laptop.pull(catalog)

    assert ("fit", RunState.SUCCEEDED) == (
        catalog.run(start.uid).task,
        catalog.run(start.uid).state,
    )
    assert ("fit", RunState.SUCCEEDED) == (laptop.run(start.uid).task, laptop.run(start.uid).state)


def test_a_digest_that_was_learned_is_learned_there_too(laptop, catalog, records):
    """A version pushed before its bytes were read whole gets its digest by a later push."""
    unread = records.version("big", {}, "bytes", origin="observed")
    known = unread.ref
    unread = replace(
        unread, ref=known.model_copy(update={"digest": Digest.unread(known.uri, known.pin.token)})
    )
    records.record(laptop, [unread], [])
    laptop.push(catalog)
    records.record(laptop, [replace(unread, ref=known, is_learned=True)], [])
    laptop.push(catalog)
    laptop.pull(catalog)

    assert known.digest == catalog.find(known).digest == laptop.find(known).digest


class CutError(Exception):
    """The connection broke."""


@pytest.mark.parametrize("calls", [0, 1, 2, 4])
def test_a_merge_that_was_cut_off_goes_on(laptop, catalog, records, monkeypatch, calls):
    """Wherever it stops, the next one brings the rest, and nothing twice."""
    monkeypatch.setattr(merging, "_RUNS", 2)
    monkeypatch.setattr(merging, "_EDGES", 2)
    fill(laptop, records, runs=6)
    original, left = merging.Recorder.finish_runs, [calls]

    def finish_runs(self, ended):
        if not left[0]:
            raise CutError
        left[0] -= 1
        original(self, ended)

    with monkeypatch.context() as patch:
        patch.setattr(merging.Recorder, "finish_runs", finish_runs)
        with pytest.raises(CutError):
            laptop.push(catalog)
    merged = laptop.push(catalog)

    assert answers(laptop) == answers(catalog)
    assert 9 == merged.runs + merged.known_runs


KILLED = """
import os, signal, sys
from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.exchange import merging

merging._RUNS = merging._EDGES = 2
original, calls = merging.Recorder.finish_runs, []

def finish_runs(self, ended):
    original(self, ended)
    calls.append(ended)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

merging.Recorder.finish_runs = finish_runs
Catalog(sys.argv[1]).push(sys.argv[2])
"""


def test_a_merge_whose_process_was_killed_goes_on(laptop, url, records):
    """What was committed stays, and the next merge brings the rest."""
    fill(laptop, records, runs=6)
    own = laptop._database._url.render_as_string(hide_password=False)
    done = subprocess.run([sys.executable, "-c", KILLED, own, url], check=False)
    with Catalog(url) as catalog:
        arrived = len(catalog.runs())
        laptop.push(catalog)

        assert -signal.SIGKILL == done.returncode
        assert 0 < arrived < 9
        assert answers(laptop) == answers(catalog)


def test_a_run_that_is_not_there_whole_is_found(laptop, catalog, records, monkeypatch):
    """The comparison is no formality: what is missing is named by its uid."""
    fill(laptop, records)
    monkeypatch.setattr(merging.Recorder, "finish_runs", lambda self, ended: None)

    with pytest.raises(CatalogError, match=r"the other catalog lacks 5 runs such as"):
        laptop.push(catalog)


def test_a_run_that_ends_meanwhile_is_no_difference(laptop, catalog, records, monkeypatch):
    """Workers go on recording: what ended after it was read comes over as well."""
    going = records.started()
    laptop.start_run(going)
    original, calls = merging.verify, []

    def verify(source, target, upto):
        if not calls:
            laptop.finish_run(records.ended(going.uid))
            calls.append(records.record(laptop))
        return original(source, target, upto)

    monkeypatch.setattr(merging, "verify", verify)
    merged = laptop.push(catalog)

    assert RunState.SUCCEEDED == catalog.run(going.uid).state
    assert (2, 0) == (merged.runs, merged.known_runs)


def test_the_other_catalog_may_be_away(laptop, records):
    """As everywhere, that is a transient error."""
    fill(laptop, records)

    with pytest.raises(CatalogUnavailable):
        laptop.push("postgresql://nobody@127.0.0.1:1/none")


def test_strange_texts_and_large_fan_in_come_over(laptop, catalog, records):
    """NUL and surrogates were written out when they were recorded; a run may read thousands."""
    many = [records.version("w", {"n": n}, f"{n}", origin="observed") for n in range(2_000)]
    start = records.started(arguments={"a\0": "\udc80"}, host="a\0b")
    laptop.finish_run(records.ended(start.uid, many, []), start)
    laptop.push(catalog)

    assert answers(laptop)[1] == answers(catalog)[1]


def test_two_laptops_may_push_at_once(tmp_path, postgres_url, records):
    """What both bring of a common past is there once, and nobody waits in a circle."""
    laptops = [Catalog(f"sqlite:///{tmp_path}/{name}.sqlite") for name in "ab"]
    fill(laptops[0], records, runs=40)
    laptops[0].push(laptops[1])
    for number, one in enumerate(laptops):
        fill(one, records, f"own{number}")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: one.push(postgres_url), laptops))
    with Catalog(postgres_url) as team:
        found = answers(team)
        for one in laptops:
            one.pull(team)

            assert found[1] == answers(one)[1]
            one.dispose()


PLANS = st.lists(
    st.tuples(st.integers(0, 3), st.sets(st.integers(0, 20), max_size=3), st.booleans()),
    max_size=6,
)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(PLANS, PLANS, PLANS)
def test_merging_in_either_order_gives_the_same_answers(
    tmp_path_factory, records, common, left, right
):
    """Two catalogs with a common past, each with runs of its own: a into b answers as b into a."""
    folder = tmp_path_factory.mktemp("merge")
    counter = iter(range(1_000))

    def play(catalogs, plan, known):
        for key, picked, fails in plan:
            at = records.START + timedelta(minutes=next(counter))
            earlier = [known[one % len(known)] for one in picked if known]
            inputs = {one.ref.version: one for one in earlier}
            made = records.version("v", {"k": key}, f"{at}", recorded_at=at)
            start = records.started(started_at=at)
            state = RunState.FAILED if fails else RunState.SUCCEEDED
            end = records.ended(
                start.uid, list(inputs.values()), [] if fails else [made], state=state
            )
            for catalog in catalogs:
                catalog.finish_run(end, start)
            known.extend([] if fails else [made])

    names = ["a", "b", "a2", "b2"]
    a, b, a2, b2 = (Catalog(f"sqlite:///{folder}/{name}.sqlite") for name in names)
    past = []
    play([a, b, a2, b2], common, past)
    play([a, a2], left, [*past])
    play([b, b2], right, [*past])
    a.push(b)
    a2.pull(b2)
    found = answers(b), answers(a2)
    for one in (a, b, a2, b2):
        one.dispose()

    assert found[0] == found[1]
