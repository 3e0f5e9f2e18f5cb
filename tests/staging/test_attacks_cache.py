"""Attacks on the host's cache: what bodies, killed processes and people with `rm` do to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CacheUnusable, CatalogUnavailable
from rootcellar.staging import Cache, StagingSession
from rootcellar.staging.workdir.workdir import Workdir, sweep

CONTENT = b"weather" * 1000


@pytest.fixture
def address(folder_stores):
    address = folder_stores.store_for("raw://big.bin")
    address.store.write_small(address.key, CONTENT)
    return address


def fetch(cache, address):
    return cache.fetch(address, address.store.stat(address.key))


def write_in_place(path, content):
    """Write as root, or the owner, can: through the hard link, keeping the size."""
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(content)
    path.chmod(0o444)


def run_python(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
    )


def test_an_input_changed_in_place_is_not_served_to_the_next_run(cache, address):
    """A body that changes its input and then fails, or is killed, poisons nobody."""
    workdir = Workdir(cache, "run-1")
    placed = workdir.place(fetch(cache, address), argument="a", ordinal=0, name="big.bin")
    write_in_place(placed, b"POISON!")
    workdir.close()

    cached = fetch(cache, address)

    assert not cached.hit
    assert cached.path.read_bytes() == CONTENT


def test_a_flipped_entry_is_downloaded_again(cache, address):
    """Bytes of the right number that something wrote into an entry are not served."""
    write_in_place(fetch(cache, address).path, b"POISON!")

    assert cache.find(Digest.of(CONTENT), len(CONTENT)) is None
    assert fetch(cache, address).path.read_bytes() == CONTENT


def test_an_output_that_is_linked_elsewhere_stays_its_owners(cache, tmp_path):
    """A body that links a file of its own as the output keeps that file, and its mode."""
    mine = tmp_path / "mine.csv"
    mine.write_bytes(CONTENT)
    mine.chmod(0o644)
    workdir = Workdir(cache, "run-1")
    output = workdir.reserve("out", "x")
    os.link(mine, output)

    entry = cache.add(output, Digest.of(CONTENT))
    with mine.open("r+b") as file:
        file.write(b"CHANGED")

    assert entry.read_bytes() == CONTENT
    assert mine.stat().st_mode & 0o777 == 0o644


def test_a_published_output_replaces_a_damaged_entry(cache, tmp_path):
    """An entry that is no longer what its name says does not stand in the way."""
    path = tmp_path / "out"
    path.write_bytes(CONTENT)
    entry = cache.add(path, Digest.of(CONTENT))
    entry.unlink()
    entry.write_bytes(b"short")

    assert cache.add(path, Digest.of(CONTENT)).read_bytes() == CONTENT


def test_the_cache_may_be_deleted_between_two_runs(folder_stores, address, cache):
    """A worker that goes on living makes the folder again."""

    def stage(uid):
        with StagingSession(folder_stores, cache, run_uid=uid) as session:
            located = session.locate("raw://big.bin", "file")
            return session.stage_in(located, argument="a", name="big.bin").path.read_bytes()

    assert stage("run-1") == CONTENT
    shutil.rmtree(cache.root.parent)

    assert stage("run-2") == CONTENT


def test_the_cache_may_be_deleted_during_a_run(folder_stores, address, cache):
    """The run ends in a clear error or works on; the next one works."""
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        located = session.locate("raw://big.bin", "file")
        shutil.rmtree(cache.root.parent)
        with pytest.raises(CacheUnusable):
            session.stage_in(located, argument="a", name="big.bin")

    with StagingSession(folder_stores, cache, run_uid="run-2") as session:
        session.stage_in(located, argument="a", name="big.bin")


def test_locks_do_not_pile_up(cache, address):
    """A finished download leaves no lock file: else each object ever seen would cost an inode."""
    fetch(cache, address)

    assert list((cache.root / "locks").iterdir()) == []


KILLED_WHILE_REMEMBERING = """
    import os, pathlib, signal, sys
    from rootcellar.staging import Cache, Stores

    root, real = pathlib.Path(sys.argv[1]), os.pwrite

    def half(file, content, offset):
        if b"raw://" in content:
            real(file, content[:20], offset)
            os.kill(os.getpid(), signal.SIGKILL)
        return real(file, content, offset)

    os.pwrite = half
    address = Stores.from_mapping({"raw": str(root / "store")}).store_for("raw://big.bin")
    Cache(root / "cache").fetch(address, address.store.stat("big.bin"))
"""


def test_a_sweep_leaves_no_trace_of_a_killed_process(cache, address, tmp_path, files_below):
    """Locks and half-downloaded files go, and half a note of a source is none."""
    died = run_python(KILLED_WHILE_REMEMBERING, tmp_path)
    assert died.returncode == -signal.SIGKILL

    cache.sweep()

    left = [name.partition("/")[0] for name in files_below(cache.root)]
    assert left == ["cas", "sources"]
    assert not fetch(cache, address).hit
    assert fetch(cache, address).hit


def deep_tree(top, depth=1500):
    """Make folders in folders, deeper than Python's stack and longer than any path may be."""
    script = f"""
        import os, sys
        os.chdir(sys.argv[1])
        for _ in range({depth}):
            os.mkdir("deep-folder")
            os.chdir("deep-folder")
        open("file", "w").close()
    """
    assert run_python(script, top).returncode == 0


