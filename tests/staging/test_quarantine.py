"""Bad entries are never served, and kept for a look (C1, C2)."""

from __future__ import annotations

import errno
import json
import os
import shutil

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import InputModified
from rootcellar.staging import StagingSession
from rootcellar.staging.cache import entries, quarantine
from rootcellar.staging.host.epoch import mark_ns, note_release
from rootcellar.staging.workdir.workdir import Workdir

CONTENT = b"weather" * 1000
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def cache(cache_of):
    return cache_of(10**6)


@pytest.fixture
def wanted(put):
    return put("a", CONTENT)


@pytest.fixture
def entry(cache, wanted):
    return cache.fetch(*wanted).path


def reboot(entry):
    """Let an entry be one of another boot."""
    seconds = 1_000_000_000 if mark_ns() != 10**18 else 1_000_000_001
    os.utime(entry, ns=(entry.stat().st_atime_ns, seconds * 10**9))


def rewrite(entry, content, *, keep_times=False):
    status = entry.stat()
    entry.chmod(0o644)
    with entry.open("r+b") as file:
        file.truncate(len(content))
        file.write(content)
    entry.chmod(0o444)
    if keep_times:
        os.utime(entry, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(entry, make):
    entry.unlink()
    make(entry)


def folder(path):
    path.mkdir()
    (path / "inside").write_text("x")


DAMAGES = {
    "flipped": lambda entry: rewrite(entry, b"W" + CONTENT[1:]),
    "truncated": lambda entry: rewrite(entry, CONTENT[:100], keep_times=True),
    "zeroed": lambda entry: rewrite(entry, bytes(len(CONTENT))),
    "a folder": lambda entry: replace(entry, folder),
    "a link": lambda entry: replace(entry, lambda path: path.symlink_to("/etc/hostname")),
    "a pipe": lambda entry: replace(entry, os.mkfifo),
    "other bytes": lambda entry: replace(entry, lambda path: path.write_bytes(CONTENT)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_quarantined_and_downloaded_again(cache, wanted, entry, damage):
    """Flipped, truncated, zeroed, replaced: the next fetch has the right bytes (C1)."""
    damage(entry)

    cached = cache.fetch(*wanted)

    assert (False, CONTENT) == (cached.hit, cached.path.read_bytes())
    listed = cache.quarantine.listed()
    assert [DIGEST] == [one.digest for one in listed]
    assert "something wrote to it" in listed[0].reason
    counted, there = cache.ledger, cache.evictor.count()
    with counted.opened() as account:
        assert there.used_bytes == account.used_bytes


def test_an_entry_of_another_boot_is_read_once(cache, wanted, entry, monkeypatch):
    """Its bytes are right: no download, and no second reading (C1)."""
    reboot(entry)
    reads, real = [], cache.entries.verify
    monkeypatch.setattr(
        cache.entries, "verify", lambda digest: reads.append(digest) or real(digest)
    )
    note_release(str(entry), 5 * 10**9)

    hits = [cache.fetch(*wanted).hit for _ in range(3)]

    assert [True] * 3 == hits
    assert [DIGEST] == reads
    assert 5 * 10**9 == entry.stat().st_atime_ns, "being read by us is no use"


def test_an_entry_that_a_power_cut_damaged_is_not_served(cache, wanted, entry):
    """Its size and name are right and its bytes are not: nothing was synced (C1, F13)."""
    rewrite(entry, bytes(len(CONTENT)))
    reboot(entry)

    cached = cache.fetch(*wanted)

    assert (False, CONTENT) == (cached.hit, cached.path.read_bytes())
    assert "started again" in cache.quarantine.listed()[0].reason


@pytest.mark.parametrize("code", [errno.EIO, errno.EUCLEAN])
def test_an_entry_that_cannot_be_read_is_downloaded_again(cache, wanted, entry, monkeypatch, code):
    """The disk lost its blocks: that fails no run, as the store has them (C1)."""
    reboot(entry)

    def broken(*_: object) -> Digest:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(entries, "digest_file", broken)

    cached = cache.fetch(*wanted)

    assert (False, CONTENT) == (cached.hit, cached.path.read_bytes())
    assert [DIGEST] == [one.digest for one in cache.quarantine.listed()]


@pytest.mark.parametrize("mark", [lambda _: None, reboot], ids=["this boot", "another boot"])
def test_a_caller_with_a_wrong_size_condemns_nothing(cache, wanted, entry, mark):
    """He finds nothing, and everybody else the entry (C2)."""
    mark(entry)

    assert cache.find(DIGEST, 7) is None

    assert () == cache.quarantine.listed()
    assert entry == cache.find(DIGEST, len(CONTENT))
    assert cache.fetch(*wanted).hit


def test_find_reads_an_entry_of_another_boot_too(cache, entry):
    """Whoever asks for bytes by digest gets right ones or none."""
    reboot(entry)
    assert entry == cache.find(DIGEST, len(CONTENT))

    rewrite(entry, bytes(len(CONTENT)))
    reboot(entry)
    assert cache.find(DIGEST, len(CONTENT)) is None


def test_a_task_that_edits_its_input_fails_and_poisons_nobody(folder_stores, cache, wanted, entry):
    """The run gets an error, the entry goes into quarantine, the next run downloads (C2, F39)."""
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        located = session.locate("raw://a", "file")
        staged = session.stage_in(located, argument="a", name="a")
        rewrite(staged.path, b"POISON!" + CONTENT[7:])

        with pytest.raises(InputModified, match="inputs: a"):
            session.check_inputs()

    assert "a task changed it" in cache.quarantine.listed()[0].reason
    with StagingSession(folder_stores, cache, run_uid="run-2") as session:
        staged = session.stage_in(located, argument="a", name="a")
        assert CONTENT == staged.path.read_bytes()
        assert not staged.hit


@pytest.mark.parametrize("how", ["its copy is changed", "its link is removed"])
def test_an_entry_that_nobody_touched_stays(folder_stores, cache, wanted, entry, monkeypatch, how):
    """The run fails; what other runs read of the entry is as it was (C2)."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        located = session.locate("raw://a", "file")
        if how == "its copy is changed":
            monkeypatch.setattr(os, "link", refuse)
        staged = session.stage_in(located, argument="a", name="a")
        if how == "its copy is changed":
            rewrite(staged.path, b"POISON!" + CONTENT[7:])
        else:
            staged.path.unlink()
        with pytest.raises(InputModified, match="inputs: a"):
            session.check_inputs()

    assert () == cache.quarantine.listed()
    assert cache.fetch(*wanted).hit


def test_a_run_that_held_a_modified_input_fails_too(cache, wanted, entry):
    """Every link is the same file, so every holder sees the change."""
    workdirs = [Workdir(cache, f"run-{number}") for number in range(2)]
    paths = [
        workdir.place(cache.fetch(*wanted), argument="a", ordinal=0, name="a")
        for workdir in workdirs
    ]
    rewrite(paths[0], b"POISON!" + CONTENT[7:])

    assert [1, 1] == [len(workdir.modified_inputs()) for workdir in workdirs]


def test_a_release_does_not_hide_a_change(cache, wanted, entry):
    """A body that edits its input and is never checked: the end of the run keeps the evidence."""
    workdir = Workdir(cache, "run-1")
    placed = workdir.place(cache.fetch(*wanted), argument="a", ordinal=0, name="a")
    rewrite(placed, b"POISON!" + CONTENT[7:])
    workdir.close()

    cached = cache.fetch(*wanted)

    assert CONTENT == cached.path.read_bytes()


def test_quarantine_is_bounded(cache, put, monkeypatch):
    """By count and by bytes; the oldest go, and their bytes are given back."""
    monkeypatch.setattr(quarantine, "_MOST", 3)
    for number in range(5):
        cache.forget(cache.fetch(*put(f"o{number}", bytes([number]) * 100)).digest, f"no. {number}")
    assert {"no. 2", "no. 3", "no. 4"} == {one.reason for one in cache.quarantine.listed()}

    monkeypatch.setattr(quarantine, "_MOST_BYTES", 250)
    cache.forget(cache.fetch(*put("last", b"x" * 100)).digest, "last")

    assert 2 == len(cache.quarantine.listed())
    with cache.ledger.opened() as account:
        assert 200 == account.used_bytes


def test_quarantine_goes_first_when_room_is_needed(cache_of, put):
    """It is for a look, and no reason to download anything again."""
    cache = cache_of(3000)
    cache.forget(cache.fetch(*put("bad", b"x" * 1500)).digest)
    kept = cache.fetch(*put("good", b"y" * 1000)).digest

    cache.fetch(*put("more", b"z" * 1500))

    assert () == cache.quarantine.listed()
    assert cache.find(kept, 1000) is not None


def test_a_lost_note_does_not_lose_the_entry(cache, entry):
    """An entry in quarantine without its note, or with half of one, is listed."""
    cache.forget(DIGEST, "bad")
    for note in (cache.root / "quarantine").glob("*.note"):
        note.write_text(json.dumps({"reason": 1})[:5])

    listed = cache.quarantine.listed()

    assert [(DIGEST, len(CONTENT))] == [(one.digest, one.size_bytes) for one in listed]
    assert len(CONTENT) == cache.quarantine.empty()
    assert [] == list((cache.root / "quarantine").iterdir())


@pytest.mark.parametrize("name", ["notes", "a-b-c", "x.gz"])
def test_what_a_person_leaves_there_is_no_entry(cache, entry, name):
    """Counting goes on, and pruning removes it with the rest."""
    cache.forget(DIGEST)
    (cache.root / "quarantine" / name).write_text("x")
    tally, listed = cache.evictor.count(), cache.quarantine.listed()
    cache.quarantine.empty()

    assert (1, DIGEST) == (tally.quarantined, listed[0].digest)
    assert [] == list((cache.root / "quarantine").iterdir())


def test_forgetting_what_is_not_there_leaves_nothing(cache):
    """No note without an entry."""
    cache.forget(DIGEST)

    assert [] == list((cache.root / "quarantine").iterdir())


def test_the_cas_folder_may_be_deleted_under_a_run(cache, wanted, entry):
    """Inputs that are placed stay readable, and the next fetch downloads (C4, F25)."""
    workdir = Workdir(cache, "run-1")
    placed = workdir.place(cache.fetch(*wanted), argument="a", ordinal=0, name="a")
    for area in ("cas", "sources", "locks", "tmp", "away", "quarantine", "ended"):
        shutil.rmtree(cache.root / area)
    (cache.root / "usage").unlink()

    cached = cache.fetch(*wanted)

    assert (False, CONTENT) == (cached.hit, placed.read_bytes())
    assert CONTENT == cached.path.read_bytes()
    workdir.close()
    cache.sweep()
