"""The end of leases: a run's inputs are removed from its workdir, and from nowhere else.

A body may have put a link in the place of any folder. So what is removed is reached from the open
workdir, folder by folder, and never through a link.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from rootcellar.staging.host.epoch import note_release
from rootcellar.staging.host.scratch import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

__all__ = ["Release", "opened_folder"]


@contextlib.contextmanager
def opened_folder(path: str, above: int | None = None) -> Iterator[int]:
    """Open a folder, and no link to one, for a block; below an open one unless it is absolute."""
    file = os.open(path, FOLDER, dir_fd=above)
    try:
        yield file
    finally:
        os.close(file)


class Release:
    """Removes inputs below an open folder, for the length of a block.

    Args:
        top: The folder, which stays open.
    """

    def __init__(self, top: int) -> None:
        self._names: list[str] = []
        self._files = [top]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._close_but(0)

    def let_go(self, path: str) -> None:
        """End a lease: its entry was last released now. What is not there any more is left.

        Args:
            path: Of the input, from the folder on.
        """
        with contextlib.suppress(OSError):
            folder, name = self._files[0], path
            if "/" in path:
                *names, name = path.split("/")
                folder = self._opened(names)
            note_release(name, folder=folder)
            os.unlink(name, dir_fd=folder)

    def _opened(self, names: list[str]) -> int:
        """Return a folder below, open. One that the last was in, or was itself, still is."""
        same = 0
        for one, other in zip(self._names, names, strict=False):
            if one != other:
                break
            same += 1
        self._close_but(same)
        for name in names[same:]:
            self._files.append(os.open(name, FOLDER, dir_fd=self._files[-1]))
            self._names.append(name)
        return self._files[-1]

    def _close_but(self, count: int) -> None:
        while len(self._names) > count:
            self._names.pop()
            os.close(self._files.pop())
