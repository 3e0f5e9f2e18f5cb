"""Where files lie in a workdir, and which folders serve the next run."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rootcellar.staging import sweep
from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.workdir.workdir import Workdir

RACK = 16


@pytest.fixture
def cached(cache, memory_stores):
    address = memory_stores.store_for("raw://a")
    pin = address.store.write_small("a", b"content")
    return cache.fetch(address, pin)


def staged(cache, cached, run_uid, count, name="data.nc"):
    """Return the workdir of a run that has that many inputs of one name, and their paths."""
    workdir = Workdir(cache, run_uid)
    return workdir, [
        workdir.place(cached, argument="all", ordinal=number, name=name) for number in range(count)
    ]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_input_has_its_own_name_and_place(cache, cached):
    """However many have the same name, and whatever that is."""
    workdir = Workdir(cache, "run-1")
    called = ["data.nc"] * 40 + ["~1", "~", "~1", "1", "out", "tmp", "aside", "1"]
    paths = [
        workdir.place(cached, argument="all", ordinal=number, name=name)
        for number, name in enumerate(called)
    ]

    assert called == [path.name for path in paths]
    assert len(called) == len(set(paths))
    assert {b"content"} == {path.read_bytes() for path in paths}
    assert workdir.tmp.is_dir()
    assert workdir.aside.is_dir()
    assert not workdir.reserve("out", "data.nc").exists()
    workdir.close()


def test_further_folders_that_a_run_leaves_empty_serve_the_next(cache, cached):
    """The folders are the same, their paths are new, and nothing of the first run is in them."""
    first, paths = staged(cache, cached, "run-1", 40)
    folders = {path.parent.stat().st_ino for path in paths[1:]}
    first.close()
    second, again = staged(cache, cached, "run-2", 40)

    assert folders == {path.parent.stat().st_ino for path in again[1:]}
    assert not any(path.exists() for path in paths)
    assert [["data.nc"]] * 39 == [names(path.parent) for path in again[1:]]
    assert {0o700} == {stat.S_IMODE(path.parent.stat().st_mode) for path in again[1:]}
    second.close()


def test_a_run_sees_no_more_folders_than_a_rack(cache, cached):
    """That another run had many inputs of one name is nothing that a body could meet."""
    staged(cache, cached, "run-1", 100)[0].close()
    few, paths = staged(cache, cached, "run-2", 2)
    none, _ = staged(cache, cached, "run-3", 1)

    assert ["data.nc", "~1"] == names(few.path)
    assert RACK >= len(names(paths[1].parent.parent))
    assert ["data.nc"] == names(none.path)
    few.close()
    none.close()


def leave_a_file(folder):
    (folder / "left").touch()


def leave_a_hidden_link(folder):
    (folder / ".left").symlink_to("/etc")


def change_the_mode(folder):
    folder.chmod(0o755)


def leave_a_file_beside(folder):
    (folder.parent / "left").touch()


def change_the_mode_above(folder):
    folder.parent.chmod(0o750)


def replace_by_a_link(folder):
    (folder / "data.nc").unlink()
    folder.rmdir()
    folder.symlink_to("/etc")


def remove(folder):
    (folder / "data.nc").unlink()
    folder.rmdir()


CHANGES = (
    leave_a_file,
    leave_a_hidden_link,
    change_the_mode,
    leave_a_file_beside,
    change_the_mode_above,
    replace_by_a_link,
    remove,
)


@pytest.mark.parametrize("which", [1, 9])
@pytest.mark.parametrize("change", CHANGES)
def test_folders_that_a_body_changed_serve_nobody_again(cache, cached, change, which):
    """Wherever it did so, the rack goes with the workdir, also if this run used little of it."""
    staged(cache, cached, "run-0", 10)[0].close()
    first, paths = staged(cache, cached, "run-1", 10)
    change(paths[which].parent)
    first.close()
    second, again = staged(cache, cached, "run-2", 10)

    rack = again[1].parent.parent
    assert sorted(map(str, range(1, 10))) == names(rack)
    assert 0o700 == stat.S_IMODE(rack.stat().st_mode)
    assert [["data.nc"]] * 9 == [names(path.parent) for path in again[1:]]
    assert {0o700} == {stat.S_IMODE(path.parent.lstat().st_mode) for path in again[1:]}
    second.close()
    finish_removals()
    assert [] == names(cache.root / "ended")
    assert [] == names(cache.root / "work")


def test_what_is_kept_is_bounded(cache, cached):
    """A run with a thousand inputs of one name does not leave a thousand folders."""
    staged(cache, cached, "run-1", 1000)[0].close()
    finish_removals()

    kept = sum(len(folders) for _, folders, _ in os.walk(cache.root / "spare"))
    assert RACK * (RACK + 1) + 2 >= kept
    assert [] == names(cache.root / "ended")


def test_kept_folders_that_somebody_removed_are_made_again(cache, cached):
    """A cleaner that empties the cache costs the next run a little time."""
    staged(cache, cached, "run-1", 20)[0].close()
    for folder, _, _ in os.walk(cache.root / "spare", topdown=False):
        if folder != str(cache.root / "spare"):
            Path(folder).rmdir()
    for run_uid in ("run-2", "run-3"):
        workdir, paths = staged(cache, cached, run_uid, 20)
        assert all(path.exists() for path in paths)
        workdir.close()


def test_a_child_leaves_its_parents_folders_alone(cache, cached):
    """Each process keeps its own."""
    first, paths = staged(cache, cached, "run-1", 2)
    rack = paths[1].parent.parent.stat().st_ino
    first.close()
    child = os.fork()
    if child == 0:
        own = staged(cache, cached, "run-2", 2)[1]
        os._exit(int(own[1].parent.parent.stat().st_ino == rack))

    assert 0 == os.waitpid(child, 0)[1]
    assert ("run-2",) == sweep(cache)
    last, paths = staged(cache, cached, "run-3", 2)
    assert rack == paths[1].parent.parent.stat().st_ino
    last.close()


KEEP_AND_DIE = """
    import os, pathlib, signal, sys
    from rootcellar.schemas.digest import Digest
    from rootcellar.staging import Cache
    from rootcellar.staging.cache.cache import Cached
    from rootcellar.staging.workdir.workdir import Workdir

    cache = Cache(pathlib.Path(sys.argv[1]))
    digest = Digest.of(b"content")
    cached = Cached(digest, cache.entries.path(digest), 7, None, True, 0, 0.0)
    for number in range(2):
        workdir = Workdir(cache, f"run-{number}")
        for ordinal in range(40):
            workdir.place(cached, argument="a", ordinal=ordinal, name="a")
        if number == 0:
            workdir.close()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_of_a_killed_process(cache, cached):
    """The next sweep removes what it kept, and the workdir with what it had taken of that."""
    script = textwrap.dedent(KEEP_AND_DIE)
    root = str(cache.root.parent)
    died = subprocess.run([sys.executable, "-c", script, root], check=False)
    assert -signal.SIGKILL == died.returncode
    assert [] != names(cache.root / "spare")

    assert ("run-1",) == sweep(cache)
    cache.sweep()
    assert [] == names(cache.root / "spare")
    assert [] == names(cache.root / "work")
    assert cached.path.stat().st_nlink == 1


SWEEP = """import pathlib, sys; from rootcellar.staging import Cache
Cache(pathlib.Path(sys.argv[1])).sweep()
"""


def test_a_living_process_keeps_its_folders_in_a_sweep(cache, cached):
    """They are locked, as workdirs are."""
    first, paths = staged(cache, cached, "run-1", 20)
    rack = paths[1].parent.parent.stat().st_ino
    first.close()
    root = str(cache.root.parent)
    subprocess.run([sys.executable, "-c", SWEEP, root], check=True)
    second, paths = staged(cache, cached, "run-2", 20)

    assert rack == paths[1].parent.parent.stat().st_ino
    second.close()
