"""Inputs that are linked: where it is safe, never where it is not, and always as pinned.

What root may do proves nothing here, so the bodies of most tests run as another user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import InputModified, ObjectChanged
from rootcellar.staging import StagingSession
from rootcellar.staging.host import clone
from rootcellar.staging.workdir import linked_input
from rootcellar.staging.workdir.linked_input import may_link

NOBODY = 12345

BEGINNING = """
import os, sys, pathlib, shutil, tempfile
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import *
from rootcellar.staging import *
from rootcellar.staging.workdir import linked_input
from rootcellar.staging.host.removal import finish_removals

if os.geteuid() == 0:
    # Now that all is imported, which may lie where only root can go.
    os.setgid({nobody})
    os.setuid({nobody})
top = pathlib.Path(sys.argv[1])
(top / "store").mkdir()
stores = Stores.from_mapping({{"raw": str(top / "store")}})
store = stores.named("raw")
cache = Cache(top / "cache")
source = top / "source"

def put(content, key="a"):
    source.write_bytes(content)
    store.upload(key, source).publish()

def session(rule="read-only"):
    return StagingSession(stores, cache, run_uid=os.urandom(4).hex(), link_local=rule)

def stage(run, expected=None):
    found = run.locate("raw://a", "file")
    return run.stage_in(found, argument="weather", name="a", expected=expected)

stored = top / "store" / "a"
"""


@pytest.fixture
def as_other():
    """Run code as a user who is not root, in a folder of his own, and return what it prints."""
    # Not below pytest's folder, where another user cannot go.
    folder = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)

    def run(code: str) -> str:
        whole = BEGINNING.format(nobody=NOBODY) + textwrap.dedent(code)
        done = subprocess.run(
            [sys.executable, "-c", whole, str(folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    yield run
    shutil.rmtree(folder)


def test_read_only_file_is_linked(as_other):
    """It is the store's own file, a hit that moved nothing, and gone with the run."""
    shown = as_other("""
        put(b"content")
        before = store.stat("a")
        with session() as run:
            staged = stage(run, Digest.of(b"content"))
            print(staged.path.name, staged.path.samefile(stored))
            print(staged.hit, staged.transferred_bytes)
            print(staged.digest == Digest.of(b"content"), staged.pin == before)
            run.check_inputs()
            try:
                staged.path.open("r+b")
            except PermissionError:
                print("refused")
        finish_removals()
        print(stored.read_bytes(), stored.stat().st_nlink, store.stat("a") == before)
        print([p for p in (cache.root / "cas").rglob("*") if p.is_file()])
    """)

    assert shown.split("\n") == [
        "a True",
        "True 0",
        "True True",
        "refused",
        "b'content' 1 True",
        "[]",
    ]


def test_what_may_not_be_linked_is_copied(as_other):
    """One with write bits, and by default one that the body could give them to."""
    shown = as_other("""
        def linked(rule, mode):
            put(f"{rule} {mode}".encode())  # what was copied would be used again
            stored.chmod(mode)
            with session(rule) as run:
                return stage(run).path.samefile(stored)
        for mode in (0o444, 0o464):
            print([linked(rule, mode) for rule in ("auto", "read-only", "always", "off")])
    """)

    assert shown.split("\n") == ["[False, True, True, False]", "[False, False, True, False]"]


def test_replaced_file_does_not_change_a_run(as_other):
    """A run keeps the version it was given, and the next one gets the new one."""
    shown = as_other("""
        put(b"old")
        with session() as run:
            staged = stage(run)
            put(b"new")
            run.check_inputs()
            print(staged.path.read_bytes())
        with session() as run:
            print(stage(run).path.read_bytes())
    """)

    assert shown.split("\n") == ["b'old'", "b'new'"]


def test_file_replaced_in_between_is_not_linked_as_what_it_was(as_other):
    """Between the look and the link: the name of our own shows that it is another."""
    shown = as_other("""
        put(b"old")
        link = os.link
        def late(*names, **options):
            put(b"new")
            os.link = link
            link(*names, **options)
        os.link = late
        with session() as run:
            staged = stage(run)
            print(staged.path.read_bytes(), staged.digest == Digest.of(b"new"))
            print(staged.pin == store.stat("a"))
    """)

    assert shown.split("\n") == ["b'new' True", "True"]


def test_wrong_bytes_are_refused(as_other):
    """Bytes that are not what was promised are no input, linked or not."""
    shown = as_other("""
        put(b"content")
        stored.chmod(0o644)
        stored.write_bytes(b"CONTENT")
        stored.chmod(0o444)
        with session() as run:
            try:
                stage(run, Digest.of(b"content"))
            except DigestMismatch:
                print("refused")
    """)

    assert shown == "refused"


def test_digest_is_worked_out_once(as_other):
    """The second run reads nothing; a file that was written to is read again."""
    shown = as_other("""
        put(b"content")
        os.utime(stored, ns=(1, 10**18 + 1))
        read = linked_input.digest_file
        reads = []
        linked_input.digest_file = lambda path, *rest: reads.append(path.name) or read(path, *rest)
        for _ in range(3):
            with session() as run:
                stage(run)
        print(len(reads))
        stored.chmod(0o644)
        stored.write_bytes(b"CONTENT")
        stored.chmod(0o444)
        with session() as run:
            print(stage(run).digest == Digest.of(b"CONTENT"), len(reads))
    """)

    assert shown.split("\n") == ["1", "True 2"]


