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
from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.workdir import workdir as workdirs
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
    members = {"a": cached, "b/c": cached}

    top = workdir.place_folder(members, argument="grid", ordinal=0, name="grid")

    assert (top / "a").read_bytes() == (top / "b" / "c").read_bytes() == b"content"


def test_a_member_cannot_leave_its_folder(workdir, cached):
    """A path that climbs is refused before anything is written."""
    with pytest.raises(ValueError, match="not a path inside"):
        workdir.place_folder({"../b": cached}, argument="grid", ordinal=0, name="grid")
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

    assert [process.wait() for process in started] == [0] * 4
    assert list((cache.root / "work").iterdir()) == []


def test_an_emptied_folder_serves_the_next_run_under_its_own_name(cache, cached):
    """Making and removing folders is what costs; a path that a body remembers leads nowhere."""
    first = Workdir(cache, "run-1")
    placed = first.place(cached, argument="weather", ordinal=0, name="03.dat")
    folder = first.path.stat().st_ino
    first.close()
    second = Workdir(cache, "run-2")

    assert folder == second.path.stat().st_ino
    assert not placed.exists()
    assert not first.path.exists()
    second.close()


def test_the_folder_of_a_run_with_outputs_serves_the_next_too(cache, cached):
    """Small outputs and those that the cache has are removed at once, so that nothing is left."""
    first = Workdir(cache, "run-1")
    first.reserve("small", "a").write_text("x")
    first.reserve("missing", "b")
    first.reserve("cached", "c").hardlink_to(cached.path)
    folder = first.path.stat().st_ino
    first.close()
    second = Workdir(cache, "run-2")
    output = second.reserve("small", "a")

    assert folder == second.path.stat().st_ino
    assert not output.exists()
    assert [] == list(output.parent.iterdir())
    assert cached.path.read_bytes() == b"content"
    assert 1 == cached.path.stat().st_nlink
    second.close()


def test_an_end_removes_nothing_that_a_body_led_it_to(cache, tmp_path):
    """A link in the place of the folder for outputs is removed, and what it leads to stays."""
    (tmp_path / "a").write_text("of somebody")
    workdir = Workdir(cache, "run-1")
    output = workdir.reserve("out", "a")
    output.parent.rmdir()
    output.parent.symlink_to(tmp_path)
    workdir.close()
    finish_removals()

    assert "of somebody" == (tmp_path / "a").read_text()
    assert [] == list((cache.root / "ended").iterdir())


def lead_elsewhere(folder, data):
    """Put a link to a body's own data in the place of a folder of one input."""
    (folder / "a").unlink()
    folder.rmdir()
    folder.symlink_to(data)


