"""Disks that are full, refuse links, have no locks or lie on a network (C1, C5, C6)."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import shutil
from pathlib import Path

import pytest

from rootcellar.schemas.amount import Amount
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CacheFull, CacheUnavailable, CacheUnusable, MissingOutput
from rootcellar.staging import Cache, StagingSession
from rootcellar.staging.cache import intake, root_folder
from rootcellar.staging.cache.space import SpaceLimits
from rootcellar.staging.host.epoch import note_release
from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.publication.output import Output
from rootcellar.staging.workdir.workdir import Workdir

MB = 10**6
GENEROUS = SpaceLimits(Amount(10**15), Amount(0), 0.0)
"""A budget beyond the disk, so that the disk itself says no."""


@pytest.fixture
def small_disk(tmp_path):
    """Mount a small file system in memory; skipped where that is not allowed."""
    libc, mounted = ctypes.CDLL(None, use_errno=True), []

    def mount(options):
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        done = libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options.encode())
        if done != 0:
            pytest.skip(f"mounting is not permitted: {os.strerror(ctypes.get_errno())}")
        mounted.append(folder)
        folder.chmod(0o700)
        return folder

    yield mount
    finish_removals()
    for folder in mounted:
        libc.umount2(os.fsencode(folder), 2)


def residue(cache):
    return [
        path for area in ("tmp", "work", "away", "ended") for path in (cache.root / area).iterdir()
    ]


def test_a_full_disk_is_a_passing_error_and_leaves_nothing(small_disk, put):
    """Others filled it: nothing partial stays, and it works when space is back (C5, F29)."""
    disk = small_disk("size=8m")
    cache = Cache(disk / "cache", GENEROUS)
    (disk / "others").write_bytes(bytes(6 * MB))
    wanted = put("a", b"a" * 4 * MB)
    before = os.statvfs(disk).f_bavail

    with pytest.raises(CacheFull) as raised:
        cache.fetch(*wanted)

    assert raised.value.transient
    assert [] == residue(cache)
    assert before - os.statvfs(disk).f_bavail <= 4, "a failed stage-in costs no space (C6)"
    (disk / "others").unlink()
    assert b"a" * 4 * MB == cache.fetch(*wanted).path.read_bytes()


def test_a_disk_that_fills_while_a_download_runs_is_made_free_once(small_disk, put, monkeypatch):
    """The real end of the disk: own bytes go, entries are evicted, and it is tried once more."""
    disk = small_disk("size=8m")
    cache = Cache(disk / "cache", GENEROUS)
    for key in "abc":
        cached = cache.fetch(*put(key, key.encode() * 2 * MB))
        note_release(cached.location, ord(key) * 10**9)
    real, calls = intake.download, []

    def download(*args, **kwargs):
        calls.append(args)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **kwargs)

    monkeypatch.setattr(intake, "download", download)

    assert b"x" * MB == cache.fetch(*put("x", b"x" * MB)).path.read_bytes()

    assert 2 == len(calls)
    assert cache.find(Digest.of(b"a" * 2 * MB), 2 * MB) is None
    assert cache.find(Digest.of(b"c" * 2 * MB), 2 * MB) is not None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_stays_full_is_tried_twice(cache_of, put, monkeypatch, code):
    """A quota and a limit of the process are like a full disk; then the error says which."""
    cache, calls = cache_of(10**9), []

    def download(*args, **kwargs):
        calls.append(args)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(intake, "download", download)

    with pytest.raises(CacheFull, match=os.strerror(code)):
        cache.fetch(*put("a", b"a"))

    assert 2 == len(calls)
    assert [] == residue(cache)


def test_a_disk_without_inodes_is_a_full_disk(small_disk, put):
    """Evicting makes inodes free; where nothing may go the error is the passing one (F35)."""
    disk = small_disk("size=64m,nr_inodes=60")
    cache = Cache(disk / "cache", GENEROUS)
    for number in range(60):
        cached = cache.fetch(*put(f"o{number}", b"%d" % number * 1000))
        assert b"%d" % number * 1000 == cached.path.read_bytes()

    others = [disk / f"others-{number}" for number in range(100)]
    cache.evictor.evict_to(0)
    cache.prune_sources()
    with pytest.raises(OSError, match="space"):
        collections.deque(map(Path.touch, others), maxlen=0)
    with pytest.raises(CacheFull):
        cache.fetch(*put("last", b"last"))
    for path in others:
        path.unlink(missing_ok=True)
    assert b"last" == cache.fetch(*put("last", b"last")).path.read_bytes()
    assert [] == residue(cache)


@pytest.mark.parametrize("is_ours", [True, False], ids=["manifest", "listing"])
def test_a_folder_of_small_members_makes_its_own_inodes_free(
    small_disk, folder_stores, cache_of, put, is_ours
):
    """Old entries go for them, as they do for one object; not only once another one comes."""
    tree = {f"{number:02}": b"%d" % number * 100 for number in range(40)}
    if is_ours:
        with StagingSession(folder_stores, cache_of(10**9), run_uid="run-1") as session:
            top = session.reserve_output("tree", "tree")
            top.mkdir()
            for name, content in tree.items():
                (top / name).write_bytes(content)
            session.prepare_output(Output(uri="raw://tree", path=top, kind="folder"))
            session.publish()
    else:
        for name, content in tree.items():
            put(f"tree/{name}", content)
    cache = Cache(small_disk("size=64m,nr_inodes=200") / "cache", GENEROUS)
    for number in range(100):
        cache.fetch(*put(f"o{number}", b"old %d" % number * 100))

    with StagingSession(folder_stores, cache, run_uid="run-2") as session:
        located = session.locate("raw://tree", "folder")
        staged = session.stage_in(located, argument="a", name="a")

        assert tree == {path.name: path.read_bytes() for path in staged.path.iterdir()}


def test_the_floor_of_a_small_disk_stays_free(small_disk, put):
    """Entries go before the free space does."""
    disk = small_disk("size=10m")
    limits = SpaceLimits(Amount.parse("100%"), Amount.parse("30%"), 0.0)
    cache = Cache(disk / "cache", limits)

    for number in range(8):
        cache.fetch(*put(f"o{number}", bytes([number]) * 2 * MB))

        status = os.statvfs(disk)
        assert status.f_bavail * status.f_frsize >= 3 * MB
    assert cache.find(Digest.of(bytes([7]) * 2 * MB), 2 * MB) is not None


@pytest.mark.parametrize("code", [errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP])
def test_where_no_link_can_be_made_a_counted_copy_is(
    cache_of, put, monkeypatch, ledger_and_disk, code
):
    """The copy is reserved while the run lives, and given back with it (C6, F36, F37)."""
    cache = cache_of(5000)

    def refuse(*_args, **_kwargs):
        raise OSError(code, "no link")

    workdir = Workdir(cache, "run-1")
    cached = cache.fetch(*put("a", b"a" * 2000))
    monkeypatch.setattr(os, "link", refuse)
    placed = workdir.place(cached, argument="a", ordinal=0, name="a")

    assert b"a" * 2000 == placed.read_bytes()
    assert not placed.samefile(cached.path)
    assert () == workdir.modified_inputs()
    assert (4000, 4000) == ledger_and_disk(cache)
    placed.chmod(0o644)
    placed.write_bytes(b"b" * 2000)
    assert 1 == len(workdir.modified_inputs())

    workdir.close()
    finish_removals()
    assert (2000, 2000) == ledger_and_disk(cache)


def test_a_copy_for_which_there_is_no_room_is_a_passing_error(cache_of, put, monkeypatch):
    """Nothing of it stays in the workdir."""
    cache = cache_of(3000)
    cached = cache.fetch(*put("a", b"a" * 2000))
    workdir = Workdir(cache, "run-1")
    (workdir.path / "lease").hardlink_to(cached.path)

    def refuse(*_args, **_kwargs):
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(os, "link", refuse)

    with pytest.raises(CacheFull):
        workdir.place(cached, argument="a", ordinal=0, name="a")

    assert not (workdir.path / "a").exists()
    workdir.close()


def test_outputs_are_kept_where_links_are_refused(folder_stores, cache_of, monkeypatch):
    """A session goes through: inputs are copied, and outputs published."""
    cache = cache_of(10**6)
    folder_stores.named("raw").write_small("a", b"a" * 100)

    def refuse(*_args, **_kwargs):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        staged = session.stage_in(session.locate("raw://a", "file"), argument="a", name="a")
        session.check_inputs()

        assert b"a" * 100 == staged.path.read_bytes()


def test_locks_that_do_nothing_are_found_when_the_cache_is_opened(tmp_path, monkeypatch):
    """A cache whose living runs cannot be told from dead ones is refused (F23)."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)

    with pytest.raises(CacheUnusable, match="locks do nothing") as raised:
        Cache(tmp_path / "cache")

    assert "ROOTCELLAR_CACHE_DIR" in raised.value.remedy


