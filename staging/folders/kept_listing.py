"""Listings that pins were made of, kept until their folders are staged.

So a folder that is located and staged in one session is listed once less. A listing of some
thousand files is kept in memory, a longer one in a file without a name. What cannot be kept, for
want of room or for a name that no folder may have, is listed again.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing, suppress
from itertools import islice
from typing import TYPE_CHECKING

from rootcellar.schemas.ref import Pin
from rootcellar.staging.folders.folder_listing import pin_of_listing
from rootcellar.staging.stores.store import Listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from rootcellar.staging.stores.store import Address

__all__ = ["KeptListing", "KeptListings"]

_MEMORY_BYTES = 1024 * 1024
_MOST_KEPT = 8
_AT_ONCE = 100
_MARKS = 3


class KeptListing:
    """One listing. Iterate it as often as needed, until it is closed.

    Args:
        aside: The folder that it is in when it is long.

    Attributes:
        is_whole: All of it was kept.
    """

    def __init__(self, aside: Path) -> None:
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 (`close` closes it)
            _MEMORY_BYTES, dir=str(aside)
        )
        self.is_whole = False

    def keep(self, listed: Iterable[Listed]) -> Iterator[Listed]:
        """Pass on a listing, and keep it instead of any before."""
        self._file.seek(0)
        self._file.truncate()
        left, can_keep = iter(listed), True
        while some := list(islice(left, _AT_ONCE)):
            can_keep = can_keep and self._has_kept(some)
            yield from some
        self.is_whole = can_keep

    def _has_kept(self, some: list[Listed]) -> bool:
        text = "".join(
            [f"{key}\0{pin.size_bytes}\0{pin.etag}\0{pin.version_id}\n" for key, pin in some]
        )
        if text.count("\n") != len(some) or text.count("\0") != _MARKS * len(some):
            return False
        try:
            self._file.write(text.encode())
        except (OSError, UnicodeError):
            return False
        return True

    def __iter__(self) -> Iterator[Listed]:
        self._file.seek(0)
        for line in self._file:
            key, size, etag, version_id = line[:-1].decode().split("\0")
            yield Listed(key, Pin(size_bytes=int(size), etag=etag, version_id=version_id))

    def close(self) -> None:
        """Let go of it. Safe to repeat."""
        self._file.close()


class KeptListings:
    """The latest few listings of a session. Thread safe.

    Args:
        aside: Returns the folder that long ones are in.
    """

    def __init__(self, aside: Callable[[], Path]) -> None:
        self._aside = aside
        self._kept: dict[tuple[str, Pin], KeptListing] = {}

    def pin_of(self, address: Address) -> Pin | None:
        """Return the pin of a foreign folder now, or None, and keep what it was made of."""
        with ExitStack() as stack:
            listing = stack.enter_context(closing(KeptListing(self._aside())))
            pin = pin_of_listing(address, listing.keep)
            if pin is not None and listing.is_whole:
                stack.pop_all()
                self._drop(self._kept.pop((address.uri, pin), None))
                self._kept[address.uri, pin] = listing
        while len(self._kept) > _MOST_KEPT:
            with suppress(KeyError, StopIteration, RuntimeError):  # another thread was first
                self._drop(self._kept.pop(next(iter(self._kept))))
        return pin

    def take(self, address: Address, pin: Pin) -> KeptListing | None:
        """Return the listing that this pin was made of, if it is kept; the caller closes it."""
        return self._kept.pop((address.uri, pin), None)

    def close(self) -> None:
        """Drop all. Safe to repeat."""
        while self._kept:
            self._drop(self._kept.popitem()[1])

    @staticmethod
    def _drop(listing: KeptListing | None) -> None:
        if listing is not None:
            listing.close()
