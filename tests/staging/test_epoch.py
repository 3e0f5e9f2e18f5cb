"""The time that entries bear: it tells of writes and of boots."""

from __future__ import annotations

import os
import time

import pytest

from rootcellar.staging.host import epoch


@pytest.fixture
def boot(monkeypatch, tmp_path):
    """Start the host again under another boot id."""

    def start(boot_id):
        (tmp_path / "boot_id").write_text(boot_id)
        monkeypatch.setattr(epoch, "_BOOT_ID", tmp_path / "boot_id")
        epoch.boot_id.cache_clear()
        epoch.mark_ns.cache_clear()
        return epoch.mark_ns()

    yield start
    epoch.boot_id.cache_clear()
    epoch.mark_ns.cache_clear()


def test_each_boot_has_a_mark_of_its_own(boot):
    """Whole seconds in the past, equal for equal boots."""
    first, second = boot("one"), boot("two")

    assert first != second
    assert first == boot("one")
    assert all(epoch.is_mark(mark) for mark in (first, second))
    assert second < 1_200_000_000 * 10**9


@pytest.mark.parametrize("modified", [0, 1_795_376_419_523_808_683, 1_000_000_001_000_000_001, -1])
def test_times_that_writes_leave_are_no_marks(modified):
    """Neither now, nor the beginning of time, nor a broken second."""
    assert not epoch.is_mark(modified)


def test_a_release_changes_the_access_time_only(tmp_path):
    """A write that came before it is still seen."""
    path = tmp_path / "entry"
    path.write_text("x")
    os.utime(path, ns=(5 * 10**9, epoch.mark_ns()))

    epoch.note_release(str(path))

    assert epoch.mark_ns() == path.stat().st_mtime_ns
    assert abs(path.stat().st_atime - time.time()) < 60
    epoch.note_release(str(path), 7 * 10**9 + 1)
    assert (7 * 10**9 + 1, epoch.mark_ns()) == (path.stat().st_atime_ns, path.stat().st_mtime_ns)


def test_a_file_that_is_gone_is_not_released(tmp_path):
    """Nothing is made and nothing raised."""
    epoch.note_release(str(tmp_path / "gone"))

    assert list(tmp_path.iterdir()) == []
