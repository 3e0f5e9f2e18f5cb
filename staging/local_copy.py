"""Have a file under a second name on this host: by hard link, else by copy."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from rootcellar.staging.temp_file import create_temp

__all__ = ["copy_read_only", "link_or_copy"]

_NO_LINK = {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP}
"""Another file system; ext4's 65,000 links; protected links to another user's file; no links."""


def link_or_copy(source: Path, target: str | Path) -> None:
    """Make `target` the same read-only file as `source`, or a copy where links cannot be."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        copy_read_only(source, Path(target))


def copy_read_only(source: Path, target: Path) -> None:
    """Copy a file to a new name, mode 0444. `target` grows while it is copied."""
    with source.open("rb") as reader, create_temp(target) as writer:
        shutil.copyfileobj(reader, writer, 1024 * 1024)
        os.fchmod(writer.fileno(), 0o444)
