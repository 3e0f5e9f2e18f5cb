"""A folder of many files in a workdir, and which of them were changed since."""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.manifest_text import ManifestText

__all__ = ["PlacedFolder"]


class PlacedFolder:
    """The files of a manifest below one folder, as they are when this is made.

    Holds sixteen bytes for each of them, not their names.

    Attributes:
        path: The folder.
        manifest: What it holds, in a file that lives as long as the folder.
    """

    def __init__(self, path: Path, manifest: ManifestText) -> None:
        self.path = path
        self.manifest = manifest
        self._inodes, self._times = array("Q"), array("q")
        for inode, _, mtime_ns in self._now():
            self._inodes.append(inode)
            self._times.append(mtime_ns)

    def modified(self) -> Iterator[Digest]:
        """Yield the digests of files that were written to, replaced or removed since."""
        then = zip(self._inodes, self._times, strict=True)
        for line, now, (inode, mtime_ns) in zip(self.manifest, self._now(), then, strict=True):
            if now != (inode, line.size_bytes, mtime_ns):
                yield line.digest

    def _now(self) -> Iterator[tuple[int, int, int]]:
        top = os.fspath(self.path)
        for line in self.manifest:
            # Not the time of the inode's last change: making a further link changes that.
            try:
                status = os.lstat(f"{top}/{line.path}")
            except OSError:
                yield (0, 0, 0)
            else:
                yield (status.st_ino, status.st_size, status.st_mtime_ns)
