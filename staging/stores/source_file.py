"""Reading the local file that is uploaded."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["open_source", "read_source", "written_at"]


@contextmanager
def open_source(source: Path) -> Iterator[int]:
    """Open a file for reading; links are not followed, and a FIFO in its place does not block."""
    file = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def read_source(source: Path, chunk_bytes: int) -> Iterator[bytes]:
    """Yield a file's bytes in chunks, as many as it has when it is opened.

    A file that something goes on writing to would otherwise be read, and sent, without end.
    """
    with open_source(source) as file:
        left = os.fstat(file).st_size
        while left > 0 and (chunk := os.read(file, min(chunk_bytes, left))):
            left -= len(chunk)
            yield chunk


def written_at(file: int) -> tuple[int, int]:
    """Return what changes when somebody writes to an open file: its size and time."""
    status = os.fstat(file)
    return (status.st_size, status.st_mtime_ns)
