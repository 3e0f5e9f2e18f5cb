"""Memory that costs every client the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.memory import touched_memory

MIB = 1024 * 1024
PLACE = Path("/dev/shm")

pytestmark = pytest.mark.skipif(
    not os.access(PLACE, os.W_OK), reason="there is no file system in memory"
)


def test_all_but_single_pages_is_given_back() -> None:
    """What was touched is free again, and one page of each MiB keeps the rest in small pieces."""
    with touched_memory(32 * MIB):
        (held,) = _held()

    assert 32 * MIB == held.st_size
    assert 32 * os.sysconf("SC_PAGE_SIZE") == held.st_blocks * 512


def test_nothing_is_held_afterwards() -> None:
    """The end gives back the rest."""
    with touched_memory(32 * MIB):
        pass

    assert [] == _held()


def _held() -> list[os.stat_result]:
    """Return the files without a name that this process has open there."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            target, status = link.readlink(), link.stat()
        except FileNotFoundError:
            continue
        if target.is_relative_to(PLACE) and not status.st_nlink:
            found.append(status)
    return found
