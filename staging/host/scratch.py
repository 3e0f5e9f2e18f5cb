"""Folders that live no longer than the process that made them.

A scratch folder is locked (`flock`) by its process; the lock is on the folder itself, so that
nobody can delete the one without the other. It is made and locked under a shared lock of its area,
and who looks for dead ones has that lock for itself: so a folder without a lock is dead, and not
new. A dead folder is first renamed to `.dead-…` and then removed, so that no name is half there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.staging.host.host_lock import HostLock
from rootcellar.staging.host.spares import AS_MADE, READY, Spares, is_as_made, ready_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "FOLDER",
    "Scratch",
    "empty_dead",
    "remove_tree",
    "sweep_ended",
    "sweep_locks",
    "sweep_scratch",
]

_DEAD_PREFIX = ".dead-"
_REMOVALS = 5
_NOBODYS = frozenset({errno.ELOOP, errno.ENXIO})
"""A link, or a socket: nothing that a process of ours makes and locks."""

_AT_ONCE = 64
"""Dead folders looked at together: each keeps a file open."""


class Scratch:
    """One scratch folder, mode 0700.

    Args:
        root: Of all areas.
        area: Where it is.
        name: By which a sweep tells of it. Without one it may be a folder that lies ready.

    Attributes:
        location: Its path as a string.

    Raises:
        FileExistsError: One of that name is there and its process lives, or nobody swept it.
    """

    def __init__(self, root: str, area: str, name: str | None = None) -> None:
        area = self._area = f"{root}/{area}"
        self._has_name = name is not None
        if name is None and (spare := Spares.own().take(area)) is not None:
            self.location, self.path, self._lock = spare.location, spare.path, spare.lock
            return
        path = self.location = ready_name(area) if name is None else f"{area}/{name}"
        mine: list[int] = []
        try:
            _make_locked(area, path, mine)
        except BaseException:
            for file in mine:
                os.close(file)
                with contextlib.suppress(OSError):
                    os.rmdir(path)
            raise
        self._lock = mine[0]

    @functools.cached_property
    def path(self) -> Path:
        """Where it is; made when it is asked for, which of most runs' folders nobody does."""
        return Path(self.location)

    def close(self) -> None:
        """Remove the folder with all that is in it. Safe to repeat.

        A process that still writes into it may keep some of it alive until the next sweep.
        """
        try:
            _remove(self.path)
        finally:
            self._unlock()

    def fileno(self) -> int:
        """Return the folder itself, open until the scratch ends."""
        return self._lock

    def put_aside(self, *, beside: str) -> bool:
        """End the scratch and keep its folder for the next one; tell whether it could be kept.

        It must be as it was made: without a name, empty, and of the same mode. It keeps its lock.

        Args:
            beside: Name of a folder that may be there, if it is as it was made too.
        """
        if self._has_name:
            return False
        try:
            path = self.location
            status = os.lstat(path)
            if status.st_mode != AS_MADE or not os.path.samestat(status, os.fstat(self._lock)):
                return False
            names = os.listdir(path)
            if names and (names != [beside] or not is_as_made(f"{path}/{beside}")):
                return False
            kept = Spares.own().keep(self._area, path, self._lock)
        except OSError:
            return False
        if kept:
            self._lock = -1
        return kept

    def move_out(self, target: Path) -> bool:
        """End the scratch by renaming its folder; tell whether there was one. Safe to repeat."""
        try:
            os.rename(self.path, target)
        except OSError:
            _remove(self.path)
            return False
        finally:
            self._unlock()
        return True

    def _unlock(self) -> None:
        if self._lock >= 0:
            file, self._lock = self._lock, -1
            os.close(file)


FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a folder is opened, and no link to one."""

_ANYTHING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def _make_locked(area: str, path: str, mine: list[int]) -> None:
    """Make a folder, and put its lock into the list."""
    # A signal handler may raise after each call: so what is opened is in a list with the call.
    above: list[int] = []
    try:
        above.extend(_open_folder(area))
        fcntl.flock(above[0], fcntl.LOCK_SH)
        os.mkdir(path, 0o700)
        try:
            mine.extend(_open_folder(path))
            fcntl.flock(mine[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.rmdir(path)
            raise
    finally:
        for file in above:
            os.close(file)


def remove_tree(top: Path) -> None:
    """Remove a folder that nobody uses, with all that is in it."""
    _remove_tree(top)


def sweep_ended(root: Path) -> None:
    """Remove the folders that were moved out and that nobody came to remove."""
    for name in os.listdir(root / "ended"):
        _remove_tree(root / "ended" / name)


def sweep_scratch(
    root: Path, area: str, found: Callable[[str], object] | None = None
) -> tuple[str, ...]:
    """Remove the folders of dead processes and return their names, sorted.

    Folders without a name of their own go without a word. Safe beside living processes and other
    sweepers.

    Args:
        root: Of all areas.
        area: The one to sweep.
        found: Called with each name before its folder is removed. If it raises, the folder stays
            for the next sweep, and so do those that were not come to yet.
    """
    swept = []
    for path in _dead(root / area):
        has_name = not path.name.startswith(READY)
        if has_name and found is not None:
            found(path.name)
        _remove(path)
        if has_name:
            swept.append(path.name)
    return tuple(swept)


def empty_dead(root: Path, area: str) -> None:
    """Empty the folders of dead processes, and leave them for `sweep_scratch` to tell of."""
    for path in _dead(root / area):
        if path.is_dir() and not path.is_symlink():
            _empty(path)


def _dead(area: Path) -> Iterator[Path]:
    """Yield what no living process has, each locked while its turn lasts. Removes `.dead-…`."""
    names = sorted(os.listdir(area))
    for start in range(0, len(names), _AT_ONCE):
        dead: list[str] = []
        held: list[int] = []
        closing = map(os.close, held)
        try:
            _lock_dead(area, names[start : start + _AT_ONCE], dead, held)
            for name in dead:
                if name.startswith(_DEAD_PREFIX):
                    _remove_tree(area / name)
                else:
                    yield area / name
        finally:
            any(closing)  # in one step, as a signal handler may raise after each


def _lock_dead(area: Path, names: list[str], dead: list[str], held: list[int]) -> None:
    """Add what nobody has locked, and its lock; nobody makes new ones meanwhile."""
    above: list[int] = []
    try:
        above.extend(_open_folder(str(area)))
        fcntl.flock(above[0], fcntl.LOCK_EX)
        dead.extend(name for name in names if _hold_dead(area / name, held))
    finally:
        for file in above:
            os.close(file)


def _hold_dead(path: Path, held: list[int]) -> bool:
    """Lock what nobody has locked; False if somebody has, or it is gone."""
    opened: list[int] = []
    try:
        opened.extend(map(os.open, (path,), (_ANYTHING,)))
        fcntl.flock(opened[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its process may have moved it away between the two, and let go of it: that is no death.
        os.lstat(path)
        held += opened
    except BaseException as error:
        for file in opened:
            os.close(file)
        # Its process lives; it is gone; its body took our rights away, and may be at work in it.
        if isinstance(error, (BlockingIOError, FileNotFoundError, PermissionError)):
            return False
        if getattr(error, "errno", None) not in _NOBODYS:
            raise
    return True


def _open_folder(path: str) -> Iterator[int]:
    return map(os.open, (path,), (FOLDER,))


def sweep_locks(root: Path, what: str) -> None:
    """Remove the locks of one kind that dead processes left."""
    for path in (root / "locks").glob(f"{what}-*"):
        lock = HostLock.take_if_free(path)
        if lock is not None:
            lock.remove()


def _remove(path: Path) -> None:
    aside = path.with_name(f"{_DEAD_PREFIX}{path.name}-{secrets.token_hex(4)}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    _remove_tree(aside)


def _remove_tree(top: Path) -> None:
    # Again if a process that outlived the run still makes files there.
    for _ in range(_REMOVALS):
        if _removed(top):
            return
        _empty(top)


def _removed(path: Path) -> bool:
    """Remove a file or an empty folder, and tell whether nothing is there now."""
    try:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return True
    except OSError:
        # Not empty, or another user's: who empties it tries again.
        return False
    return True


def _empty(top: Path) -> None:
    """Remove what is below a folder, as far as we may.

    Folders are moved to the top before they are emptied: a body may have nested them deeper than a
    path may be long, or Python's stack deep.
    """
    folders = [top]
    while folders:
        folder = folders.pop()
        for path in _opened(folder):
            # Gone or not ours: another sweeper removed it, or only its owner can.
            with contextlib.suppress(OSError):
                if _removed(path) or path.is_symlink():
                    continue
                path.chmod(0o700)
                moved = path.rename(top / secrets.token_hex(8))
                # Under a name that nobody else knows: a link cannot take its place any more.
                if moved.is_symlink():
                    moved.unlink()
                else:
                    folders.append(moved)
        if folder != top:
            _removed(folder)


def _opened(folder: Path) -> list[Path]:
    """Let ourselves into a folder, and return what is there."""
    try:
        folder.chmod(0o700)
        return list(folder.iterdir())
    except OSError:
        return []
