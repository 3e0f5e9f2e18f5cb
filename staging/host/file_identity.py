"""Which file it is, and as of which write: what tells that a local file is still the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import os

__all__ = ["FileIdentity", "identity_of"]

FileIdentity: TypeAlias = tuple[int, int, int]
"""Inode, size and modification time."""


def identity_of(status: os.stat_result) -> FileIdentity:
    """Return which file has this status."""
    return (status.st_ino, status.st_size, status.st_mtime_ns)
