"""Whether two versions have the same bytes, as far as their digests tell."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rootcellar.catalog.values import Version

__all__ = ["Change", "change"]


class Change(StrEnum):
    """What one version's content is beside another's."""

    FIRST = "first"  # there is no other
    SAME = "same bytes"
    CHANGED = "changed"
    UNKNOWN = "unknown"  # never read whole, or known by digests of two algorithms


def change(before: Version | None, after: Version) -> Change:
    """Return what became of the content from one version to the other."""
    if before is None:
        return Change.FIRST
    if before.digest == after.digest and before.kind == after.kind:
        return Change.SAME
    if (before.size_bytes, before.kind) != (after.size_bytes, after.kind):
        return Change.CHANGED
    is_unread = before.digest.is_unread or after.digest.is_unread
    if is_unread or before.digest.algorithm != after.digest.algorithm:
        return Change.UNKNOWN
    return Change.CHANGED
