"""Who read what, and the runs of one message."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.schemas.errors import CatalogError, NotInCatalog
from rootcellar.schemas.record import RunState

NAMES = ("a", "b", "c")
RUNS = st.lists(
    st.tuples(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES), max_size=2)),
    max_size=8,
)


@pytest.fixture
def salts():
    """Numbers that keep the examples of one test apart in one catalog."""
    return iter(range(1_000_000))


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(history=RUNS)
def test_readers_are_what_a_plain_walk_finds(catalog, records, salts, history):
    """All that read a version, or what was made from it, each once with the fewest steps."""
    salt, current, runs = next(salts), {}, []
    for number, (reads, writes) in enumerate(history):
        sources = [current[name] for name in sorted(reads) if name in current]
        made = [records.version(f"{name}{salt}", {}, f"{number}") for name in sorted(writes)]
        uid = records.record(catalog, sources, made)
        runs.append((uid, {one.ref.version for one in sources}, [o.ref.version for o in made]))
        current |= {one.ref.type.removesuffix(str(salt)): one for one in made}
    for _, _, made in runs:
        for start in made:
            expected = walked(runs, start)
            found = catalog.readers(start, transitive=True)
            depths = dict(zip(found.column("run"), found.column("depth"), strict=True))
            near = {uid for uid, depth in expected.items() if depth == 1}

            assert expected == depths
            assert near == {one.uid for one in catalog.readers(start)}


def walked(runs, start):
    """Steps from a version to each run, breadth first."""
    depths, level, depth = {}, {start}, 0
    while level:
        depth += 1
        reached = [(uid, made) for uid, read, made in runs if read & level and uid not in depths]
        depths |= {uid: depth for uid, _ in reached}
        level = {one for _, made in reached for one in made}
    return depths


def test_readers_tell_how_and_what_as(catalog, records):
    """A run that failed has read it, too; one that reads it twice is one reader."""
    sky = records.version("w", {}, "sun", origin="observed")
    records.record(catalog, [sky, sky], [], cache="hit")
    records.record(catalog, [sky], [], cache="streamed", state=RunState.FAILED)

    found = catalog.readers(sky.ref)

    assert ({"hit", "streamed"}, {"source"}) == (
        set(found.column("how")),
        set(found.column("argument")),
    )
    assert 2 == len(found)


def test_readers_since_then_and_a_limit(catalog, records):
    """The last started first; the note says what was left out."""
    sky = records.version("w", {}, "sun", origin="observed")
    uids = []
    for hour in range(3):
        start = records.started(started_at=records.START + timedelta(hours=hour))
        catalog.start_run(start)
        catalog.finish_run(records.ended(start.uid, [sky]))
        uids.append(start.uid)

    late = catalog.readers(sky.ref, records.START + timedelta(hours=1))
    cut = catalog.readers(sky.ref, limit=1)

    assert [uids[2], uids[1]] == [one.uid for one in late]
    assert ([uids[2]], "first 1 of more") == ([one.uid for one in cut], cut.note)
    with pytest.raises(CatalogError, match="limit"):
        catalog.readers(sky.ref, limit=0)


def test_a_cut_walk_to_readers_says_so(catalog, records):
    """Where it stopped is told, not passed over."""
    last = records.version("s", {}, "0")
    records.record(catalog, [], [last])
    first = last
    for number in range(1, 4):
        made = records.version("s", {}, f"{number}")
        records.record(catalog, [last], [made])
        last = made

    found = catalog.readers(first.ref, transitive=True, max_nodes=1)

    assert "stopped after 1 versions; there are more" == found.note
    assert 2 == len(found)


def attempted(catalog, records):
    """A message that was retried and redelivered; returns its runs' uids and what was made."""
    made = records.version("pv", {"s": 1}, "power")
    uids = []
    for retries, state, outputs in (
        (0, RunState.RETRIED, []),
        (1, RunState.SUCCEEDED, [made]),
        (1, RunState.REUSED, [made]),
    ):
        start = records.started(
            task_id="celery-1",
            retries=retries,
            redelivered=state is RunState.REUSED,
            started_at=records.START + timedelta(minutes=len(uids)),
        )
        end = records.ended(start.uid, [], outputs, state=state)
        if state is RunState.REUSED:
            end = replace(end, outputs=(replace(end.outputs[0], mode="reused"),))
        catalog.start_run(start)
        catalog.finish_run(end)
        uids.append(start.uid)
    other = records.started(task_id="celery-2")
    catalog.start_run(other)
    return uids, made


def test_attempts_are_all_runs_of_a_message(catalog, records):
    """By a run, its uid, the task id or what it made; with what each left behind."""
    uids, made = attempted(catalog, records)
    run = catalog.run(uids[0])

    for found in (
        run.attempts(),
        *(catalog.attempts(x) for x in (run, uids[2], "celery-1", made.ref)),
    ):
        assert uids == [one.uid for one in found]
        assert (1, 2, 3) == found.column("attempt")
        assert (False, False, True) == found.column("redelivered")
        assert ([], ["pv(s=1) version 1"], []) == found.column("left")


def test_many_attempts_are_cut_with_a_note(catalog, records):
    """The first ones stay."""
    uids, _ = attempted(catalog, records)
    found = catalog.attempts(uids[1], limit=2)

    assert (uids[:2], "first 2 of more") == ([one.uid for one in found], found.note)


def test_a_run_without_a_message_is_its_only_attempt(catalog, records):
    """What was made by hand was not retried, and two of them are not one."""
    uids = [records.record(catalog) for _ in range(2)]

    assert [uids[0]] == [one.uid for one in catalog.attempts(uids[0])]


def test_found_bytes_had_no_attempts(catalog, records):
    """No run of ours made them; a name of nothing is told, too."""
    sky = records.version("w", {}, "sun", origin="observed")
    records.record(catalog, [sky])

    with pytest.raises(NotInCatalog, match="no run of ours made it"):
        catalog.attempts(sky.ref)
    with pytest.raises(NotInCatalog):
        catalog.attempts("nothing")
