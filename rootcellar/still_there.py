"""Whether what a version was is still at its URI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.catalog.answers.copies import Finding, Standing
from rootcellar.schemas.errors import InvalidKey, StoreError
from rootcellar.staging.folders.folder_input import pin_of_folder

if TYPE_CHECKING:
    from rootcellar.catalog.answers.copies import Examine
    from rootcellar.catalog.values import Version
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.stores import Stores

__all__ = ["examiner"]


def examiner(stores: Stores) -> Examine:
    """Return what looks a version up in its store; it moves no bytes of the version.

    `unchanged` means that the very object is there that was recorded. Another one there is
    `changed`, even if somebody wrote the same bytes once more.
    """

    def examine(version: Version) -> Finding:
        try:
            address = stores.store_for(version.uri.rstrip("/"))
            if version.kind == "file":
                found = address.store.stat(address.key)
            else:
                found = pin_of_folder(address)
        except (StoreError, InvalidKey) as error:
            return Finding(Standing.UNKNOWN, error.problem)
        return Finding(Standing.GONE) if found is None else _compared(version.pin, found)

    return examine


def _compared(then: Pin, now: Pin) -> Finding:
    if then.size_bytes != now.size_bytes:
        return Finding(Standing.CHANGED)
    for before, after in ((then.version_id, now.version_id), (then.etag, now.etag)):
        if before and after:
            return Finding(Standing.UNCHANGED if before == after else Standing.CHANGED)
    return Finding(Standing.UNKNOWN, "the size is the same, and the store has no change token")
