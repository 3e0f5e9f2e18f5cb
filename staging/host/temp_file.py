"""Files under a temporary name beside their final one: the first half of write, verify, rename."""

from __future__ import annotations

import os
import secrets
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["TEMP_SUFFIX", "create_temp", "is_temp_name", "temp_name"]

TEMP_SUFFIX = ".rootcellar.tmp"


def temp_name(name: str) -> str:
    """Return a hidden name that no other writer of `name` uses."""
    # A name may fill the file system's 255 bytes; half of it is plenty for people to recognise.
    head = name.encode(errors="surrogateescape")[:120].decode(errors="ignore")
    return f".{head}.{secrets.token_hex(8)}{TEMP_SUFFIX}"


def is_temp_name(name: str) -> bool:
    """Tell whether `temp_name` made this name."""
    return name.startswith(".") and name.endswith(TEMP_SUFFIX)


def create_temp(path: Path, mode: int = 0o600) -> BinaryIO:
    """Create `path` for writing, with `mode` less the umask.

    Raises:
        FileExistsError: Something is there, be it a dangling link.
    """
    # In one call, or a limit that strikes within it leaves a file open; O_EXCL follows no link.
    return open(path, "x+b", opener=partial(os.open, mode=mode))
