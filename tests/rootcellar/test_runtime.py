"""runtime: one per process, opened late, never shared across a fork."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import pytest
from grid_words import Words, registry

from rootcellar.attempt import Attempt
from rootcellar.progress import reporter
from rootcellar.run_bounds import RunStart
from rootcellar.runtime import current_runtime, current_settings, forget_runtime
from rootcellar.schemas.errors import SettingsError
from rootcellar.schemas.record import RunStarted, new_uid


def test_one_per_process(rootcellar_settings):
    """Everybody in a process shares stores, cache and connections."""
    assert current_runtime() is current_runtime()
    assert current_runtime().pid == os.getpid()


def test_making_one_opens_nothing(rootcellar_settings):
    """Connections and folders wait for the first use."""
    current_runtime()

    assert not rootcellar_settings.cache_folder.exists()
    assert not (rootcellar_settings.home / "catalog.sqlite").exists()


def test_a_fork_has_its_own(project):
    """A child makes its own, with connections of its own, and works beside its parent."""
    runtime = current_runtime()
    runtime.declare(registry)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # a failure shows as an empty answer
        try:
            own = current_runtime()
            own.declare(registry)
            told = f"{own is not runtime and own.pid == os.getpid() and len(own.catalog.types())}"
            os.write(writer, told.encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    told = os.read(reader, 100).decode()
    os.close(reader)

    assert told == str(len(registry))
    assert current_runtime() is runtime
    assert len(runtime.catalog.types()) == len(registry)


def test_types_are_declared_once(project, monkeypatch):
    """A process tells the catalog of each revision of a registry once."""
    runtime = current_runtime()
    told = []
    monkeypatch.setattr(runtime.catalog, "declare", told.append)
    for _ in range(3):
        runtime.declare(registry)

    assert len(told) == 1


def test_forgetting_reads_again(rootcellar_settings, monkeypatch):
    """Changed settings count after the runtime is forgotten."""
    before = current_settings()
    monkeypatch.setenv("ROOTCELLAR_IMAGE", "another")
    unchanged = current_settings()
    forget_runtime()

    assert unchanged is before
    assert current_settings().image == "another"


@pytest.fixture
def dead_run(project):
    """Let a run die: called, it gives its uid."""
    task = project.app.task(_ends_its_process)
    project.put(Words(page=1), "a")

    def die():
        child = os.fork()
        if child == 0:
            try:
                task.apply(args=[1])
            finally:
                os._exit(1)
        os.waitpid(child, 0)
        (run,) = project.catalog.runs(state="running")
        return run.uid

    return die


def test_dead_runs_are_marked_lost(project, dead_run):
    """The first session of a process reclaims what dead processes left, and tells the catalog."""
    uid = dead_run()
    with current_runtime().session("another", reporter("off")):
        left = [path.name for path in (project.settings.cache_folder / "v2" / "work").iterdir()]

    assert project.catalog.run(uid).state == "lost"
    assert left == ["another"]


def test_a_run_that_died_before_the_catalog_knew_it_is_lost(project):
    """A process that had just recorded a run notes the next one here; a sweep makes its row."""
    task = project.app.task(_ends_its_process)
    fine = project.app.task(_ends_well)
    project.put(Words(page=1), "a")
    child = os.fork()
    if child == 0:
        try:
            fine.apply(args=[1])
            task.apply(args=[1])
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    (known,) = project.catalog.runs()
    (uid,) = current_runtime().sweep()
    lost = project.catalog.run(uid)

    assert known.state == "succeeded"
    assert (lost.state, lost.task, lost.pid) == ("lost", task.name, child)
    assert lost.arguments == {"text": 1}
    assert current_runtime().sweep() == ()


def test_redelivery_is_evidence_of_a_death(project, dead_run):
    """A process that has looked before looks again when a message comes a second time."""
    runtime = current_runtime()
    runtime.sweep()
    uid = dead_run()
    started = RunStarted(
        uid=new_uid(), kind="task", task="t", started_at=datetime.now(UTC), redelivered=True
    )
    with Attempt(runtime, RunStart.of(started)).session():
        pass

    assert project.catalog.run(uid).state == "lost"


def test_long_lived_process_looks_again(project, dead_run, monkeypatch):
    """A death that no redelivery tells of is found within a minute by whoever works then."""
    runtime = current_runtime()
    runtime.sweep()
    uid = dead_run()
    with runtime.session("soon", reporter("off")):
        soon = project.catalog.run(uid).state
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    with runtime.session("later", reporter("off")):
        pass

    assert soon == "running"
    assert project.catalog.run(uid).state == "lost"


def _ends_well(text: str) -> None:
    pass


def _ends_its_process(text: str) -> None:
    os._exit(1)


def test_option_that_refers_to_nothing(rootcellar_settings, monkeypatch):
    """The first use says which variable is missing."""
    monkeypatch.setenv("ROOTCELLAR_STORES", '{"raw": {"url": "/x", "options": {"k": "env:NONE"}}}')
    forget_runtime()

    with pytest.raises(SettingsError, match="NONE"):
        current_runtime()
