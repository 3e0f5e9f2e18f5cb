"""Who is let into the cache, who waits, and who need not wait."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time

import pytest

from rootcellar.schemas.errors import CacheFull, CacheUnusable
from rootcellar.staging import StagingSession
from rootcellar.staging.publication.output import Output


def stage(session, uri, kind="file"):
    return session.stage_in(session.locate(uri, kind), argument="a", name="a")


def publish_folder(stores, cache, name):
    with StagingSession(stores, cache, run_uid=f"make-{name}") as session:
        path = session.reserve_output("a", "a")
        path.mkdir()
        for number in range(6):
            (path / str(number)).write_bytes(name.encode() * 1000 + bytes([number]))
        session.prepare_output(Output(path=path, uri=f"raw://{name}", kind="folder"))
        session.publish()


@pytest.fixture
def folders(folder_stores, tmp_path_factory):
    """Two published folders of 6 KB each, known to no cache."""
    from rootcellar.staging import Cache

    elsewhere = Cache(tmp_path_factory.mktemp("elsewhere"))
    for name in "ab":
        publish_folder(folder_stores, elsewhere, name)
    return folder_stores


def test_a_run_whose_inputs_exceed_the_budget_is_told_at_once(folder_stores, cache_of):
    """Another try would end alike: it is not transient, and names both sizes."""
    cache = cache_of(3000, wait_seconds=60)
    for key in "ab":
        folder_stores.named("raw").write_small(key, key.encode() * 2000)

    with (
        StagingSession(folder_stores, cache, run_uid="other"),
        StagingSession(folder_stores, cache, run_uid="run", link_local="off") as session,
    ):
        stage(session, "raw://a")
        with pytest.raises(CacheUnusable, match=r"needs 2.* hold 2.* budget is 3") as caught:
            stage(session, "raw://b")

    assert not caught.value.transient


def test_two_folders_of_one_run_that_exceed_the_budget_are_refused_at_once(folders, cache_of):
    """Before the first byte of the second comes."""
    cache = cache_of(10_000, wait_seconds=60)

    with (
        StagingSession(folders, cache, run_uid="other"),
        StagingSession(folders, cache, run_uid="run") as session,
    ):
        stage(session, "raw://a", "folder")
        with pytest.raises(CacheUnusable, match="other inputs of the same run"):
            stage(session, "raw://b", "folder")


def test_what_another_run_holds_is_worth_another_try(folder_stores, cache_of):
    """Then it is only full for now."""
    cache = cache_of(3000)
    for key in "ab":
        folder_stores.named("raw").write_small(key, key.encode() * 2000)

    with (
        StagingSession(folder_stores, cache, run_uid="other", link_local="off") as other,
        StagingSession(folder_stores, cache, run_uid="run", link_local="off") as session,
    ):
        stage(other, "raw://a")
        with pytest.raises(CacheFull):
            stage(session, "raw://b")


DIED = """
import os, pathlib, sys
from rootcellar.staging import Cache, StagingSession, Stores
cache = Cache(pathlib.Path(sys.argv[1]))
StagingSession(Stores.from_mapping({}), cache, run_uid="died").__enter__()
os._exit(0)
"""


def test_nobody_waits_for_the_dead(folder_stores, cache_of, tmp_path):
    """What a killed run left is gone at once; where only the disk is full, waiting is no help."""
    total = shutil.disk_usage(tmp_path).total
    cache = cache_of(total, floor=total - 10_000, wait_seconds=60)
    folder_stores.named("raw").write_small("a", bytes(2000))
    subprocess.run([sys.executable, "-c", DIED, str(cache.root.parent)], check=True, timeout=60)
    begun = time.monotonic()

    with (
        StagingSession(folder_stores, cache, run_uid="run", link_local="off") as session,
        pytest.raises(CacheFull, match="of the disk are free"),
    ):
        stage(session, "raw://a")

    assert (cache.root / "work" / "died").is_dir()  # for a sweep to tell that the run is lost
    assert time.monotonic() - begun < 30


def test_folders_of_two_runs_that_exceed_the_budget_come_one_after_the_other(folders, cache_of):
    """The second waits for the first to end; neither takes the other's files away."""
    cache = cache_of(10_000, wait_seconds=30)
    found, begun = [], threading.Barrier(2)

    def run(name):
        with StagingSession(folders, cache, run_uid=f"run-{name}") as session:
            begun.wait()
            staged = stage(session, f"raw://{name}", "folder")
            found.append(sorted(path.read_bytes()[:1] for path in staged.path.iterdir()))

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [[b"a"] * 6, [b"b"] * 6] == sorted(found)