def test_locks_that_stop_working_keep_a_sweep_from_removing_the_living(cache_of, monkeypatch):
    """They are tried again before anything of others is removed."""
    cache = cache_of(10**6)
    workdir = Workdir(cache, "run-1")
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)

    with pytest.raises(CacheUnusable):
        cache.sweep()

    monkeypatch.undo()
    assert workdir.path.is_dir()
    workdir.close()


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "lustre", "gpfs", "ceph", "fuse.s3fs"])
def test_a_network_file_system_is_refused(tmp_path, monkeypatch, kind):
    """With its kind and the setting to change (F40)."""
    monkeypatch.setattr(root_folder, "network_file_system", lambda _: kind)

    with pytest.raises(CacheUnusable, match=kind) as raised:
        Cache(tmp_path / "cache")

    assert "local disk" in raised.value.remedy
    assert str(tmp_path) not in str(raised.value)


def test_a_deleted_workdir_is_a_clear_error(cache_of, put):
    """Not a folder that comes back without its lock."""
    cache = cache_of(10**6)
    workdir = Workdir(cache, "run-1")
    cached = cache.fetch(*put("a", b"a"))
    workdir.path.rmdir()

    with pytest.raises(CacheUnavailable, match="deleted while it ran"):
        workdir.place(cached, argument="a", ordinal=0, name="a")

    workdir.close()
    assert not Path(workdir.path).exists()


