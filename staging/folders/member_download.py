"""Members of one of our folders, each by one request: their digests are in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.schemas.errors import (
    ArtifactNotFound,
    DigestMismatch,
    ObjectChanged,
    StoreUnavailable,
)
from rootcellar.schemas.ref import Pin
from rootcellar.staging.engine.hashing import algorithm_of, digest_bytes
from rootcellar.staging.engine.pipeline import back_off, check_stopped
from rootcellar.staging.stores.wrong_bytes import came_wrong_once, still_wrong

if TYPE_CHECKING:
    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.errors import StoreError
    from rootcellar.schemas.manifest_text import Line
    from rootcellar.staging.stores.store import Address

__all__ = ["SMALL_BYTES", "read_member"]

SMALL_BYTES = 1024 * 1024
"""Of a member that is read at once, and needs no engine of its own."""
_TRIES = 3
_READINGS = 2
_FIRST_PAUSE_SECONDS = 0.4


def read_member(folder: Address, key: str, line: Line) -> bytes:
    """Return the bytes of a small member, which have its digest.

    Not pinned, and so without a look at it first: no other object ever has this key, and the digest
    tells. What is missing or wrong is asked for once more.

    Raises:
        ArtifactNotFound: It is gone.
        DigestMismatch: Something else is there.
        StoreUnavailable: It could not be had after three tries, or came wrong in two ways.
    """
    if not line.size_bytes:
        return b""
    wrong: list[Digest | None] = []
    failed = 0
    while len(wrong) < _READINGS:
        if failed or wrong:
            back_off(_FIRST_PAUSE_SECONDS, failed + len(wrong))
        found: Digest | None = None
        check_stopped()
        try:
            content = folder.store.read(key, Pin(size_bytes=line.size_bytes), 0, line.size_bytes)
            found = digest_bytes(content, algorithm_of(line.digest))
        except StoreUnavailable:
            failed += 1
            if failed == _TRIES:
                raise
            continue
        except ObjectChanged:
            pass
        else:
            if found == line.digest:
                if any(wrong):
                    came_wrong_once(folder.store.uri(key))
                return content
        wrong.append(found)
    raise _wrong(folder, key, line, wrong)


def _wrong(folder: Address, key: str, line: Line, found: list[Digest | None]) -> StoreError:
    pin = folder.store.stat(key)
    if pin is None:
        return ArtifactNotFound(
            "a member that the manifest names is gone", "", folder.uri, "Publish it again"
        )
    uri = folder.store.uri(key)
    remedy = "Something wrote into the folder; publish it again"
    if pin.size_bytes != line.size_bytes:
        problem = f"it has {pin.size_bytes} bytes, and {line.size_bytes} in the manifest"
        return DigestMismatch(problem, "", uri, remedy)
    first, second = found
    if first is None or second is None:
        problem = f"its bytes are not {line.digest} as in the manifest"
        return DigestMismatch(problem, "", uri, remedy)
    told = "in the manifest"
    return still_wrong(uri, line.digest, (first, second), told=told, remedy=remedy)
