"""Empty folders that a process keeps for its next runs."""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

__all__ = ["AS_MADE", "READY", "Spare", "Spares", "is_as_made", "ready_name"]

READY = "~"
"""What the names of such folders begin with, also while a run uses one."""

AS_MADE = stat.S_IFDIR | 0o700
"""Type and mode of a folder of ours."""

_MOST_SPARES = 32
"""As many as runs that end together, of a pool of threads; each keeps a file open."""


def is_as_made(folder: str) -> bool:
    """Tell whether a folder is empty, and of the mode that we make folders with."""
    return os.lstat(folder).st_mode == AS_MADE and not os.listdir(folder)


@dataclass(frozen=True, slots=True)
class Spare:
    """A folder that lies ready.

    Attributes:
        location: Its path, as a string too: most runs need no other.
        lock: The open folder.
    """

    path: Path
    location: str
    lock: int


class Spares:
    """Empty folders of this process, locked, in their areas, where sweeps find those of the dead.

    To rename one takes a tenth of what making and removing one does, and it is done when it was
    used, as whoever waits for a run does not wait for that: a body that remembers a path must not
    find another run's file there.
    """

    current: Spares | None = None

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._kept: dict[str, list[Spare]] = {}

    @classmethod
    def own(cls) -> Spares:
        """Return those of this process."""
        own = cls.current
        if own is None or own.pid != os.getpid():
            own = cls.current = cls()
        return own

    def take(self, area: str) -> Spare | None:
        """Return a folder that lies ready in an area; None if there is none."""
        kept = self._kept.get(area)
        while kept:
            spare = kept.pop()
            if os.fstat(spare.lock).st_nlink:
                return spare
            os.close(spare.lock)  # somebody removed it
        return None

    def keep(self, area: str, location: str, lock: int) -> bool:
        """Have a folder lie ready under another name, unless there are enough."""
        kept = self._kept.setdefault(area, [])
        if len(kept) >= _MOST_SPARES:
            return False
        new = ready_name(area)
        os.rename(location, new)
        kept.append(Spare(Path(new), new, lock))
        return True


def ready_name(area: str) -> str:
    """Return the path of a folder of an area that nobody else has."""
    return f"{area}/{READY}{secrets.token_hex(8)}"
