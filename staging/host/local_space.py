"""Taking the space of a file before its bytes come, so that a full disk says so first."""

from __future__ import annotations

import errno
import os
from functools import cache
from pathlib import Path

__all__ = ["preallocate"]

_UNSUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}


def preallocate(file: int, size_bytes: int) -> None:
    """Take space for an open, empty file.

    Raises:
        OSError: There is not enough.
    """
    if _is_memory(os.fstat(file).st_dev):
        # Taking pages there means clearing them, which costs as much as writing them.
        free = os.fstatvfs(file)
        if free.f_blocks and free.f_bavail * free.f_frsize < size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return
    try:
        os.posix_fallocate(file, 0, size_bytes)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


@cache
def _is_memory(device: int) -> bool:
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    except OSError:
        return False
    # Source: proc(5): the third field is the device, and the type follows the separator.
    return any(
        line.split()[2] == number and line.partition(" - ")[2].startswith("tmpfs ")
        for line in lines
    )
