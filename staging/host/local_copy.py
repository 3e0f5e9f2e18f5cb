"""Copy a file of this host: by sharing its blocks where the file system can, else byte for byte."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from rootcellar.staging.host.clone import cloned
from rootcellar.staging.host.temp_file import create_temp

__all__ = ["NO_LINK", "copy_read_only"]

NO_LINK = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP})
"""Another file system; ext4's 65,000 links; protected links to another user's file; no links."""

_CHUNK_BYTES = 1024 * 1024


def copy_read_only(source: str, target: str) -> None:
    """Copy a file to a new name, mode 0444. `target` grows while it is copied.

    Read through one descriptor, so that a file which is removed meanwhile is copied whole.
    """
    file = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(file, "rb") as reader, create_temp(Path(target)) as writer:
        if not cloned(reader.fileno(), writer.fileno()):
            shutil.copyfileobj(reader, writer, _CHUNK_BYTES)
        os.fchmod(writer.fileno(), 0o444)
