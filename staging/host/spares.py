"""Empty folders that a process keeps for its next runs."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from rootcellar.staging.host.rename_new import rename_new

__all__ = ["AS_MADE", "SPARE", "Spare", "Spares", "is_as_made"]

SPARE = "spare"
"""The area where they are kept."""

AS_MADE = stat.S_IFDIR | 0o700
"""Type and mode of a folder of ours."""

_MOST_SPARES = 32
"""As many as the runs that may wait for their end: each keeps a file open."""


def is_as_made(folder: str) -> bool:
    """Tell whether a folder is empty, and of the mode that we make folders with."""
    return os.lstat(folder).st_mode == AS_MADE and not os.listdir(folder)


@dataclass(frozen=True, slots=True)
class Spare:
    """A folder that is kept between uses.

    Attributes:
        root: Of all areas.
        path: Where it is between two uses.
        lock: The open folder.
        inode: Its number.
    """

    root: str
    path: str
    lock: int
    inode: int


class Spares:
    """Empty folders of this process, in the area `spare`, where a sweep removes those of the dead.

    To rename one takes a tenth of what making and removing one does. They are renamed for each
    use: a body that remembers a path must not find another run's file there.
    """

    current: Spares | None = None

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._kept: list[Spare] = []

    @classmethod
    def own(cls) -> Spares:
        """Return those of this process."""
        if cls.current is None or cls.current._pid != os.getpid():  # noqa: SLF001
            cls.current = cls()
        return cls.current

    def take(self, root: str, path: str) -> Spare | None:
        """Make a folder below a root of one that is kept; None if there is none."""
        while True:
            try:
                spare = self._kept.pop()
            except IndexError:
                return None
            try:
                if spare.root == root:
                    rename_new(spare.path, path)
                    return spare
            except (FileNotFoundError, FileExistsError):
                pass  # a sweep came by; or the name is taken, as whoever makes it will be told
            except BaseException:
                os.close(spare.lock)
                raise
            os.close(spare.lock)

    def keep(self, path: str, spare: Spare) -> bool:
        """Put a folder back to where it is kept, unless there are enough."""
        if len(self._kept) >= _MOST_SPARES:
            return False
        os.rename(path, spare.path)
        self._kept.append(spare)
        return True
