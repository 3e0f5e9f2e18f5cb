"""Memory that costs every client the same.

A virtual machine gets its memory from the host page by page, when it is first touched, and gives
larger blocks back some seconds after they were freed. Memory that the host must find first costs
several times what writing to it does: 2.7 seconds of a processor for each gigabyte on one machine,
against 0.36. Whoever needs more of it than those before would be slow, or the server that stores
what it sends, and not for anything that it does.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["touched_memory"]

KEPT_EVERY = 1024 * 1024
"""One page in so many bytes stays taken. Source: Linux reports free blocks of 2 MiB and more."""
SHARE = 2
"""At most one part in so many of the free memory is touched."""


@contextmanager
def touched_memory(size_bytes: int) -> Iterator[None]:
    """While inside, have so much free memory that the machine holds already, for whoever asks.

    It is taken and given back but for single pages, so that the rest stays in blocks too small to
    be given to the host; they are also what is handed out first.
    """
    size_bytes = min(size_bytes, _available_bytes() // SHARE)
    place = Path("/dev/shm")
    if size_bytes < KEPT_EVERY or not os.access(place, os.W_OK):
        yield
        return
    with tempfile.TemporaryFile(dir=place) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        except OSError:
            file.truncate(0)
        else:
            _give_back(file.fileno(), size_bytes)
        yield


def _give_back(file: int, size_bytes: int) -> None:
    page = mmap.PAGESIZE
    with mmap.mmap(file, size_bytes) as whole:
        for start in range(0, size_bytes - KEPT_EVERY + 1, KEPT_EVERY):
            whole.madvise(mmap.MADV_REMOVE, start + page, KEPT_EVERY - page)


def _available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text("utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