def test_a_deep_tree_does_not_keep_a_workdir(cache):
    """However deep a body's folders are, the end of the run removes them."""
    workdir = Workdir(cache, "run-1")
    deep_tree(workdir.tmp)

    workdir.close()

    assert list((cache.root / "work").iterdir()) == []


def test_what_a_workdir_links_to_is_not_removed(cache, tmp_path, monkeypatch):
    """Not even if a process puts the link there while the folder is removed."""
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "mine").write_text("mine")
    workdir = Workdir(cache, "run-1")
    (workdir.tmp / "link").symlink_to(outside)
    (workdir.tmp / "victim" / "full").mkdir(parents=True)
    real = Path.rename

    def swapped(path, target):
        if path.name == "victim":
            real(path, tmp_path / "away")
            path.symlink_to(outside)
        return real(path, target)

    monkeypatch.setattr(Path, "rename", swapped)
    workdir.close()

    assert (outside / "mine").read_text() == "mine"
    assert outside.stat().st_mode & 0o777 == 0o755
    assert list((cache.root / "work").iterdir()) == []


DIE_WITH_WORKDIR = """
    import os, pathlib, signal, sys
    from rootcellar.staging import Cache
    from rootcellar.staging.workdir.workdir import Workdir

    workdir = Workdir(Cache(pathlib.Path(sys.argv[1])), "dead")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_deep_tree_of_a_dead_run_does_not_stop_the_next_worker(cache):
    """A sweep removes it; the host would be unusable if it raised."""
    run_python(DIE_WITH_WORKDIR, cache.root.parent)
    deep_tree(cache.root / "work" / "dead")

    assert sweep(cache) == ("dead",)
    assert list((cache.root / "work").iterdir()) == []


def test_a_stray_file_is_swept_too(cache):
    """What is no folder, such as what a crashed editor left, does not stay for ever."""
    (cache.root / "work" / "stray").write_text("")

    sweep(cache)

    assert list((cache.root / "work").iterdir()) == []


def test_a_sweep_that_cannot_tell_of_the_dead_does_not_bury_them(cache):
    """If nobody can be told that a run is lost, the next sweep tells it."""
    run_python(DIE_WITH_WORKDIR, cache.root.parent)

    def unreachable(_uid):
        raise CatalogUnavailable("not now")

    with pytest.raises(CatalogUnavailable):
        sweep(cache, lost=unreachable)

    told = []
    assert sweep(cache, lost=told.append) == ("dead",)
    assert told == ["dead"]


def test_a_forked_child_that_leaves_by_an_error_takes_nothing_with_it(folder_stores, cache):
    """`os.fork` in a body, and an exception in the child: the parent's files stay."""
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        path = session.reserve_output("out", "x")
        path.write_bytes(CONTENT)
        child = os.fork()
        if child == 0:
            try:
                session.__exit__(None, None, None)
            finally:
                os._exit(0)
        os.waitpid(child, 0)

        assert path.read_bytes() == CONTENT
        assert sweep(cache) == ()


def test_a_workdir_that_cannot_be_made_leaves_nothing(cache, monkeypatch, files_below):
    """Out of inodes in the middle: no folder, no lock."""
    real = os.mkdir

    def full(path, *args, **kwargs):
        if str(path).endswith("run-1"):
            raise OSError(28, "No space left on device")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(CacheUnusable):
        Workdir(cache, "run-1")

    assert list((cache.root / "work").iterdir()) == []
    assert files_below(cache.root / "locks") == []


CHURN = """
    import os, pathlib, random, signal, sys
    from rootcellar.schemas.digest import Digest
    from rootcellar.staging import Cache, StagingSession, Stores, sweep
    from rootcellar.staging.stores import transfer

    transfer.RANGE_BYTES = 512
    root, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    dice = random.Random(seed)
    stores = Stores.from_mapping({"raw": str(root / "store")})
    cache = Cache(root / "cache")

    class Progress:
        def advance(self, size_bytes):
            if seed % 2 and dice.random() < 0.02:
                os.kill(os.getpid(), signal.SIGKILL)

        def expect(self, size_bytes):
            pass

    for turn in range(40):
        sweep(cache)
        cache.sweep()
        with StagingSession(
            stores, cache, run_uid=f"{seed}-{turn}", progress=Progress()
        ) as session:
            for name in ("a", "b", "c"):
                found = session.locate(f"raw://{name}", "file")
                staged = session.stage_in(found, argument=name, name=name)
                assert Digest.of(staged.path.read_bytes()) == staged.digest
"""


def test_killed_and_living_processes_share_a_cache(folder_stores, tmp_path, files_below):
    """Killed downloads and sweeps disturb no living run, and leave nothing."""
    for name in ("a", "b", "c"):
        folder_stores.named("raw").write_small(name, name.encode() * 5000)
    script = textwrap.dedent(CHURN)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(seed)], stderr=subprocess.PIPE
        )
        for seed in range(8)
    ]
    ended = [(process.communicate()[1].decode(), process.returncode) for process in processes]

    assert [("", 0)] * 4 == ended[::2]
    cache = Cache(tmp_path / "cache")
    sweep(cache)
    cache.sweep()
    left = {name.partition("/")[0] for name in files_below(cache.root)}
    assert left <= {"cas", "sources"}
