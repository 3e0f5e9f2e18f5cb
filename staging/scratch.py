"""Folders that live no longer than the process that made them.

A scratch folder `<root>/<area>/<name>` has a lock `<root>/locks/<area>-<name>`. The lock is taken
before the folder is made and removed after it, so a folder whose lock is free, or gone, is dead.
A dead folder is first renamed to `.dead-…` and then removed, so that no name is ever half there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from rootcellar.staging.host_lock import HostLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Scratch", "empty_dead", "remove_tree", "sweep_ended", "sweep_locks", "sweep_scratch"]

_DEAD_PREFIX = ".dead-"
_REMOVALS = 5


class Scratch:
    """One scratch folder, mode 0700.

    Raises:
        FileExistsError: One of that name is there and its process lives, or nobody swept it.
    """

    def __init__(self, root: Path, area: str, name: str) -> None:
        self.path = root / area / name
        lock_path = _lock_path(root, area, name)
        lock = HostLock.take_if_free(lock_path)
        if lock is None and not self.path.exists():
            # A sweeper has it, for the moment that removing an abandoned lock takes.
            lock = HostLock.take(lock_path)
        if lock is None:
            raise FileExistsError(self.path)
        self._lock = lock
        try:
            self.path.mkdir(mode=0o700)
        except BaseException:
            self._lock.remove()
            raise

    def close(self) -> None:
        """Remove the folder with all that is in it. Safe to repeat.

        A process that still writes into it may keep some of it alive until the next sweep.
        """
        _remove(self.path)
        self._lock.remove()

    def move_out(self, target: Path) -> bool:
        """End the scratch by renaming its folder; tell whether there was one. Safe to repeat."""
        try:
            os.rename(self.path, target)
        except OSError:
            _remove(self.path)
            return False
        finally:
            self._lock.remove()
        return True


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

    Safe beside living processes and other sweepers.

    Args:
        root: Of all areas.
        area: The one to sweep.
        found: Called with each name before its folder is removed. If it raises, the folder stays
            for the next sweep, and so do those that were not come to yet.
    """
    swept = []
    for path in sorted((root / area).iterdir()):
        if path.name.startswith(_DEAD_PREFIX):
            _remove_tree(path)
            continue
        lock = HostLock.take_if_free(_lock_path(root, area, path.name))
        if lock is None:
            continue
        try:
            if path.exists():
                if found is not None:
                    found(path.name)
                _remove(path)
                swept.append(path.name)
        except BaseException:
            lock.release()
            raise
        lock.remove()
    sweep_locks(root, area)
    return tuple(swept)


def empty_dead(root: Path, area: str) -> None:
    """Empty the folders of dead processes, and leave them for `sweep_scratch` to tell of."""
    for name in os.listdir(root / area):
        path = root / area / name
        if name.startswith(_DEAD_PREFIX):
            _remove_tree(path)
            continue
        lock = HostLock.take_if_free(_lock_path(root, area, name))
        if lock is None:
            continue
        try:
            if path.is_dir():
                _empty(path)
        finally:
            # Kept if the folder is there: who sweeps it takes and removes the lock.
            (lock.release if path.exists() else lock.remove)()


def sweep_locks(root: Path, what: str) -> None:
    """Remove the locks of one kind that dead processes left, and that guard no folder."""
    for path in (root / "locks").glob(f"{what}-*"):
        name = path.name.removeprefix(f"{what}-")
        lock = HostLock.take_if_free(path)
        if lock is None:
            continue
        if (root / what / name).exists():
            lock.release()
        else:
            lock.remove()


def _lock_path(root: Path, area: str, name: str) -> Path:
    return root / "locks" / f"{area}-{name}"


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
