"""Bytes that came wrong: whether the way to the store damaged them, or they are stored so.

One reading cannot tell, so whoever finds bytes with another digest than expected reads them twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import DigestMismatch, StoreUnavailable

if TYPE_CHECKING:
    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.errors import StoreError

__all__ = ["came_wrong_once", "still_wrong"]

_log = logging.getLogger(__name__)


def came_wrong_once(uri: str) -> None:
    """Say in the log that the way to the store damages bytes; nothing is lost yet."""
    _log.warning(
        "The bytes of %s came wrong once, and right when they were read again. Something between "
        "this host and its store damages data.",
        uri,
    )


def still_wrong(
    uri: str, expected: Digest, found: tuple[Digest, Digest], *, told: str, remedy: str
) -> StoreError:
    """Return what two readings with wrong bytes come to.

    Args:
        uri: Of the object.
        expected: The digest it should have.
        found: Those that it had, one after the other.
        told: Where it was told what it should have.
        remedy: Where the stored bytes themselves are wrong.
    """
    first, second = found
    if first == second:
        return DigestMismatch(
            f"its stored bytes are {second}, not {expected} as {told}; they were read twice",
            "",
            uri,
            remedy,
        )
    return StoreUnavailable(
        f"its bytes came wrong twice, as {first} and as {second} instead of {expected}: they are "
        "damaged on their way",
        "",
        uri,
        "Try again; if it stays so, look for a proxy, a network device or memory that is faulty",
    )
