"""A foreign folder: what others put there, held to by its listing, since it has no manifest."""

from __future__ import annotations

import hashlib
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.manifest import VERSION_ROOT, check_member_path
from rootcellar.schemas.ref import Pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rootcellar.staging.stores.store import Address, Listed

__all__ = ["FolderListing", "Unsorted", "is_listing", "member_path", "pin_of_listing"]

_PREFIX = "listing-"
_AT_ONCE = 100
"""More would not be faster, and much that is alive at once has Python look for garbage."""


def is_listing(pin: Pin) -> bool:
    """Tell whether a folder's pin is that of a listing, and not of a manifest."""
    return pin.etag.startswith(_PREFIX)


class Unsorted(Exception):  # noqa: N818 (nobody's error)
    """A store lists in no order, so its listing must be held to be sorted."""


class FolderListing:
    """One listing of a folder, sorted by key, without what unfinished runs left there.

    Iterate it once. Raises `Unsorted` while it is iterated if a store lists in no order; with
    `held` it does not.

    Args:
        address: Of the folder.
        held: Sort it in memory.
        kept: What was listed before, and is to be taken for it.

    Attributes:
        members: How many there were.
        is_kept: It was listed before.
    """

    def __init__(
        self, address: Address, *, held: bool = False, kept: Iterable[Listed] | None = None
    ) -> None:
        self._address = address
        self._held = held
        self._kept = kept
        self.is_kept = kept is not None
        self._state = hashlib.sha256()
        self._size_bytes = 0
        self.members = 0

    @property
    def pin(self) -> Pin:
        """Of what was yielded; changes with the key, the size or the token of any file."""
        etag = f"{_PREFIX}{self._state.hexdigest()}"
        return Pin(size_bytes=self._size_bytes, etag=etag)

    def __iter__(self) -> Iterator[Listed]:
        listed: Iterable[Listed] = self._listed() if self._kept is None else self._kept
        if self._held:
            listed = sorted(listed, key=lambda item: item.key)
        last, left = "", iter(listed)
        while some := list(islice(left, _AT_ONCE)):
            lines = []
            for key, pin in some:
                if key < last:
                    raise Unsorted
                last = key
                self._size_bytes += pin.size_bytes
                lines.append(f"{key}\0{pin.size_bytes}\0{pin.token}\n")
            # A name that is no text is refused when it is staged, with a better error than this.
            self._state.update("".join(lines).encode(errors="surrogateescape"))
            self.members += len(some)
            yield from some

    def _listed(self) -> Iterator[Listed]:
        start = len(self._address.key) + 1
        for item in self._address.store.list(self._address.key):
            key = item[0]
            # Most names tell by their beginning.
            if not (
                key.startswith("v-", start)
                and VERSION_ROOT.fullmatch(key[start:].partition("/")[0])
            ):
                yield item


def pin_of_listing(
    address: Address, through: Callable[[Iterable[Listed]], Iterable[Listed]] = iter
) -> Pin | None:
    """Return the pin of a foreign folder now, or None if nothing lies there.

    Args:
        address: Of the folder.
        through: Passes on the listing, sorted; perhaps twice, and then only the second counts.
    """
    try:
        listing = FolderListing(address)
        deque(through(listing), maxlen=0)
    except Unsorted:
        listing = FolderListing(address, held=True)
        deque(through(listing), maxlen=0)
    return listing.pin if listing.members else None


def member_path(folder: Address, item: Listed) -> str:
    """Return the path of a listed file within its folder.

    Raises:
        ContentError: It is not safe on a disk.
    """
    try:
        return check_member_path(item.key[len(folder.key) + 1 :])
    except ValueError as error:
        raise ContentError(
            f"the name of a file in the folder is not safe: {item.key!a}",
            "",
            folder.uri,
            "Rename it in its store",
        ) from error
