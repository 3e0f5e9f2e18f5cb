"""A rename that replaces nothing."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

__all__ = ["rename_new"]

_HERE = -100  # AT_FDCWD: paths are as given
_NOREPLACE = 1
_AS_NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_NOT_SUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL})
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def rename_new(source: str, target: str) -> None:
    """Rename a file or folder to a name that must be free. Atomic where the file system can.

    Elsewhere it is looked for before, for `rename` replaces an empty folder without a word.

    Raises:
        FileExistsError: Something has that name.
        FileNotFoundError: The source, or the folder of the target, is gone.
        OSError: Any other that a rename gives.

    Source: rename(2); the C library has it since 2.28.
    """
    if _renameat2 is not None:
        old, new = source.encode(*_AS_NAMES), target.encode(*_AS_NAMES)
        if _renameat2(_HERE, old, _HERE, new, _NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _NOT_SUPPORTED:
            raise OSError(number, os.strerror(number), source, None, target)
    if os.access(target, os.F_OK, follow_symlinks=False):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    os.rename(source, target)
