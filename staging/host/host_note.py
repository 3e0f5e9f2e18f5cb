"""A note on this host's disk that outlives its process: what it was doing when it died.

Each note is a file of its own, `<folder>/<random>`, with a flock that its process holds for as long
as it lives. Whoever gets the lock has a dead process's note. A note is not synced to the disk: it
survives the process, not the host.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from typing import TYPE_CHECKING

from rootcellar.staging.host.host_lock import LockableFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["HostNote", "sweep_notes"]

_OPEN = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_END = b"\n"
_LAST = b"\n\n"
"""Behind it may stand what was written before."""


class HostNote:
    """One note: a head that stays, and lines that are written and cleared again and again.

    Raises:
        OSError: The folder cannot be written.
    """

    def __init__(self, folder: Path, head: bytes) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / secrets.token_hex(8)
        # Dropped, it is closed: then it is a dead one's, and swept as such.
        self._open = LockableFile.opened(str(self._path), _OPEN)
        self._file = self._open.fileno()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._start = self._end = os.pwrite(self._file, head + _END, 0)
        except BaseException:
            self.close()
            raise

    def __del__(self) -> None:
        # Without a word: a process that ends has notes too.
        if hasattr(self, "_open"):
            self._open.close()

    def write(self, line: bytes) -> bool:
        """Note a line without line breaks, in place of all before.

        Returns:
            Whether anybody will find it: a cache may be deleted under a living process.

        Raises:
            OSError: There is no space, for instance.
        """
        if not os.fstat(self._file).st_nlink:
            return False
        self._write(line, self._start)
        return True

    def append(self, line: bytes) -> bool:
        """Note a further line as `write` does, behind those that are there.

        Raises:
            OSError: There is no space, for instance; the note is as it was.
        """
        if not os.fstat(self._file).st_nlink:
            return False
        self._write(line, self._end + 1 if self._end > self._start else self._start)
        return True

    def extend(self, more: bytes) -> None:
        """Add to the last line, which has been written.

        Raises:
            OSError: There is no space, for instance; the note is as it was.
        """
        self._write(more, self._end)

    def _write(self, text: bytes, place: int) -> None:
        written = os.pwrite(self._file, text + _LAST, place)
        if written != len(text) + len(_LAST):
            os.pwrite(self._file, _LAST, place)
            raise OSError(0, "the note was cut short")
        self._end = place + len(text)

    def clear(self) -> None:
        """Note nothing."""
        os.pwrite(self._file, _END, self._start)
        self._end = self._start

    def close(self) -> None:
        """Remove the note."""
        self._path.unlink(missing_ok=True)
        self._open.close()


def sweep_notes(folder: Path, found: Callable[[bytes, bytes], object]) -> None:
    """Remove the notes of dead processes. Safe beside living ones and other sweepers.

    Args:
        folder: Where they are; it may be missing.
        found: Called with the head and each line of a note, before that is removed. If it raises,
            the note stays for the next sweep, and so do those not come to yet. If the process was
            killed in the midst of a line, lines that were written before and cleared may follow.
    """
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    for path in paths:
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                continue  # nobody of ours put it there
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, PermissionError):
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_nlink:
                head, *lines = _read(file)
                for line in lines:
                    found(head, line)
                path.unlink(missing_ok=True)
        except BlockingIOError:
            pass  # its process lives
        finally:
            os.close(file)


def _read(file: int) -> list[bytes]:
    """Return the head and all lines."""
    with os.fdopen(os.dup(file), "rb") as reader:
        found = [reader.readline().rstrip(_END)]
        # A line that was being written has no end yet.
        while (line := reader.readline()).endswith(_END) and line != _END:
            found.append(line.rstrip(_END))
    return found
