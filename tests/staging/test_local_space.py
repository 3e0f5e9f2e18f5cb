"""Space that is taken before the bytes come."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rootcellar.staging.host import local_space
from rootcellar.staging.host.local_space import preallocate


@pytest.fixture
def file(tmp_path):
    opened = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def test_space_on_a_disk_is_taken(file, monkeypatch):
    """The file has its size and its blocks."""
    monkeypatch.setattr(local_space, "_is_memory", lambda _: False)

    preallocate(file, 1_000_000)

    status = os.fstat(file)
    assert 1_000_000 == status.st_size
    assert status.st_blocks * 512 >= 1_000_000


@pytest.mark.parametrize("in_memory", [False, True])
def test_too_little_space_is_an_error(file, monkeypatch, in_memory):
    """Of the system's own kind."""
    monkeypatch.setattr(local_space, "_is_memory", lambda _: in_memory)

    with pytest.raises(OSError, match=f"Errno ({errno.ENOSPC}|{errno.EFBIG})"):
        preallocate(file, 1 << 60)


def test_memory_is_known_from_disks():
    """By what the kernel mounted there."""
    mounts = Path("/proc/self/mountinfo").read_text()
    if " /dev/shm " not in mounts:
        pytest.skip("no /dev/shm here")

    assert local_space._is_memory(Path("/dev/shm").stat().st_dev)
    assert not local_space._is_memory(Path("/proc").stat().st_dev)


def test_a_file_system_that_cannot_is_no_error(file, monkeypatch):
    """Then the bytes find out."""

    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "no")

    monkeypatch.setattr(local_space, "_is_memory", lambda _: False)
    monkeypatch.setattr(os, "posix_fallocate", refuse)

    preallocate(file, 10)
