"""attempt: one run from its first row to its last, when rows or files fail under it."""

from __future__ import annotations

import shutil
from pathlib import Path  # noqa: TC003  the annotations of bodies are read

import pytest
from grid_words import Count, Page, Words, count_words

from rootcellar import OUTPUT, Artifact, Cause, RetryPolicy, Rule, Staged, Text
from rootcellar.runtime import current_runtime
from rootcellar.schemas.errors import (
    CacheUnusable,
    CatalogUnavailable,
    ContentError,
    StoreMissing,
    StoreUnavailable,
)
from rootcellar.staging import Stores
from rootcellar.staging.session import StagingSession
from rootcellar.starts import Starts


def test_phases_and_bytes_are_recorded(project):
    """How long each phase took, and what moved."""
    task = project.app.task(count_words)
    project.put(Words(page=1), "a b c")
    task.apply(args=[1]).get()
    task.apply(args=[1]).get()
    second, first = project.catalog.runs()
    caches = [run.inputs[0].cache for run in (first, second)]

    assert min(first.phases.stage_in, first.phases.stage_out) > 0
    assert (first.downloaded_bytes, second.downloaded_bytes) == (5, 0)
    assert caches == ["miss", "hit"]
    assert first.uploaded_bytes == len('{"words": 3}\n')


def test_bytes_that_nobody_recorded_are_observed_once(project):
    """A file that was there before us becomes one version, however often it is read."""
    task = project.app.task(count_words)
    project.put(Words(page=1), "a b c")
    for _ in range(2):
        task.apply(args=[1]).get()
    (version,) = project.catalog.versions("words")

    assert (version.origin, version.seq) == ("observed", 1)


def test_error_of_a_body_is_not_replaced(project, monkeypatch):
    """A catalog that fails while a failure is recorded does not hide the failure."""

    @project.app.task
    def fails(text: Path) -> None:
        raise KeyError("the body's own")

    def away(*_):
        raise CatalogUnavailable("gone")

    project.put(Words(page=1), "a")
    monkeypatch.setattr(type(current_runtime().catalog), "finish_run", away)
    error = fails.apply(args=[1]).result

    assert isinstance(error, KeyError)


def test_a_run_whose_workdir_was_deleted_is_tried_again(project):
    """Its body misses its own input, which is no mistake of the body's."""
    policy = RetryPolicy(rules={Cause.CACHE: Rule(max_retries=1, base_seconds=0.0)})
    deleted = []

    @project.app.task(retry_policy=policy)
    def read(text: Path) -> str:
        if not deleted:
            deleted.append(shutil.rmtree(current_runtime().cache.root.parent))
        return text.read_text()

    project.put(Words(page=1), "a")
    result = read.apply(args=[1]).get()
    second, first = project.catalog.runs()

    assert "a" == result
    assert ("retried", "succeeded") == (first.state, second.state)
    assert "cache" == first.error.cause
    assert "words/01.txt" in first.error.message


def test_what_a_run_leaves_goes_before_its_row_is_entered(project, monkeypatch, caplog):
    """Not with rows, which may be away; and what cannot be removed keeps no row away."""
    seen, there = [], []
    settle, close = Starts.settle, StagingSession.close

    @project.app.task
    def read(text: Path) -> str:
        seen.append(text)
        return text.read_text()

    def settled(self, uid, **more):
        there.append(seen[-1].exists())
        settle(self, uid, **more)

    def stuck(self):
        close(self)
        raise CacheUnusable("a folder cannot be removed")

    project.put(Words(page=1), "a")
    read.apply(args=[1]).get()
    monkeypatch.setattr(Starts, "settle", settled)
    read.apply(args=[1]).get()
    monkeypatch.setattr(StagingSession, "close", stuck)
    last = read.apply(args=[1])

    assert [False, False] == there
    assert "a" == last.get()
    assert ["succeeded"] * 3 == [run.state for run in project.catalog.runs()]
    assert "its files could not be removed: a folder cannot be removed" in caplog.text


def test_nothing_is_a_success_that_is_not_recorded(project, monkeypatch):
    """The next link of a chain must not run on what the catalog does not know."""
    task = project.app.task(count_words)
    project.put(Words(page=1), "a")

    def away(*_):
        raise CatalogUnavailable("gone")

    monkeypatch.setattr(type(current_runtime().catalog), "finish_run", away)

    assert isinstance(task.apply(args=[1]).result, CatalogUnavailable)


def test_one_wrong_output_publishes_none(project):
    """All outputs are checked before the first becomes visible."""

    @project.app.task
    def half_right(
        text: Path, name: str, *, pages: Staged[Page] = OUTPUT, count: Path = OUTPUT
    ) -> None:
        pages.save("right")
        count.write_text("{ wrong")

    project.put(Words(page=1), "a")
    error = half_right.apply(args=[1, "x"]).result

    assert isinstance(error, ContentError)
    assert "Count(page=1)" in str(error)
    assert not project.exists(Page(page=1, name="x"))
    assert list(project.last_run().outputs) == []


def test_store_that_fails_while_publishing(project, monkeypatch):
    """The error names the output it is about."""
    from rootcellar.staging.stores.folder import FolderStore

    def fail(self, key, temp):
        raise StoreUnavailable("no answer", "", self.uri(key), "Try again")

    project.put(Words(page=1), "a")
    monkeypatch.setattr(FolderStore, "publish_temp", fail)
    error = project.app.task(count_words).apply(args=[1]).result
    run = project.last_run()

    assert isinstance(error, StoreUnavailable)
    assert error.artifact == "Count(page=1)"
    assert (run.state, run.error.phase, run.error.transient) == ("failed", "stage out", True)
    assert not project.exists(Count(page=1))


@pytest.mark.parametrize("stores", [{}, {"derived": "missing"}], ids=["no such name", "no folder"])
def test_no_place_for_an_output_is_told_before_the_body(project, tmp_path, monkeypatch, stores):
    """Hours of work are not spent on what can be published nowhere; the error names the output."""
    ran = []

    @project.app.task
    def writes(text: Path, *, count: Path = OUTPUT) -> None:
        ran.append(text)

    project.put(Words(page=1), "a")
    raw = current_runtime().stores.named("raw").path_of("words").parent
    known = {"raw": str(raw)} | {name: str(tmp_path / url) for name, url in stores.items()}
    monkeypatch.setattr(current_runtime(), "stores", Stores.from_mapping(known))
    error = writes.apply(args=[1]).result

    assert isinstance(error, StoreMissing)
    assert error.artifact == "Count(page=1)"
    assert "the output 'count'" in str(error)
    assert project.last_run().error.phase == "stage in"
    assert ran == []


def test_run_that_ends_its_process_gently(project):
    """A stop of the child is recorded as a failure on the way out."""

    @project.app.task
    def stopped(text: Path) -> None:
        raise SystemExit(1)

    project.put(Words(page=1), "a")
    with pytest.raises(SystemExit):
        stopped.apply(args=[1])

    assert project.last_run().state == "failed"


def test_selection_leaves_out_what_no_longer_fits_the_type(project, tmp_path):
    """Artifacts recorded before a key field was renamed do not stop a fan-in over the others."""

    class Old(Artifact, uri="raw://words/old/{sheet}.txt", format=Text(), name="words"):
        sheet: int

    @project.app.task
    def pages(texts: list[Words]) -> list[int]:
        return [text.page for text in texts]

    text = tmp_path / "page.txt"
    text.write_text("a b c")
    Old(sheet=7).push(text)
    Words(page=2).push(text)

    assert pages.apply(args=[Words.where()]).get() == [2]
