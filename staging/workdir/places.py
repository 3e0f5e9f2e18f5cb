"""Where files lie in a workdir: under their own names, beside each other as far as those differ.

The second file of a name lies in a further folder. To make and remove a folder takes longer than
all else of a hit, and an input may have the name of a hundred others; so further folders lie in
racks of a few, and a rack that a run leaves empty serves the next run of this process.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.staging.host.scratch import Scratch
from rootcellar.staging.host.spares import AS_MADE, is_as_made

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Places"]

_RACK = 16
_MOST_RACKS = 16
_RACK_MARK = "~"


@dataclass(slots=True)
class _Rack:
    """A folder of numbered folders.

    Attributes:
        count: How many of them there are.
    """

    path: str
    count: int = 0

    def folder(self, slot: int) -> str:
        """Return the path of one of them, counted from 0."""
        while self.count <= slot:
            os.mkdir(f"{self.path}/{self.count + 1}", 0o700)
            self.count += 1
        return f"{self.path}/{slot + 1}"

    @property
    def is_as_made(self) -> bool:
        """Whether nothing else is there, and all is empty and of the mode that we gave it."""
        folders = [str(number + 1) for number in range(self.count)]
        if os.lstat(self.path).st_mode != AS_MADE or set(os.listdir(self.path)) != set(folders):
            return False
        return all(is_as_made(f"{self.path}/{folder}") for folder in folders)


class Places:
    """Gives each name a place, once, whether anything was put there or not.

    Args:
        top: The folder that the places are in.
        root: Of the cache, where racks are kept for the next run and come from; without it they
            are made, and go with the folder.
        taken: Names that are not to be given here.
    """

    def __init__(self, top: str, *, root: Path | None = None, taken: tuple[str, ...] = ()) -> None:
        self._top = top
        self._root = root
        self._uses = dict.fromkeys(taken, 1)
        self._racks: list[_Rack] = []

    def claim(self, name: str) -> str:
        """Return a path of that name where nothing is; its folder exists but for the flat one."""
        used = self._uses.get(name, int(name.startswith(_RACK_MARK)))
        self._uses[name] = used + 1
        return f"{self._further(used - 1) if used else self._top}/{name}"

    def put_aside(self) -> None:
        """Keep the racks for the next run; what is not as it was made stays where it is."""
        while self._racks and self._root is not None:
            _Shed.at(self._root).keep(self._racks.pop())

    def _further(self, number: int) -> str:
        which, slot = divmod(number, _RACK)
        while len(self._racks) <= which:
            self._racks.append(self._rack(f"{self._top}/{_RACK_MARK}{len(self._racks) + 1}"))
        return self._racks[which].folder(slot)

    def _rack(self, path: str) -> _Rack:
        kept = None if self._root is None else _Shed.at(self._root).take(path)
        if kept is not None:
            return kept
        os.mkdir(path, 0o700)
        return _Rack(path)


class _Shed:
    """Empty racks of this process, in a scratch folder of its own in the area `spare`.

    There a sweep finds them when the process is dead. Thread safe.
    """

    current: _Shed | None = None

    def __init__(self, root: Path) -> None:
        self.pid = os.getpid()
        self.root = root
        self._guard = threading.Lock()
        self._scratch: Scratch | None = None
        self._numbers = itertools.count()
        self._kept: list[_Rack] = []

    @classmethod
    def at(cls, root: Path) -> _Shed:
        """Return the one of this process; it has one at a time, as it has one cache."""
        own = cls.current
        if own is None or own.pid != os.getpid():
            own = cls.current = cls(root)
        elif own.root != root:
            own.close()
            own = cls.current = cls(root)
        return own

    def take(self, path: str) -> _Rack | None:
        """Make a rack of one that is kept; None if there is none."""
        with contextlib.suppress(IndexError, FileNotFoundError):  # or a cleaner came by
            rack = self._kept.pop()
            os.rename(rack.path, path)
            return _Rack(path, rack.count)
        return None

    def keep(self, rack: _Rack) -> None:
        """Keep a rack, if it is as it was made and there is room."""
        if len(self._kept) >= _MOST_RACKS:
            return
        with contextlib.suppress(OSError):
            if rack.is_as_made:
                path = f"{self._folder()}/{next(self._numbers)}"
                os.rename(rack.path, path)
                self._kept.append(_Rack(path, rack.count))

    def _folder(self) -> str:
        with self._guard:
            if self._scratch is None or not os.path.lexists(self._scratch.location):
                self.close()
                self._scratch = Scratch(str(self.root), "spare", secrets.token_hex(8))
            return self._scratch.location

    def close(self) -> None:
        """Remove it with all racks in it."""
        if self._scratch is not None:
            self._scratch.close()
        self._kept.clear()
