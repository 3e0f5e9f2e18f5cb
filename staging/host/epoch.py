"""The time that all entries of the cache bear: it tells of writes, and of the host's last boot.

Every entry says that it was written at one second between 2001 and 2005, which is worked out of
the kernel's boot id. Whatever writes to an entry, such as a body through the link in its workdir,
changes that to the time of day. And an entry with another such second was made before the host was
started: nothing was synced, so its bytes may not be what they were, and are read again.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["boot_id", "is_mark", "mark", "mark_ns", "mark_open", "note_release"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SECOND_NS = 10**9
_FIRST, _SECONDS = 1_000_000_000, 2**27
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW = -100, 0x100
_UTIME_NOW, _UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
_NOW_AND_AS_IT_WAS = (ctypes.c_long * 4)(0, _UTIME_NOW, 0, _UTIME_OMIT)


@functools.cache
def boot_id() -> bytes:
    """Return what is new with each boot of the host; nothing where all boots are one, off Linux."""
    try:
        return _BOOT_ID.read_bytes()
    except OSError:
        return b""


@functools.cache
def mark_ns() -> int:
    """Return the modification time of entries of this boot."""
    seconds = int.from_bytes(hashlib.sha256(boot_id()).digest()[:4]) % _SECONDS
    return (_FIRST + seconds) * _SECOND_NS


def is_mark(modified_ns: int) -> bool:
    """Tell whether this is the modification time of entries of this or another boot."""
    seconds, rest = divmod(modified_ns, _SECOND_NS)
    return rest == 0 and _FIRST <= seconds < _FIRST + _SECONDS


def mark(path: str, accessed_ns: int) -> None:
    """Let a file bear the mark."""
    os.utime(path, ns=(accessed_ns, mark_ns()), follow_symlinks=False)


def mark_open(file: int) -> None:
    """Let an open file that was just written bear the mark."""
    os.utime(file, ns=(time.time_ns(), mark_ns()))


@functools.cache
def _utimensat() -> Callable[..., int]:
    return cast("Callable[..., int]", ctypes.CDLL(None).utimensat)


def note_release(path: str, accessed_ns: int | None = None, *, folder: int = _AT_FDCWD) -> None:
    """Set a file's access time, to now unless given: it was last released then.

    Not by `os.utime`, which sets both times: a write between our looking and our setting would be
    hidden for ever. What cannot be set, such as of a file that is gone, is left.

    Args:
        path: Of the file.
        accessed_ns: When it was last released.
        folder: Open, where the path begins unless it is absolute.
    """
    times = _NOW_AND_AS_IT_WAS
    if accessed_ns is not None:
        times = (ctypes.c_long * 4)(*divmod(accessed_ns, _SECOND_NS), 0, _UTIME_OMIT)
    _utimensat()(folder, os.fsencode(path), times, _AT_SYMLINK_NOFOLLOW)
