"""starts: a short run costs one transaction, and no run that began is forgotten."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar import starts as module
from rootcellar.catalog.catalog import Catalog
from rootcellar.note_text import Noted, read_note, start_text
from rootcellar.run_bounds import RunEnd, RunStart
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CatalogUnavailable
from rootcellar.schemas.record import (
    CodeIdentity,
    Environment,
    InputRecord,
    OutputRecord,
    RunEnded,
    RunStarted,
    RunState,
    VersionRecord,
    new_uid,
)
from rootcellar.schemas.ref import Pin, Ref
from rootcellar.starts import Starts

ENVIRONMENT = Environment(python="3.11", platform="Linux", packages={"numpy": "2.0"}, image="i")
CODE = CodeIdentity(qualname="m:f", source_digest=Digest.of(b"code"), git_dirty=True)


def a_start(**fields):
    fields = {"code": CODE, "environment": ENVIRONMENT, "arguments": {"tilt": 30}, **fields}
    return RunStarted(uid=new_uid(), kind="task", task="t", started_at=datetime.now(UTC), **fields)


def its_end(start):
    return RunEnded(uid=start.uid, state=RunState.SUCCEEDED, ended_at=datetime.now(UTC))


def wait_until(is_so, seconds=30):
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


@pytest.fixture
def catalog(tmp_path):
    with Catalog(f"sqlite:///{tmp_path}/catalog.sqlite") as catalog:
        yield catalog


@pytest.fixture
def starts(catalog, tmp_path):
    starts = Starts(catalog, lambda: tmp_path / "runs")
    yield starts
    starts.close()


@pytest.fixture
def warm(starts):
    """Starts that have reached the catalog a moment ago."""
    first = a_start()
    starts.begin(RunStart.of(first))
    starts.finish(its_end(first))
    return starts


def test_the_first_run_of_a_process_has_its_row_at_once(starts, catalog):
    """Whether the catalog answers is known before anything is moved."""
    start = a_start()
    starts.begin(RunStart.of(start))

    assert "running" == catalog.run(start.uid).state


def test_a_short_run_is_entered_whole_at_its_end(warm, catalog, monkeypatch):
    """One transaction, and the same row as with two."""
    start = a_start()
    monkeypatch.setattr(catalog, "start_run", lambda _record: pytest.fail("a transaction more"))
    warm.begin(RunStart.of(start))
    before = len(catalog.runs(state="running"))
    warm.finish(its_end(start))
    run = catalog.run(start.uid)

    assert 0 == before
    assert (RunState.SUCCEEDED, start.started_at, CODE) == (run.state, run.started_at, run.code)
    assert (ENVIRONMENT, {"tilt": 30}) == (run.environment, run.arguments)


def test_a_run_that_lasts_gets_its_row_while_it_runs(warm, catalog):
    """`running` shows whatever has run for more than a moment."""
    start = a_start()
    warm.begin(RunStart.of(start))
    wait_until(lambda: start.uid in {run.uid for run in catalog.runs(state="running")})
    warm.finish(its_end(start))

    assert "succeeded" == catalog.run(start.uid).state
    assert 2 == len(catalog.runs())


def test_the_watch_goes_on_after_it_slept(warm, catalog, monkeypatch):
    """A process that had nothing to do for long notices the next run that lasts."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "_SHORT_SECONDS", 0.05)
    for _ in range(2):
        start = a_start()
        warm.begin(RunStart.of(start))
        wait_until(lambda uid=start.uid: uid in {run.uid for run in catalog.runs()})
        warm.finish(its_end(start))
        wait_until(lambda: warm._is_asleep)

    assert 3 == len(catalog.runs(state="succeeded"))


def test_closing_ends_the_watch(warm, monkeypatch):
    """A notebook that reads its settings again is not left with a thread of the old ones."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    warm.begin(RunStart.of(a_start()))
    watcher = warm._watcher

    warm.close()

    watcher.join(20)
    assert not watcher.is_alive()


def test_a_catalog_that_was_away_is_asked_first(warm, catalog, monkeypatch):
    """After a failure, the next run does not begin before the catalog answers."""
    start = a_start()
    warm.begin(RunStart.of(start))

    def away(*_):
        raise CatalogUnavailable("gone")

    monkeypatch.setattr(catalog, "finish_run", away)
    with pytest.raises(CatalogUnavailable):
        warm.finish(its_end(start))
    monkeypatch.setattr(catalog, "start_run", away)

    with pytest.raises(CatalogUnavailable):
        warm.begin(RunStart.of(a_start()))


def test_a_catalog_that_comes_back_learns_of_the_run(warm, catalog, monkeypatch):
    """While it is away the run goes on, and it is said once in a while."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "_SHORT_SECONDS", 0.0)
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.0)
    asked = threading.Event()

    def away(_record):
        asked.set()
        raise CatalogUnavailable("gone")

    with monkeypatch.context() as while_away:
        while_away.setattr(catalog, "start_run", away)
        start = a_start()
        warm.begin(RunStart.of(start))
        assert asked.wait(30)

    wait_until(lambda: start.uid in {run.uid for run in catalog.runs()})


def test_a_host_that_cannot_keep_notes_enters_at_once(catalog, tmp_path):
    """A full or forbidden disk costs a transaction, not the row."""
    (tmp_path / "file").touch()
    starts = Starts(catalog, lambda: tmp_path / "file")
    starts._reached = time.monotonic()
    start = a_start()
    starts.begin(RunStart.of(start))

    assert "running" == catalog.run(start.uid).state


