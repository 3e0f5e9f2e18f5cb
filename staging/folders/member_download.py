"""Members of one of our folders, each by one request: their digests are in the manifest."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import (
    ArtifactNotFound,
    DigestMismatch,
    ObjectChanged,
    StoreUnavailable,
)
from rootcellar.schemas.ref import Pin
from rootcellar.staging.engine.hashing import algorithm_of, digest_bytes
from rootcellar.staging.engine.pipeline import check_stopped

if TYPE_CHECKING:
    from rootcellar.schemas.manifest_text import Line
    from rootcellar.staging.stores.store import Address

__all__ = ["SMALL_BYTES", "read_member"]

SMALL_BYTES = 1024 * 1024
"""Of a member that is read at once, and needs no engine of its own."""
_TRIES = 3
_FIRST_PAUSE_SECONDS = 0.2


def read_member(folder: Address, key: str, line: Line) -> bytes:
    """Return the bytes of a small member, which have its digest.

    Not pinned, and so without a look at it first: no other object ever has this key, and the digest
    tells. What is missing or wrong is asked for once more.

    Raises:
        ArtifactNotFound: It is gone.
        DigestMismatch: Something else is there.
        StoreUnavailable: It could not be had after three tries.
    """
    if not line.size_bytes:
        return b""
    for tried in range(_TRIES):
        check_stopped()
        if tried:
            # Workers that failed together shall not come back together.
            time.sleep(_FIRST_PAUSE_SECONDS * 2**tried * random.uniform(0.5, 1.5))  # noqa: S311
        try:
            content = folder.store.read(key, Pin(size_bytes=line.size_bytes), 0, line.size_bytes)
        except StoreUnavailable:
            if tried + 1 == _TRIES:
                raise
            continue
        except ObjectChanged:
            content = b""
        if digest_bytes(content, algorithm_of(line.digest)) == line.digest:
            return content
        if tried:
            break
    raise _wrong(folder, key, line)


def _wrong(folder: Address, key: str, line: Line) -> ArtifactNotFound | DigestMismatch:
    pin = folder.store.stat(key)
    if pin is None:
        return ArtifactNotFound(
            "a member that the manifest names is gone", "", folder.uri, "Publish it again"
        )
    uri = folder.store.uri(key)
    remedy = "Something wrote into the folder; publish it again"
    if pin.size_bytes != line.size_bytes:
        problem = f"it has {pin.size_bytes} bytes, and {line.size_bytes} in the manifest"
    else:
        problem = f"its bytes are not {line.digest} as in the manifest"
    return DigestMismatch(problem, "", uri, remedy)
