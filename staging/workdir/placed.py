"""What was placed for a body to read: files, and folders that are filled file by file."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.manifest import check_member_path
from rootcellar.staging.cache.cache import cache_errors
from rootcellar.staging.host.epoch import is_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootcellar.staging.cache.cache import Cached

__all__ = ["FolderPlace", "PlacedInput", "is_untouched"]


@dataclass(frozen=True, slots=True)
class PlacedInput:
    """One file that was placed for a body to read."""

    argument: str
    ordinal: int
    path: Path
    digest: Digest


class FolderPlace:
    """An input folder in a workdir. Thread safe.

    Of each file a few dozen bytes are kept in memory: there may be a hundred thousand.

    Args:
        link: Puts a cached file at a path.
        top: Of the folder, which is there.
        argument: Name of the parameter.
        ordinal: Position within a fan-in, from 0.

    Attributes:
        path: Of the folder.
    """

    def __init__(
        self, link: Callable[[Cached, str], object], top: str, argument: str, ordinal: int
    ) -> None:
        self.path = Path(top)
        self._link = link
        self._top = top
        self._argument = argument
        self._ordinal = ordinal
        self._guard = threading.Lock()
        self._folders = {""}
        self._names = bytearray()
        self._sizes = array("Q")
        self._digests = bytearray()

    def add(self, member: str, cached: Cached) -> None:
        """Put a cached file at its path within the folder, read-only.

        Raises:
            CacheFull: It was evicted meanwhile; fetch it again.
            ValueError: The path leads out of the folder.
        """
        path = self.path_for(member)
        with cache_errors():
            self._link(cached, path)
        self.note(member, cached.size_bytes, cached.digest)

    def path_for(self, member: str) -> str:
        """Return where a file belongs; its folder exists.

        Raises:
            ValueError: The path leads out of the folder.
        """
        parent = check_member_path(member).rpartition("/")[0]
        if parent not in self._folders:
            with cache_errors():
                os.makedirs(f"{self._top}/{parent}", mode=0o700, exist_ok=True)
            self._folders.add(parent)
        return f"{self._top}/{member}"

    def note(self, member: str, size_bytes: int, digest: Digest) -> None:
        """Take down a file that lies at its place, and is an entry of the cache."""
        with self._guard:
            self._names += os.fsencode(member) + b"\0"
            self._sizes.append(size_bytes)
            self._digests += f"{digest}\n".encode()

    @property
    def count(self) -> int:
        """How many files were placed."""
        return len(self._sizes)

    def modified(self) -> Iterator[PlacedInput]:
        """Yield the files that were written to, replaced or removed since."""
        end = 0
        for path, size_bytes in zip(self.paths(), self._sizes, strict=True):
            start, end = end, self._digests.index(b"\n", end) + 1
            if not is_untouched(path, size_bytes):
                digest = Digest(self._digests[start : end - 1].decode())
                yield PlacedInput(self._argument, self._ordinal, Path(path), digest)

    def remove(self) -> None:
        """Remove the folder, before anybody was given it."""
        shutil.rmtree(self._top, ignore_errors=True)
        self._names.clear()
        self._digests.clear()
        del self._sizes[:]

    def paths(self) -> Iterator[str]:
        """Yield where the files were placed."""
        start = 0
        while (end := self._names.find(b"\0", start)) >= 0:
            yield f"{self._top}/{os.fsdecode(bytes(self._names[start:end]))}"
            start = end + 1


def is_untouched(path: str, size_bytes: int) -> bool:
    """Tell whether a file is as it was placed, as far as that can be told without reading it."""
    # Not the inode, which tells no more, nor the time of its last change: links change that.
    try:
        status = os.lstat(path)
    except OSError:
        return False
    is_file = stat.S_ISREG(status.st_mode)
    return is_file and status.st_size == size_bytes and is_mark(status.st_mtime_ns)