@pytest.fixture
def known(warm):
    """An end with an input whose version the process has entered."""
    ref = Ref(
        type="rain", key={"day": 1}, uri="raw://rain/1", version=new_uid(), kind="file",
        digest=Digest.of(b"x"), size_bytes=1, pin=Pin(size_bytes=1, etag="e"),
    )  # fmt: skip
    read = InputRecord(
        argument="rain",
        ordinal=0,
        version=VersionRecord(
            ref=ref, origin="observed", media_type="text/plain", recorded_at=datetime.now(UTC)
        ),
        cache="hit",
        hits=1,
    )
    first = a_start()
    warm.begin(RunStart.of(first))
    warm.finish(replace(its_end(first), inputs=(read,)))
    return read


def test_a_run_that_made_nothing_is_entered_a_moment_later(warm, known, catalog):
    """With its input, and nobody has to ask for it."""
    start = a_start()
    warm.begin(RunStart.of(start))
    end = replace(its_end(start), inputs=(known,))
    is_postponed = warm.postpone(RunEnd.of(end))
    warm.settle(start.uid, at_once=False)
    wait_until(lambda: start.uid in {run.uid for run in catalog.runs(state="succeeded")})
    run = catalog.run(start.uid)

    assert is_postponed
    assert [("rain", "hit")] == [(one.argument, one.cache) for one in run.inputs]
    wait_until(lambda: not warm._kept)


def test_many_runs_are_entered_in_one_transaction(warm, catalog, monkeypatch):
    """Those that end within a moment; the last of a batch does not wait."""
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 600)
    entered = []
    whole = catalog.finish_runs
    monkeypatch.setattr(
        catalog, "finish_runs", lambda runs: (entered.append(len(runs)), whole(runs))
    )
    starts = [a_start() for _ in range(4)]
    for start in starts:
        warm.begin(RunStart.of(start))
        assert warm.postpone(RunEnd.of(its_end(start)))
        warm.settle(start.uid, at_once=False)
    before = len(catalog.runs(state="succeeded"))
    warm.close()

    assert [3, 1] == entered
    assert (4, 5) == (before, len(catalog.runs(state="succeeded")))


def test_what_others_look_for_is_not_postponed(warm, known):
    """Failures, outputs, what may be reused, and versions that nobody has entered."""
    start = a_start()
    warm.begin(RunStart.of(start))
    end = its_end(start)
    unknown = replace(
        known.version, ref=known.version.ref.model_copy(update={"version": new_uid()})
    )
    output = OutputRecord(argument="sum", ordinal=0, version=known.version)

    learned = replace(known.version, is_learned=True)

    assert RunEnd.of(replace(end, state=RunState.FAILED)) is None
    assert RunEnd.of(replace(end, outputs=(output,))) is None
    assert RunEnd.of(replace(end, reuse_key="k")) is None
    assert RunEnd.of(replace(end, inputs=(replace(known, version=learned),))) is None
    assert not warm.postpone(RunEnd.of(replace(end, inputs=(replace(known, version=unknown),))))
    assert warm.postpone(RunEnd.of(replace(end, inputs=(known,))))


def test_a_catalog_that_is_away_gets_the_end_later(warm, catalog, monkeypatch):
    """The run has succeeded; its row comes when the catalog does."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.0)
    start = a_start()
    warm.begin(RunStart.of(start))
    warm.postpone(RunEnd.of(its_end(start)))

    def away(*_):
        raise CatalogUnavailable("gone")

    with monkeypatch.context() as while_away:
        while_away.setattr(catalog, "finish_runs", away)
        while_away.setattr(catalog, "finish_run", away)
        while_away.setattr(catalog, "start_run", away)
        warm.settle(start.uid, at_once=True)
        with pytest.raises(CatalogUnavailable):
            warm.begin(RunStart.of(a_start()))

    wait_until(lambda: start.uid in {run.uid for run in catalog.runs(state="succeeded")})


def test_a_run_that_ended_leaves_no_word_of_itself(warm, catalog, tmp_path, monkeypatch):
    """Neither one whose start was entered by itself: nobody takes it for lost."""
    monkeypatch.setattr(module, "_SHORT_SECONDS", 0.01)
    start = a_start()
    warm.begin(RunStart.of(start))
    wait_until(lambda: not warm._kept)
    has_note = warm.has_note(start.uid)
    warm.finish(its_end(start))
    (note,) = (tmp_path / "runs").iterdir()

    assert has_note
    assert not warm.has_note(start.uid)
    assert "" == note.read_text().splitlines()[1]
    assert {} == warm._kept


def test_a_note_of_another_version_is_passed_by(starts, tmp_path, caplog):
    """What cannot be read is said and removed; it keeps nobody from working."""
    assert read_note(b"null", b'{"strange": 1}') is None
    assert read_note(b"{", b"[]") is None
    with caplog.at_level(logging.WARNING):
        read_note(b"null", b"7")

    assert "could not be read" in caplog.text


texts = st.text(st.characters(exclude_categories=[]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(texts, json_values, max_size=4),
    texts,
    st.sampled_from([None, CODE, replace(CODE, git_dirty=None)]),
    st.sampled_from([None, ENVIRONMENT]),
)
def test_a_note_keeps_the_whole_record(arguments, queue, code, environment):
    """What is read of a note is what was written."""
    start = a_start(
        arguments=arguments,
        queue=queue,
        code=code,
        environment=environment,
    )
    head = json.dumps(environment and asdict(environment)).encode()

    assert Noted(start, None) == read_note(head, start_text(start))