def read_an_input(session, path):
    del session
    path.read_bytes()


def write_an_output(session, path):
    del path
    session.reserve_output("out", "out").write_bytes(b"out")


def publish_an_output(session, path):
    del path
    lost = session.workdir / "out" / "out"
    session.prepare_output(Output(path=lost, uri="raw://out", kind="file"))


def check_the_inputs(session, path):
    del path
    session.check_inputs()


def fetch_an_input(session, path):
    del path
    session.stage_in(session.locate("raw://a", "file"), argument="b", name="b")


@pytest.mark.parametrize("whole", [True, False], ids=["cache", "workdir"])
@pytest.mark.parametrize(
    "act", [read_an_input, write_an_output, publish_an_output, check_the_inputs, fetch_an_input]
)
def test_a_run_whose_folder_was_deleted_may_be_tried_again(folder_stores, cache, put, act, whole):
    """Whoever misses a file first, a body or we, the error says what was behind it."""
    put("a", b"a")

    def run(after):
        with StagingSession(folder_stores, cache, run_uid="run", link_local="off") as session:
            located = session.locate("raw://a", "file")
            path = session.stage_in(located, argument="a", name="a").path
            return after(session, path)

    def lose(session, path):
        shutil.rmtree(cache.root.parent if whole else session.workdir)
        act(session, path)

    with pytest.raises(CacheUnavailable, match="deleted while it") as raised:
        run(lose)

    assert raised.value.transient
    assert "while no task runs" in raised.value.remedy
    if act is read_an_input:
        assert "raw://a" == raised.value.uri
    assert b"a" == run(lambda _, path: path.read_bytes())


def test_a_file_that_a_body_misses_elsewhere_stays_its_own_error(folder_stores, cache, tmp_path):
    """As does an output that it did not write."""
    for error in (FileNotFoundError(2, "gone", str(tmp_path / "x")), MissingOutput("not written")):
        with (
            pytest.raises(type(error)) as raised,
            StagingSession(folder_stores, cache, run_uid="run-1"),
        ):
            raise error
        assert error is raised.value


def test_too_many_open_files_are_called_that(cache, put):
    """A remedy about folders would lead astray, and a moment later it may do."""
    wanted = put("a", b"a")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                opened.append(os.open("/dev/null", os.O_RDONLY))
        with pytest.raises(CacheUnavailable, match="too many files are open") as raised:
            cache.fetch(*wanted)
    finally:
        for file in opened:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert raised.value.transient
    assert "ulimit -n" in raised.value.remedy
    assert not cache.fetch(*wanted).hit


def test_a_disk_too_full_to_rename_is_made_free_all_the_same(cache_of, put, monkeypatch):
    """Entries then go from where they are, and leased ones stay."""
    cache = cache_of(10**6)
    for key in "ab":
        cached = cache.fetch(*put(key, key.encode() * 1000))
    workdir = Workdir(cache, "run-1")
    workdir.place(cached, argument="b", ordinal=0, name="b")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "rename", refuse)

    assert 1000 == cache.evictor.evict_to(0)

    monkeypatch.undo()
    assert cached.path.exists()
    workdir.close()
