"""Replay: whatever the order, and however often, the catalog is what direct writes make of it."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_spool import NOW
from test_starts import a_start

from rootcellar.away import enter
from rootcellar.catalog.catalog import Catalog
from rootcellar.run_text import WaitingRun, read_run, run_text
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import (
    ErrorRecord,
    InputRecord,
    OutputRecord,
    RunEnded,
    RunState,
    VersionRecord,
    new_uid,
)
from rootcellar.schemas.ref import Pin, Ref
from rootcellar.spool import Spool


def a_version(kind, number, content, at, **fields):
    body = content.encode()
    digest = Digest.of(body)
    ref = Ref(
        type=kind, key={"number": number}, uri=f"raw://{kind}/{number}", version=new_uid(),
        kind="file", digest=digest, size_bytes=len(body),
        pin=Pin(size_bytes=len(body), etag=digest.short),
    )  # fmt: skip
    return VersionRecord(ref=ref, media_type="text/plain", recorded_at=at, **fields)


@dataclass
class World:
    """Runs one after the other: each makes something, and reads what there is then."""

    runs: list[WaitingRun] = field(default_factory=list)
    newest: dict[int, VersionRecord] = field(default_factory=dict)
    ticks: Any = field(default_factory=itertools.count)

    def run(self, reads, makes, fails):
        at = NOW + timedelta(seconds=next(self.ticks))
        start = replace(a_start(), started_at=at, arguments={"makes": makes})
        inputs = tuple(
            InputRecord(argument="x", ordinal=ordinal, version=version, cache="miss")
            for ordinal, version in enumerate(self._read(one, at) for one in reads)
            if version is not None
        )
        outputs = []
        if makes is not None and not fails:
            made = a_version("made", makes, f"by {start.uid}", at, origin="run")
            outputs = [OutputRecord(argument="y", ordinal=0, version=made)]
            self.newest[makes] = made
        error = ErrorRecord(phase="body", error="E", message="m", traceback="t") if fails else None
        state = RunState.FAILED if fails else RunState.SUCCEEDED
        end = RunEnded(
            uid=start.uid, state=state, ended_at=at, inputs=inputs, outputs=tuple(outputs),
            error=error,
        )  # fmt: skip
        self.runs.append(WaitingRun(start, end))

    def _read(self, what, at):
        way, number = what
        if way == "foreign":
            # It is replaced now and then; whoever reads it sees what is there.
            content = f"{number} {(at - NOW).seconds // 3}"
            return a_version("raw", number, content, at, origin="observed")
        made = self.newest.get(number)
        if made is None or way == "ref":
            return made and replace(made, origin="observed", recorded_at=at)
        # Found by its key, with nobody to ask which version it is.
        sighting = made.ref.model_copy(update={"version": new_uid()})
        return replace(made, ref=sighting, origin="observed", recorded_at=at)


numbers = st.integers(0, 2)
reading = st.tuples(st.sampled_from(["foreign", "ref", "key"]), numbers)
steps = st.lists(
    st.tuples(st.lists(reading, max_size=3), st.none() | numbers, st.booleans()),
    min_size=1, max_size=8,
)  # fmt: skip


def identity(version):
    """What a version is, whatever its uid: a sighting may have one of its own."""
    made_by = version.run.uid if version.run else None
    return (version.type, str(version.key), str(version.ref.digest), made_by)


def shown(catalog):
    """All that the catalog says, but for row numbers and who came first."""
    runs = {}
    for run in catalog.runs():
        edges = [
            sorted((one.argument, one.ordinal, identity(one.version)) for one in found)
            for found in (catalog.inputs(run.uid), catalog.outputs(run.uid))
        ]
        error = run.error and run.error.message
        runs[run.uid] = (
            str(run.state), run.task, run.started_at, run.ended_at, run.arguments, run.code,
            run.environment, error, *edges,
        )  # fmt: skip
    heads = [identity(one) for kind in ("raw", "made") for one in catalog.heads(kind)]
    versions = {identity(one) for one in catalog.versions()}
    return runs, sorted(heads, key=str), versions


def parts_of(run, is_whole):
    """A run's record as it may wait: whole, or its start and its end apart."""
    return [run] if is_whole else [WaitingRun(run.start, None), WaitingRun(None, run.end)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.data())
def test_any_order_twice_is_as_good_as_direct_writes(history, data):
    """Starts and ends apart or together, in any order, each twice: the same runs and versions."""
    world = World()
    for reads, makes, fails in history:
        world.run(reads, makes, fails)
    parts = [part for run in world.runs for part in parts_of(run, data.draw(st.booleans()))]
    with tempfile.TemporaryDirectory() as folder:
        with Catalog(f"sqlite:///{folder}/direct.sqlite") as direct:
            for run in world.runs:
                direct.start_run(run.start)
                direct.finish_run(run.end)
            expected = shown(direct)
        with Catalog(f"sqlite:///{folder}/replayed.sqlite") as replayed:
            for part in data.draw(st.permutations(parts)):
                enter(replayed, read_run(run_text(part)))
            once = shown(replayed)
            rows = len(replayed.versions())
            for part in data.draw(st.permutations(parts)):
                enter(replayed, read_run(run_text(part)))
            twice = shown(replayed)

            assert expected == once
            assert expected == twice
            assert rows == len(replayed.versions())


def test_every_order_of_a_chain_is_the_same(tmp_path):
    """A producer, readers by key and by ref, and what these make, in all orders there are."""
    world = World()
    world.run([], 0, fails=False)
    world.run([("key", 0)], 1, fails=False)
    world.run([("ref", 0), ("key", 0)], None, fails=False)
    world.run([("key", 1), ("ref", 1)], None, fails=False)
    seen = []
    for number, order in enumerate(itertools.permutations(world.runs)):
        with Catalog(f"sqlite:///{tmp_path}/{number}.sqlite") as catalog:
            for run in order:
                enter(catalog, run)
            seen.append(shown(catalog))

    assert [seen[0]] * len(seen) == seen
    assert all(made_by is not None for *_, made_by in seen[0][2])


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def test_a_value_that_the_database_refuses_is_set_aside(spool, tmp_path):
    """It is the record's fault, so the others are entered; the reason is kept."""
    world = World()
    for _ in range(3):
        world.run([], 1, fails=False)
    bad = world.runs[1]
    worse = replace(bad.end.outputs[0].version, row_count=2**70)
    outputs = (replace(bad.end.outputs[0], version=worse),)
    world.runs[1] = WaitingRun(bad.start, replace(bad.end, outputs=outputs))
    for run in world.runs:
        spool.keep(run)
    with Catalog(f"sqlite:///{tmp_path}/catalog.sqlite") as catalog:
        done = spool.replay(lambda run: enter(catalog, run))

        assert (2, 1, 0) == (done.entered, done.rejected, done.left)
        assert {world.runs[0].uid, world.runs[2].uid} == {run.uid for run in catalog.runs()}
    (reason,) = spool.rejected().values()
    assert "too large" in reason or "out of range" in reason


def test_tables_that_are_gone_reject_nothing(spool, tmp_path):
    """What is wrong with the catalog is no fault of a record."""
    world = World()
    world.run([], 1, fails=False)
    spool.keep(world.runs[0])
    with Catalog(f"sqlite:///{tmp_path}/catalog.sqlite") as catalog:
        catalog.types()
        with catalog._database.by_hand() as connection:
            connection.exec_driver_sql("ALTER TABLE run RENAME TO gone")
        done = spool.replay(lambda run: enter(catalog, run))

    assert (0, 0, 1) == (done.entered, done.rejected, done.left)
    assert "no such table" in done.problem