def test_changed_input_is_reported(as_other):
    """A body that made its linked input writable and wrote to it fails by name."""
    shown = as_other("""
        put(b"content")
        with session() as run:
            path = stage(run).path
            path.chmod(0o644)
            path.write_bytes(b"CONTENT")
            try:
                run.check_inputs()
            except InputModified as error:
                print("weather" in str(error))
    """)

    assert shown == "True"


def test_other_file_system_is_copied(as_other):
    """Nothing can be linked there."""
    shown = as_other("""
        shared = tempfile.mkdtemp(dir="/dev/shm")
        cache = Cache(pathlib.Path(shared) / "cache")
        put(b"content")
        with session("always") as run:
            staged = stage(run)
            print(staged.path.samefile(stored), staged.path.read_bytes())
        shutil.rmtree(shared)
    """)

    assert shown == "False b'content'"


def test_root_links_only_when_told(tmp_path, cache):
    """Modes hold root back from nothing."""
    if os.geteuid():
        pytest.skip("not root")
    file = tmp_path / "file"
    file.touch(0o444)
    status = file.stat()
    rules = ("auto", "read-only", "always", "off")

    assert [False, False, True, False] == [may_link(status, file, rule) for rule in rules]


def test_linked_always(folder_stores, cache, tmp_path):
    """With `always` a change by the body is reported; the store's bytes are lost, as documented."""
    store = folder_stores.named("raw")
    store.write_small("a", b"content")
    (tmp_path / "store" / "a").chmod(0o644)
    with StagingSession(folder_stores, cache, run_uid="r", link_local="always") as run:
        staged = run.stage_in(run.locate("raw://a", "file"), argument="weather", name="a")
        staged.path.write_bytes(b"CONTENT")

        with pytest.raises(InputModified, match="weather") as caught:
            run.check_inputs()

    assert caught.value.uri == "raw://a"
    assert f"the store's own file {tmp_path / 'store' / 'a'} was changed" in str(caught.value)
    assert store.stat("a").size_bytes == 7


def test_a_linked_file_that_its_owner_changed_is_not_the_body_s_fault(
    folder_stores, cache, tmp_path, monkeypatch
):
    """A body that could not have done it is to run again, and is not blamed."""
    # As another user than the file's owner, where the system allows him the link.
    monkeypatch.setattr(linked_input.os, "geteuid", lambda: NOBODY)
    monkeypatch.setattr(linked_input.os, "access", lambda *_: False)
    folder_stores.named("raw").write_small("a", b"content")
    with StagingSession(folder_stores, cache, run_uid="r") as run:
        staged = run.stage_in(run.locate("raw://a", "file"), argument="weather", name="a")
        stored = tmp_path / "store" / "a"
        is_linked = staged.path.samefile(stored)
        stored.chmod(0o644)
        stored.write_bytes(b"CONTENT of its owner")
        with pytest.raises(ObjectChanged, match="somebody else") as caught:
            run.check_inputs()

    assert is_linked
    assert caught.value.transient
    assert caught.value.uri == "raw://a"


def test_a_linked_file_that_the_body_replaced_is_its_fault(
    folder_stores, cache, tmp_path, monkeypatch
):
    """The name in the workdir is the run's own; the store has not changed."""
    monkeypatch.setattr(linked_input.os, "geteuid", lambda: NOBODY)
    monkeypatch.setattr(linked_input.os, "access", lambda *_: False)
    folder_stores.named("raw").write_small("a", b"content")
    with StagingSession(folder_stores, cache, run_uid="r") as run:
        staged = run.stage_in(run.locate("raw://a", "file"), argument="weather", name="a")
        staged.path.unlink()
        staged.path.write_bytes(b"mine")

        with pytest.raises(InputModified, match="the body changed"):
            run.check_inputs()


def share(target: int, _request: int, source: int) -> None:
    """Stand for a file system that can share blocks: none of this machine's can."""
    os.sendfile(target, source, 0, os.fstat(source).st_size)


def test_output_is_cloned(folder_stores, tmp_path, monkeypatch):
    """Where blocks can be shared, a folder store writes none of an output's bytes again."""
    source = tmp_path / "source"
    source.write_bytes(b"content")
    written = []
    monkeypatch.setattr(clone.fcntl, "ioctl", lambda *files: written.append(1) or share(*files))
    pending = folder_stores.named("raw").upload("a", source)
    source.write_bytes(b"CONTENT")
    pending.publish()

    assert (Digest.of(b"content"), 7, [1]) == (pending.digest, pending.size_bytes, written)
    assert b"content" == (tmp_path / "store" / "a").read_bytes()


def test_clone_is_a_file_of_its_own(folder_stores, cache, tmp_path, monkeypatch):
    """Where blocks can be shared the body's file is another, and its digest worked out once."""
    monkeypatch.setattr(clone.fcntl, "ioctl", share)
    folder_stores.named("raw").write_small("a", b"content")
    stored = tmp_path / "store" / "a"
    os.utime(stored, ns=(1, 10**18 + 1))
    for uid in ("first", "second"):
        with StagingSession(folder_stores, cache, run_uid=uid) as run:
            found = run.locate("raw://a", "file")
            staged = run.stage_in(found, argument="weather", name="a")
            run.check_inputs()
            status = staged.path.stat()
        monkeypatch.setattr(linked_input, "digest_file", None)

    assert Digest.of(b"content") == staged.digest
    assert (7, 0o444) == (status.st_size, status.st_mode & 0o777)
    assert status.st_ino != stored.stat().st_ino
    assert staged.hit
