"""Whether anybody still has a file open for writing, which its times cannot tell."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import signal

from rootcellar.schemas.errors import DigestMismatch

__all__ = ["hold_still"]


def hold_still(path: str, seen: os.stat_result) -> io.FileIO:
    """Return a file, open, to which nobody can write until it is closed: a context manager.

    Whoever opens it for writing meanwhile waits. Where the file system has no leases (`fcntl(2)`,
    F_SETLEASE), it is only checked that the file has not changed.

    Args:
        path: Of a file of ours.
        seen: Its status when its bytes were known.

    Raises:
        DigestMismatch: Somebody has it open for writing, or it has changed.
    """
    file = io.FileIO(path)
    try:
        _keep_writers_out(file)
        _check_unchanged(os.fstat(file.fileno()), seen)
    except BaseException:
        file.close()
        raise
    return file


def _keep_writers_out(file: io.FileIO) -> None:
    if not hasattr(fcntl, "F_SETLEASE"):
        return
    try:
        # Told to us when somebody wants to write; the usual signal would end the process.
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise _written("something still has the local file open for writing") from error


def _check_unchanged(status: os.stat_result, seen: os.stat_result) -> None:
    if (status.st_mtime_ns, status.st_size) != (seen.st_mtime_ns, seen.st_size):
        raise _written("the local file was changed after its bytes were read")


def _written(problem: str) -> DigestMismatch:
    return DigestMismatch(
        problem,
        remedy="Close what the body writes, and end what it started, before it returns",
    )
