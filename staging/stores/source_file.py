"""Reading the local file that is uploaded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["read_source"]


def read_source(source: Path, chunk_bytes: int) -> Iterator[bytes]:
    """Yield a file's bytes in chunks, as many as it has when it is opened.

    A file that something goes on writing to would otherwise be read, and sent, without end. Links
    are not followed, and a FIFO that took the file's place does not block.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(source, flags), "rb") as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (chunk := file.read(min(chunk_bytes, left))):
            left -= len(chunk)
            yield chunk
