"""Emptied folders of runs, kept for the next run of their process."""

from __future__ import annotations

import os
import stat

import pytest

from rootcellar.schemas.errors import CacheUnusable
from rootcellar.staging import sweep
from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.workdir.workdir import Workdir


@pytest.fixture
def cached(cache, memory_stores):
    address = memory_stores.store_for("raw://a")
    pin = address.store.write_small("a", b"content")
    return cache.fetch(address, pin)


def test_an_emptied_folder_serves_the_next_run_under_another_name(cache, cached):
    """Making and removing folders is what costs; a path that a body remembers leads nowhere."""
    first = Workdir(cache, None)
    placed = first.place(cached, argument="weather", ordinal=0, name="03.dat")
    folder = first.path.stat().st_ino
    first.close()
    second = Workdir(cache, None)

    assert folder == second.path.stat().st_ino
    assert not placed.exists()
    assert not first.path.exists()
    second.close()


def test_the_folder_of_a_run_with_outputs_serves_the_next_too(cache, cached):
    """Small outputs and those that the cache has are removed at once, so that nothing is left."""
    first = Workdir(cache, None)
    first.reserve("small", "a").write_text("x")
    first.reserve("missing", "b")
    first.reserve("cached", "c").hardlink_to(cached.path)
    folder = first.path.stat().st_ino
    first.close()
    second = Workdir(cache, None)
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
    workdir = Workdir(cache, None)
    output = workdir.reserve("out", "a")
    output.parent.rmdir()
    output.parent.symlink_to(tmp_path)
    workdir.close()
    finish_removals()

    assert "of somebody" == (tmp_path / "a").read_text()
    assert [] == list((cache.root / "ended").iterdir())


@pytest.mark.parametrize("is_link", [True, False])
def test_what_a_body_puts_in_the_place_of_its_workdir_serves_nobody(
    cache, cached, tmp_path, is_link
):
    """Neither a link nor another folder is kept for the next run, nor is anything in it removed."""
    first = Workdir(cache, None)
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
    second = Workdir(cache, None)

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
    first = Workdir(cache, None)
    folder = first.path.stat().st_ino
    change(first.reserve("out", "a"))
    first.close()
    second = Workdir(cache, None)

    assert folder != second.path.stat().st_ino
    assert [] == list(second.path.iterdir())
    second.close()


@pytest.mark.parametrize("left", ["a file", "a mode"])
def test_a_folder_that_a_body_changed_serves_nobody_again(cache, left):
    """What is not as it was made goes."""
    first = Workdir(cache, None)
    if left == "a file":
        (first.path / "left").touch()
    else:
        first.path.chmod(0o755)
    folder = first.path.stat().st_ino
    first.close()
    second = Workdir(cache, None)

    assert folder != second.path.stat().st_ino
    assert [] == list(second.path.iterdir())
    assert 0o700 == stat.S_IMODE(second.path.stat().st_mode)
    second.close()


def test_a_folder_that_somebody_removed_serves_nobody(cache):
    """A cleaner may come by; the next run makes a folder of its own."""
    Workdir(cache, None).close()
    (kept,) = (cache.root / "work").iterdir()
    kept.rmdir()
    second = Workdir(cache, None)

    assert [second.path] == list((cache.root / "work").iterdir())
    assert [] == list(second.path.iterdir())
    second.close()


def test_a_sweep_leaves_the_folders_of_the_living_and_tells_of_no_name(cache, cached):
    """Of a dead process all go; a run that has no name there is told of by its note."""
    Workdir(cache, None).close()
    (kept,) = (cache.root / "work").iterdir()
    child = os.fork()
    if child == 0:
        Workdir(cache, None).close()
        Workdir(cache, None).place(cached, argument="a", ordinal=0, name="a")
        Workdir(cache, "named")
        os._exit(0)
    os.waitpid(child, 0)
    lost = []
    swept = sweep(cache, lost=lost.append)

    assert (["named"], ("named",)) == (lost, swept)
    assert [kept] == list((cache.root / "work").iterdir())
    assert 1 == cached.path.stat().st_nlink


def test_a_run_with_a_name_neither_takes_nor_leaves_a_folder(cache):
    """What is not there is not left over, and its name tells of the run if the process dies."""
    Workdir(cache, None).close()
    (kept,) = (cache.root / "work").iterdir()
    named = Workdir(cache, "run")
    is_by_name = named.path == cache.root / "work" / "run"
    named.close()
    finish_removals()

    assert is_by_name
    assert [kept] == list((cache.root / "work").iterdir())


def test_a_name_that_no_sweep_would_tell_of_is_refused(cache):
    """It would look like a folder that lies ready."""
    with pytest.raises(ValueError, match="~run"):
        Workdir(cache, "~run")


def test_a_child_leaves_its_parents_folders_alone(cache):
    """Each process keeps its own, so that a lock tells whose life it is."""
    first = Workdir(cache, None)
    kept = first.path.stat().st_ino
    first.close()
    child = os.fork()
    if child == 0:
        own = Workdir(cache, None)
        os._exit(int(own.path.stat().st_ino == kept))

    assert 0 == os.waitpid(child, 0)[1]
    assert 2 == len(list((cache.root / "work").iterdir()))
    assert () == sweep(cache)
    assert [kept] == [path.stat().st_ino for path in (cache.root / "work").iterdir()]


def test_a_spare_never_takes_the_place_of_a_living_workdir(cache):
    """The second workdir of a run is refused, whatever the process has put aside."""
    Workdir(cache, None).close()
    living = Workdir(cache, "run")

    with pytest.raises(CacheUnusable):
        Workdir(cache, "run")
    assert living.path.is_dir()
    living.close()
