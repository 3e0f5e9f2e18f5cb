"""Locks between the processes of one host, which the kernel frees when their holder dies.

They save work and tell the living from the dead. Nothing is wrong, only slower, where they do not
hold: what is correct is so by unique temporary names and renames. Take them in the process that
needs them: a lock taken before a fork is held until the child ends too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["HostLock", "locked", "locked_file", "locks_work", "made_once"]

_Made = TypeVar("_Made")


class HostLock:
    """An exclusive flock on a file of its own."""

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file = file

    @classmethod
    def take(cls, path: Path) -> HostLock:
        """Wait for the lock and take it."""
        while (lock := cls.take_once(path)) is None:
            pass
        return lock

    @classmethod
    def take_once(cls, path: Path) -> HostLock | None:
        """Wait for the lock and take it; None if who had it removed it, and is done."""
        return cls._try(path, fcntl.LOCK_EX)

    @staticmethod
    def wait(path: Path) -> None:
        """Return when nobody has the lock, or its file is gone; all who wait do so at once."""
        with contextlib.suppress(FileNotFoundError):
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_SH)
            finally:
                os.close(file)

    @classmethod
    def take_if_free(cls, path: Path) -> HostLock | None:
        """Take the lock, or return None if a living process has it."""
        try:
            while (lock := cls._try(path, fcntl.LOCK_EX | fcntl.LOCK_NB)) is None:
                pass
        except BlockingIOError:
            return None
        return lock

    @classmethod
    def _try(cls, path: Path, operation: int) -> HostLock | None:
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, operation)
            # Whoever had it may have removed the file: then we hold a lock that nobody sees.
            if _is_same(path, file):
                return cls(path, file)
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        return None

    def release(self) -> None:
        """Let the next one have it. Safe to repeat."""
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    def remove(self) -> None:
        """Remove the lock's file, while holding it, and release it. Safe to repeat."""
        # Somebody who removed it before us may have let another process make the next one.
        if self._file >= 0 and _is_same(self._path, self._file):
            self._path.unlink(missing_ok=True)
        self.release()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock for the length of a block; its file goes with it."""
    lock = HostLock.take(path)
    try:
        yield
    finally:
        lock.remove()


def made_once(path: Path, look: Callable[[], _Made | None], make: Callable[[], _Made]) -> _Made:
    """Return what one process makes while others want the same.

    The others wait, and look all at once when it is done, or dead. Where nothing is there then, one
    after the other of them gets the lock, until one has made it.

    Args:
        path: Of the lock; its file goes with it.
        look: Returns what is there already.
        make: Called with the lock; has to look too, as another may have just made it.
    """
    lock = HostLock.take_if_free(path)
    if lock is None:
        HostLock.wait(path)
    while lock is None:
        if (found := look()) is not None:
            return found
        lock = HostLock.take_once(path)
    try:
        return make()
    finally:
        lock.remove()


@contextmanager
def locked_file(path: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold a flock on a file that stays, for the length of a block.

    Args:
        path: Made when missing; its folder is not.
        wait: Else the block gets False if a living process has the lock, and runs without it.
    """
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield _flocked(file, wait=wait)
    finally:
        os.close(file)


def _flocked(file: int, *, wait: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def locks_work(path: str) -> bool:
    """Tell whether two descriptors of one file keep each other out, as they must.

    Some network and stacked file systems answer yes to everybody.
    """
    with locked_file(path, wait=False) as first:
        if not first:
            return True  # somebody else tests, or holds it
        with locked_file(path, wait=False) as second:
            return not second


def _is_same(path: Path, file: int) -> bool:
    try:
        named = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    opened = os.fstat(file)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
