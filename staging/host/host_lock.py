"""Locks between the processes of one host, which the kernel frees when their holder dies.

They save work and tell the living from the dead. Nothing is wrong, only slower, where they do not
hold: what is correct is so by unique temporary names and renames. Take them in the process that
needs them: a lock taken before a fork is held until the child ends too.

A signal handler, such as that of a soft time limit, may raise after any call of a function and
at the beginning of any function in Python. So what is opened is an object from the first moment,
which closes when it is dropped, and a block that holds it ends by a method in C.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

__all__ = ["FileLock", "HostLock", "LockableFile", "locked_file", "locks_work", "made_once"]

_FLAGS = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_Made = TypeVar("_Made")


class LockableFile(io.FileIO):
    """An open file that lets go of its locks when it is closed, dropped, or its block ends."""

    @classmethod
    def opened(cls, path: str, flags: int = _FLAGS) -> Self:
        """Open a file for reading and writing, in one step; it is made when missing."""
        return next(map(cls, map(os.open, (path,), (flags,), (0o600,)), ("r+b",)))


class HostLock(LockableFile):
    """An exclusive flock on a file of its own; a context manager, which does not remove it."""

    path: Path

    @classmethod
    def take(cls, path: Path) -> Self:
        """Wait for the lock and take it."""
        while (lock := cls.take_once(path)) is None:
            pass
        return lock

    @classmethod
    def take_once(cls, path: Path) -> Self | None:
        """Wait for the lock and take it; None if who had it removed it, and is done."""
        return cls._try(path, fcntl.LOCK_EX)

    @staticmethod
    def wait(path: Path) -> None:
        """Return when nobody has the lock, or its file is gone; all who wait do so at once."""
        with (
            contextlib.suppress(FileNotFoundError),
            LockableFile.opened(str(path), _FLAGS & ~os.O_CREAT) as file,
        ):
            fcntl.flock(file, fcntl.LOCK_SH)

    @classmethod
    def take_if_free(cls, path: Path) -> Self | None:
        """Take the lock, or return None if a living process has it."""
        try:
            while (lock := cls._try(path, fcntl.LOCK_EX | fcntl.LOCK_NB)) is None:
                pass
        except BlockingIOError:
            return None
        return lock

    @classmethod
    def _try(cls, path: Path, operation: int) -> Self | None:
        lock = cls.opened(str(path))
        try:
            lock.path = path
            fcntl.flock(lock, operation)
            # Whoever had it may have removed the file: then we hold a lock that nobody sees.
            if _is_same(path, lock.fileno()):
                return lock
        except BaseException:
            lock.close()
            raise
        lock.close()
        return None

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Remove the lock's file at the end of a block."""
        try:
            yield
        finally:
            self.remove()

    def remove(self) -> None:
        """Remove the lock's file, while holding it, and release it. Safe to repeat."""
        # Somebody who removed it before us may have let another process make the next one.
        if not self.closed and _is_same(self.path, self.fileno()):
            self.path.unlink(missing_ok=True)
        self.close()


class FileLock(LockableFile):
    """A flock on a file that stays, for the length of a block.

    Attributes:
        is_ours: False if a living process has the lock and we did not wait.
    """

    is_ours = True


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
    with lock, lock.passing():
        return make()


def locked_file(path: str, *, wait: bool = True) -> FileLock:
    """Return a flock to hold for the length of a block.

    Args:
        path: Made when missing; its folder is not.
        wait: Else the block runs without the lock if a living process has it.
    """
    lock = FileLock.opened(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.is_ours = False
    except BaseException:
        lock.close()
        raise
    return lock


def locks_work(path: str) -> bool:
    """Tell whether two descriptors of one file keep each other out, as they must.

    Some network and stacked file systems answer yes to everybody.
    """
    with locked_file(path, wait=False) as first:
        if not first.is_ours:
            return True  # somebody else tests, or holds it
        with locked_file(path, wait=False) as second:
            return not second.is_ours


def _is_same(path: Path, file: int) -> bool:
    try:
        named = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    opened = os.fstat(file)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
