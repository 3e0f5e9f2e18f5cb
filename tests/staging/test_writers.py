"""Files that somebody still writes to become no entries."""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import subprocess
import sys

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import DigestMismatch
from rootcellar.staging import StagingSession
from rootcellar.staging.publication.output import Output
from rootcellar.staging.workdir.workdir import Workdir

CONTENT = b"weather" * 1000
DIGEST = Digest.of(CONTENT)
WRITER = """
import sys
with open(sys.argv[1], "r+b") as file:
    print("open", flush=True)
    sys.stdin.readline()
    file.write(b"POISON!")
"""


@pytest.fixture
def writer():
    """Start a child that has a file open, and writes to it when it is told."""
    children = []

    def started(path):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        assert "open\n" == child.stdout.readline()
        return child

    yield started
    for child in children:
        if child.poll() is None:
            child.communicate("now\n")


@pytest.fixture
def written(cache):
    workdir = Workdir(cache, "run-1")
    path = workdir.reserve("a", "a")
    path.write_bytes(CONTENT)
    yield path
    workdir.close()


def test_a_file_that_a_child_has_open_is_no_entry(cache, written, writer):
    """What it writes later would be served as what was published."""
    writer(written)

    with pytest.raises(DigestMismatch, match="open for writing"):
        cache.add(written, DIGEST)

    assert cache.find(DIGEST, len(CONTENT)) is None
    assert [] == list(cache.entries.walk())


def test_a_file_that_is_only_read_is_an_entry(cache, written):
    """Readers, and a writer that has closed it, change nothing."""
    with written.open("rb"):
        entry = cache.add(written, DIGEST)

    assert CONTENT == entry.read_bytes()


def test_without_leases_a_change_is_seen_all_the_same(cache, written, monkeypatch):
    """As far as the file's times tell."""
    find = cache.find

    def changed_meanwhile(digest, size_bytes):
        os.utime(written, ns=(0, 5))
        return find(digest, size_bytes)

    monkeypatch.delattr(fcntl, "F_SETLEASE")
    monkeypatch.setattr(cache, "find", changed_meanwhile)

    with pytest.raises(DigestMismatch, match="was changed"):
        cache.add(written, DIGEST)


def test_a_run_whose_child_still_writes_is_published_and_not_kept(
    folder_stores, cache, writer, caplog
):
    """The store has what was read; the next run on this host downloads that."""
    caplog.set_level(logging.WARNING)
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        path = session.reserve_output("a", "a")
        path.write_bytes(CONTENT)
        child = writer(path)
        session.prepare_output(Output(path=path, uri="raw://a", kind="file"))
        session.publish()
        child.communicate("now\n")

    assert "still has the local file open" in caplog.text
    with StagingSession(folder_stores, cache, run_uid="run-2", link_local="off") as session:
        staged = session.stage_in(session.locate("raw://a", "file"), argument="a", name="a")
        assert CONTENT == staged.path.read_bytes()


def write_by_map(path):
    """Return what writes to a file through a map that outlives its file object."""
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    mapped[0] = ord("x")
    mapped[0] = CONTENT[0]
    return lambda: mapped.__setitem__(0, ord("P"))


def write_by_descriptor(path):
    """Return what writes to a file that somebody forgot to close."""
    file = path.open("r+b", buffering=0)

    def write():
        with file:
            file.write(b"P")

    return write


@pytest.mark.parametrize("count", [1, 20], ids=["one", "many"])
@pytest.mark.parametrize("left", [write_by_map, write_by_descriptor])
def test_what_a_body_left_open_is_not_kept(folder_stores, cache, left, count, caplog):
    """Of many outputs just the others are kept."""
    caplog.set_level(logging.WARNING)
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        folder = session.reserve_output("all", "all")
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}").write_bytes(CONTENT + str(number).encode())
        late = left(folder / "0")
        session.prepare_output(Output(path=folder, uri="raw://all", kind="folder"))
        session.publish()
        late()

    digests = [Digest.of(CONTENT + str(number).encode()) for number in range(count)]
    kept = [cache.entries.state(digest, len(CONTENT) + 1).value for digest in digests[:10]]
    assert ["absent", *["good"] * (min(count, 10) - 1)] == kept
    assert "still has the local file open" in caplog.text