@pytest.fixture
def data(tmp_path):
    """A folder of a body, with a file that is called as its input is."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_text("of the body")
    return folder


@pytest.mark.parametrize("member", ["a", "below/a"])
@pytest.mark.parametrize("most", [0, 1000], ids=["later", "at once"])
def test_an_end_removes_no_file_that_is_called_as_an_input(
    cache, cached, data, monkeypatch, member, most
):
    """A link in the place of an input folder, or of one in it, is removed and not followed."""
    monkeypatch.setattr(workdirs, "_MANY", most)
    workdir = Workdir(cache, "run-1")
    members = {"beside": cached, member: cached, "last": cached}
    top = workdir.place_folder(members, argument="grid", ordinal=0, name="grid")
    if member == "a":
        (top / "beside").unlink()
        (top / "last").unlink()
    lead_elsewhere((top / member).parent, data)
    workdir.close()
    finish_removals()

    assert "of the body" == (data / "a").read_text()
    assert [] == list((cache.root / "ended").iterdir())
    assert 1 == cached.path.stat().st_nlink


def test_an_end_follows_no_link_among_the_further_folders(cache, cached, data):
    """Of inputs of one name the second lies in a folder that a body can replace too."""
    workdir = Workdir(cache, "run-1")
    paths = [workdir.place(cached, argument="a", ordinal=n, name="a") for n in range(3)]
    lead_elsewhere(paths[1].parent, data)
    workdir.close()
    finish_removals()

    assert "of the body" == (data / "a").read_text()
    assert 1 == cached.path.stat().st_nlink


@pytest.mark.parametrize("is_link", [True, False])
def test_what_a_body_puts_in_the_place_of_its_workdir_serves_nobody(
    cache, cached, tmp_path, is_link
):
    """Neither a link nor another folder is kept for the next run, nor is anything in it removed."""
    first = Workdir(cache, "run-1")
    first.place(cached, argument="a", ordinal=0, name="a")
    kept = tmp_path / "kept"
    first.path.rename(kept)
    (tmp_path / "empty").mkdir()
    if is_link:
        first.path.symlink_to(tmp_path / "empty")
    else:
        first.path.mkdir(0o700)
    first.close()
    finish_removals()
    second = Workdir(cache, "run-2")

    assert stat.S_ISDIR(second.path.lstat().st_mode)
    assert os.path.samestat(os.fstat(second._scratch.fileno()), second.path.lstat())
    second.close()


def leave_a_file(output):
    output.with_name("left").touch()


def leave_a_folder(output):
    output.mkdir()


def leave_a_large_file(output):
    with output.open("wb") as file:
        file.truncate(2**21)


def change_the_mode(output):
    output.parent.chmod(0o755)


def replace_by_a_link(output):
    output.parent.rmdir()
    output.parent.symlink_to("/etc")


@pytest.mark.parametrize(
    "change", [leave_a_file, leave_a_folder, leave_a_large_file, change_the_mode, replace_by_a_link]
)
def test_what_a_body_left_beside_or_in_place_of_an_output_serves_nobody(cache, change):
    """Such a workdir goes as a whole, later."""
    first = Workdir(cache, "run-1")
    folder = first.path.stat().st_ino
    change(first.reserve("out", "a"))
    first.close()
    second = Workdir(cache, "run-2")

    assert folder != second.path.stat().st_ino
    assert [] == list(second.path.iterdir())
    second.close()


@pytest.mark.parametrize("left", ["a file", "a mode"])
def test_a_folder_that_a_body_changed_serves_nobody_again(cache, left):
    """What is not as it was made goes."""
    first = Workdir(cache, "run-1")
    if left == "a file":
        (first.path / "left").touch()
    else:
        first.path.chmod(0o755)
    folder = first.path.stat().st_ino
    first.close()
    second = Workdir(cache, "run-2")

    assert folder != second.path.stat().st_ino
    assert [] == list(second.path.iterdir())
    assert 0o700 == stat.S_IMODE(second.path.stat().st_mode)
    second.close()


def test_a_sweep_may_take_a_kept_folder(cache):
    """It tells of no lost run, and the next run makes a folder of its own."""
    Workdir(cache, "run-1").close()
    lost = []
    swept = sweep(cache, lost=lost.append)
    second = Workdir(cache, "run-2")

    assert ([], ()) == (lost, swept)
    assert ["run-2"] == [path.name for path in (cache.root / "work").iterdir()]
    second.close()


def test_a_child_leaves_its_parents_folders_alone(cache):
    """Each process keeps its own, so that a lock tells whose life it is."""
    first = Workdir(cache, "run-1")
    kept = first.path.stat().st_ino
    first.close()
    child = os.fork()
    if child == 0:
        own = Workdir(cache, "run-2")
        os._exit(int(own.path.stat().st_ino == kept))

    assert 0 == os.waitpid(child, 0)[1]
    assert ("run-2",) == sweep(cache)


def test_a_spare_never_takes_the_place_of_a_living_workdir(cache):
    """The second workdir of a run is refused, whatever the process has put aside."""
    Workdir(cache, "ended").close()
    living = Workdir(cache, "run")
    Workdir(cache, "ended too").close()

    with pytest.raises(CacheUnusable):
        Workdir(cache, "run")
    assert living.path.is_dir()
    living.close()


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
