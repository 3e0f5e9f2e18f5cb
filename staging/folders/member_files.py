"""Members at their places in a workdir, and in the cache by the same files."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import CacheFull
from rootcellar.schemas.ref import Pin
from rootcellar.staging.cache.cache import Cached
from rootcellar.staging.cache.space import NO_SPACE
from rootcellar.staging.host.epoch import mark_open

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.manifest_text import Line
    from rootcellar.staging.cache.cache import Cache
    from rootcellar.staging.cache.lot import Lot
    from rootcellar.staging.stores.store import Address, Progress
    from rootcellar.staging.workdir.placed import FolderPlace

__all__ = ["MemberFiles"]

_READ_ONLY = 0o444
_AS_MADE = stat.S_IFREG | _READ_ONLY


class MemberFiles:
    """Fills one folder of a workdir. Safe for several threads.

    Attributes:
        links: Files can have two names here, as far as is known; without, `fetch` copies less.
    """

    def __init__(self, cache: Cache, folder: FolderPlace, progress: Progress | None) -> None:
        self.links = True
        self._cache = cache
        self._folder = folder
        self._top = str(folder.path)
        self._progress = progress

    def lacks(self, line: Line) -> bool:
        """Tell whether a member is not in the cache."""
        return self._cache.find(line.digest, line.size_bytes) is None

    def place_known(self, line: Line) -> bool:
        """Place a member that is in the cache, and tell whether it was."""
        found = self._cache.find(line.digest, line.size_bytes)
        return found is not None and self.place(line.path, _entry(line, found))

    def place(self, path: str, cached: Cached) -> bool:
        """Place an entry, and tell whether it was still there."""
        try:
            self._folder.add(path, cached)
        except CacheFull:
            return False
        return True

    def fetch(self, path: str, address: Address, pin: Pin, expected: Digest | None) -> Cached:
        """Download a file by way of the cache, and place it.

        Raises:
            CacheUnusable, StoreError: See `Cache.fetch`.
        """
        cached = self._cache.fetch(address, pin, expected=expected, progress=self._progress)
        self._folder.add(path, cached)
        return cached

    def write(self, line: Line, content: bytes | memoryview, *, lot: Lot | None = None) -> bool:
        """Write a member's bytes to its place, and make that file an entry of the cache.

        Args:
            line: The member.
            content: Its bytes.
            lot: What its space is drawn from, if there is enough left.

        Returns:
            Whether it is there; not on a full disk, where `fetch` makes room.

        Raises:
            CacheFull: The cache has no room now.
        """
        path = self._folder.path_for(line.path)
        # Before it is taken in: whoever hears of too much may stop it.
        self._count(line.size_bytes)
        if not _is_written(path, content):
            self._count(-line.size_bytes)
            with suppress(FileNotFoundError):
                os.unlink(path)
            return False
        if lot is not None and self._cache.add_marked(path, line.digest, line.size_bytes, lot):
            self._folder.note(line.path, line.size_bytes, line.digest)
            return True
        entry = self._cache.add(Path(path), line.digest)
        if os.lstat(path).st_nlink == 1:
            # Another member has the same bytes, and was first; or the entry is a copy.
            os.unlink(path)
            self._folder.add(line.path, _entry(line, entry))
            self.links = os.lstat(path).st_nlink > 1
        else:
            self._folder.note(line.path, line.size_bytes, line.digest)
        return True

    @contextmanager
    def lot(self, spared_bytes: int = 0) -> Iterator[Lot | None]:
        """Yield what many `write`s draw their space from, if any is reserved.

        Args:
            spared_bytes: To be reserved for the block, if there is room now.
        """
        with self._cache.spare(spared_bytes), self._cache.lot() as lot:
            yield lot

    def _count(self, size_bytes: int) -> None:
        if self._progress is not None:
            self._progress.advance(size_bytes)

    def arrived(self, line: Line, pin: Pin) -> Cached:
        """Return what was downloaded and written."""
        moved = line.size_bytes
        location = f"{self._top}/{line.path}"
        return Cached(line.digest, location, moved, pin, False, moved, 0.0)  # noqa: FBT003


def _entry(line: Line, path: Path) -> Cached:
    pin = Pin.model_construct(size_bytes=line.size_bytes)
    return Cached(line.digest, os.fspath(path), line.size_bytes, pin, True, 0, 0.0)  # noqa: FBT003


def _is_written(path: str, content: bytes | memoryview) -> bool:
    """Write a file that is read-only and bears the mark; False where the disk is full."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(path, flags, _READ_ONLY)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(file, left) :]
            if os.fstat(file).st_mode != _AS_MADE:
                os.fchmod(file, _READ_ONLY)  # the process makes files with fewer rights
            mark_open(file)
        finally:
            os.close(file)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        return False
    return True
