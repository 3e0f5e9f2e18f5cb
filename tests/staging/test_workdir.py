"""The folder of one run."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CacheUnusable
from rootcellar.staging import sweep
from rootcellar.staging.workdir.workdir import Workdir


@pytest.fixture
def cached(cache, memory_stores):
    address = memory_stores.store_for("raw://a")
    pin = address.store.write_small("a", b"content")
    return cache.fetch(address, pin)


@pytest.fixture
def workdir(cache):
    made = Workdir(cache, "run-1")
    yield made
    made.close()


def test_an_input_is_the_cached_file_itself(workdir, cached):
    """A placed file is a read-only link, under its name."""
    path = workdir.place(cached, argument="weather", ordinal=2, name="03.dat")

    assert workdir.path / "03.dat" == path
    assert path.samefile(cached.path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert stat.S_IMODE(workdir.path.stat().st_mode) == 0o700


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EMLINK, errno.EPERM])
def test_where_no_link_can_be_made_a_copy_is(workdir, cached, monkeypatch, code):
    """Another file system, too many links or protected links cost a copy."""

    def refuse(*_args, **_kwargs):
        raise OSError(code, "no link")

    monkeypatch.setattr(os, "link", refuse)

    path = workdir.place(cached, argument="weather", ordinal=0, name="03.dat")

    assert not path.samefile(cached.path)
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert workdir.modified_inputs() == ()


def test_a_folder_is_placed_as_a_tree(workdir, cached):
    """Members lie at their paths below the folder's name."""
    place = workdir.folder(argument="grid", ordinal=0, name="grid")
    place.add("a", cached)
    place.add("b/c", cached)
    top = place.path

    assert (top / "a").read_bytes() == (top / "b" / "c").read_bytes() == b"content"


def test_a_member_cannot_leave_its_folder(workdir, cached):
    """A path that climbs is refused before anything is written."""
    with pytest.raises(ValueError, match="not a path inside"):
        workdir.folder(argument="grid", ordinal=0, name="grid").add("../b", cached)
    with pytest.raises(ValueError, match="not the name"):
        workdir.reserve("out", "a/b")


def test_an_output_gets_a_path_of_its_own(workdir):
    """A reserved path can be written to at once, and two of one name do not meet."""
    first = workdir.reserve("generation", "a.parquet")
    second = workdir.reserve("generation", "a.parquet", ordinal=1)

    assert first.parent.is_dir()
    assert not first.exists()
    assert first != second


def change_in_place(path):
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"C")


def replace(path):
    path.with_name("new").write_bytes(b"content")
    path.with_name("new").replace(path)


@pytest.mark.parametrize("change", [change_in_place, replace, os.unlink])
def test_changed_inputs_are_found(workdir, cached, change):
    """Writing to, replacing and removing an input are all seen; reading is not."""
    changed = workdir.place(cached, argument="weather", ordinal=0, name="a")
    workdir.place(cached, argument="untouched", ordinal=0, name="a").read_bytes()

    if change is not change_in_place:
        change(changed)
        assert [placed.path for placed in workdir.modified_inputs()] == [changed]
    else:
        # The inode is shared, so every link to it is modified.
        change(changed)
        assert [placed.argument for placed in workdir.modified_inputs()] == ["weather", "untouched"]


def test_close_removes_whatever_is_there(cache, cached, files_below):
    """Read-only folders, links and special files of a body do not keep the workdir."""
    workdir = Workdir(cache, "run-2")
    workdir.place(cached, argument="weather", ordinal=0, name="a")
    sealed = workdir.tmp / "sealed" / "inner"
    sealed.mkdir(parents=True)
    (sealed / "file").write_text("x")
    (workdir.tmp / "link").symlink_to("/etc")
    os.mkfifo(workdir.tmp / "fifo")
    sealed.chmod(0)
    sealed.parent.chmod(0)

    workdir.close()
    workdir.close()

    assert list((cache.root / "work").iterdir()) == []
    assert files_below(cache.root / "locks") == []
    assert cached.path.read_bytes() == b"content"


def test_a_run_has_one_workdir(workdir, cache):
    """Two living workdirs of one run are refused."""
    with pytest.raises(CacheUnusable):
        Workdir(cache, "run-1")

    assert workdir.path.is_dir()


LIVE_AND_DIE = """
    import os, signal, sys, pathlib
    from rootcellar.staging import Cache
    from rootcellar.staging.workdir.workdir import Workdir

    workdir = Workdir(Cache(pathlib.Path(sys.argv[1])), sys.argv[2])
    (workdir.reserve("out", "x")).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_sweep_removes_the_dead_and_spares_the_living(cache, workdir):
    """Only workdirs whose process died are removed, and named."""
    for uid in ("dead-1", "dead-2"):
        root = str(cache.root.parent)
        script = textwrap.dedent(LIVE_AND_DIE)
        died = subprocess.run([sys.executable, "-c", script, root, uid], check=False)
        assert died.returncode == -signal.SIGKILL

    assert sweep(cache) == ("dead-1", "dead-2")
    assert [workdir.path] == list((cache.root / "work").iterdir())
    assert sweep(cache) == ()


CHURN = """
    import sys, pathlib
    from rootcellar.staging import Cache, sweep
    from rootcellar.staging.workdir.workdir import Workdir

    cache = Cache(pathlib.Path(sys.argv[1]))
    for number in range(60):
        workdir = Workdir(cache, f"{sys.argv[2]}-{number}")
        workdir.reserve("out", "x").write_text("x")
        assert not [uid for uid in sweep(cache)]
        assert (workdir.path / "out" / "x").read_text() == "x"
        workdir.close()
"""


def test_sweepers_and_runs_do_not_disturb_each_other(cache):
    """Runs that begin and end while others sweep lose nothing."""
    script, root = textwrap.dedent(CHURN), str(cache.root.parent)
    started = [subprocess.Popen([sys.executable, "-c", script, root, f"p{n}"]) for n in range(4)]

    assert [process.wait(100) for process in started] == [0] * 4
    assert list((cache.root / "work").iterdir()) == []


def test_who_ends_while_a_sweep_looks_is_not_dead(cache, workdir, monkeypatch):
    """It let go of its lock as it moved away, after the sweep had opened it."""
    path, opened = str(workdir.path), os.open

    def ended(name, *rest, **more):
        file = opened(name, *rest, **more)
        if os.fspath(name) == path:
            monkeypatch.undo()
            workdir.close()
        return file

    monkeypatch.setattr(os, "open", ended)

    assert sweep(cache) == ()
    assert not workdir.path.exists()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_a_sweep_that_cannot_look_spares_the_living(cache, workdir, monkeypatch, number):
    """What cannot be opened is not known to be dead."""
    path, opened = str(workdir.path), os.open

    def refused(name, *rest, **more):
        if os.fspath(name) == path:
            raise OSError(number, os.strerror(number))
        return opened(name, *rest, **more)

    monkeypatch.setattr(os, "open", refused)
    with contextlib.suppress(CacheUnusable):
        sweep(cache)

    assert workdir.path.is_dir()


def test_each_modified_member_has_its_own_digest(cache):
    """In the order in which they were placed."""
    workdir = Workdir(cache, "many")
    place = workdir.folder(argument="all", ordinal=0, name="folder")
    digests = [Digest.of(str(number).encode()) for number in range(3)]
    for number, digest in enumerate(digests):
        place.note(f"{number}", 7, digest)

    assert digests == [placed.digest for placed in workdir.modified_inputs()]
    workdir.close()
