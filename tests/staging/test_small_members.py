"""Small members of folders in S3, by one thread: interrupted, killed, beside another run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import uuid

import pytest

from rootcellar.staging import Cache, Output, StagingSession
from rootcellar.staging.cache.entries import Entries
from rootcellar.staging.engine.pipeline import pipelined
from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.workdir.workdir import sweep

TREE = {f"{number:03}": os.urandom(2_000 + number) for number in range(60)}


@pytest.fixture
def start(s3_stores):
    def begin(cache):
        return StagingSession(s3_stores, cache, run_uid=str(uuid.uuid4()))

    return begin


@pytest.fixture
def foreign(s3_stores):
    store = s3_stores.named("raw")
    for _ in pipelined(
        TREE.items(), lambda one: store.write_small(f"t/{one[0]}", one[1]), parallel=4
    ):
        pass


def staged(session):
    located = session.locate("raw://t", "folder")
    return session.stage_in(located, argument="a", name="t")


def read_tree(path):
    return {one.name: one.read_bytes() for one in path.iterdir()}


@pytest.mark.usefixtures("foreign")
def test_an_interrupt_leaves_nothing_and_counts_no_byte_too_few(
    start, cache, alarm, monkeypatch, ledger_and_disk
):
    """Raised between a member's link and the note of it; the next run goes on behind it."""
    real, linked = Entries.enter_marked, []

    def enter(self, file, digest):
        path = real(self, file, digest)
        linked.append(path)
        if len(linked) == 30:
            alarm()
        return path

    monkeypatch.setattr(Entries, "enter_marked", enter)
    with pytest.raises(alarm.error), start(cache) as session:
        staged(session)
    finish_removals()
    monkeypatch.undo()

    assert [] == list((cache.root / "work").iterdir())
    counted, there = ledger_and_disk(cache)
    assert counted >= there
    with start(cache) as session:
        found = staged(session)
        assert TREE == read_tree(found.path)
        assert len(TREE) > found.misses >= len(TREE) - 30


KILLED = """
    import os, pathlib, signal, sys
    from rootcellar.staging import Cache, StagingSession, Stores
    from rootcellar.staging.cache.entries import Entries
    from rootcellar.staging.engine import some

    some._AT_ONCE = 8  # three whole lists are noted, and six files of the fourth are not
    real, linked = Entries.enter_marked, []

    def enter(self, file, digest):
        path = real(self, file, digest)
        linked.append(path)
        if len(linked) == 30:
            os.kill(os.getpid(), signal.SIGKILL)
        return path

    Entries.enter_marked = enter
    url, endpoint, root = sys.argv[1:]
    options = {"key": "testing", "secret": "testing-secret", "endpoint_url": endpoint,
               "client_kwargs": {"region_name": "us-east-1"}}
    stores = Stores.from_mapping({"raw": {"url": url, "options": options}})
    with StagingSession(stores, Cache(pathlib.Path(root)), run_uid="dead") as session:
        session.stage_in(session.locate("raw://t", "folder"), argument="a", name="t")
"""


@pytest.mark.usefixtures("foreign")
def test_a_killed_run_is_swept(start, tmp_path, bucket, s3_endpoint, ledger_and_disk):
    """Of what it fetched one list is lost; what it had reserved is counted until it is swept."""
    arguments = [f"s3://{bucket}/root", s3_endpoint, str(tmp_path / "cache")]
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), *arguments], check=False, timeout=120
    )
    cache = Cache(tmp_path / "cache")
    counted, _ = ledger_and_disk(cache)

    assert -signal.SIGKILL == died.returncode
    assert counted >= sum(entry.size_bytes for entry in cache.entries.walk())
    assert ("dead",) == sweep(cache)
    cache.evictor.count_if_free()
    counted, there = ledger_and_disk(cache)
    assert there == counted
    with start(cache) as session:
        found = staged(session)
        assert TREE == read_tree(found.path)
        assert len(TREE) - 30 <= found.misses <= len(TREE) - 24


@pytest.mark.usefixtures("foreign")
def test_of_two_runs_one_downloads(start, s3_stores, tmp_path, monkeypatch):
    """They share the host's cache, and no object comes twice."""
    store, asked = s3_stores.named("raw"), []
    real = store.read_many

    def heard(wanted):
        def passed():
            for one in wanted:
                asked.append(one[1])
                yield one

        return real(passed())

    monkeypatch.setattr(store, "read_many", heard)
    found, barrier = {}, threading.Barrier(2)

    def run(number):
        with start(Cache(tmp_path / "cache")) as session:
            located = session.locate("raw://t", "folder")
            barrier.wait(20)
            found[number] = read_tree(session.stage_in(located, argument="a", name="t").path)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert {0: TREE, 1: TREE} == found
    assert sorted(f"t/{name}" for name in TREE) == sorted(asked)


def test_many_lists_of_members_are_one_folder(start, s3_stores, cache, tmp_path, monkeypatch):
    """Both ways, with large ones, empty ones and the same bytes in between."""
    monkeypatch.setattr("rootcellar.staging.engine.some._AT_ONCE", 7)
    tree = {**TREE, "empty": b"", "large": os.urandom(400_000), "twin": TREE["005"]}
    with start(cache) as session:
        top = session.reserve_output("t", "t")
        top.mkdir()
        for name, content in tree.items():
            (top / name).write_bytes(content)
        output = Output(uri="raw://t", path=top, kind="folder", root=f"v-{uuid.uuid4()}")
        session.prepare_output(output)
        [published] = session.publish()
    with start(Cache(tmp_path / "other")) as session:
        own = staged(session)
        assert tree == read_tree(own.path)
        assert (published.digest, len(tree)) == (own.digest, own.members)

    store = s3_stores.named("raw")
    for name, content in tree.items():
        store.write_small(f"f/{name}", content)
    with start(Cache(tmp_path / "third")) as session:
        located = session.locate("raw://f", "folder")
        foreign = session.stage_in(located, argument="a", name="t")
        assert tree == read_tree(foreign.path)
        assert published.digest == foreign.digest
