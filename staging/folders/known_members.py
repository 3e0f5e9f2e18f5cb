"""What is known of the members of a foreign folder: looked up in one go, and noted list by list."""

from __future__ import annotations

from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING

from rootcellar.staging.folders.foreign_files import Looked
from rootcellar.staging.stores.store import Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import ExitStack

    from rootcellar.staging.cache.cache import Cache, Cached
    from rootcellar.staging.cache.folder_notes import Lookup
    from rootcellar.staging.folders.folder_members import Flight
    from rootcellar.staging.folders.foreign_files import Wanted

__all__ = ["KnownMembers"]


class KnownMembers:
    """The cache, asked for the members of one foreign folder in their order.

    Args:
        cache: Of this host.
        folder: Where they are.
        stack: What is open here is closed with it.
    """

    def __init__(self, cache: Cache, folder: Address, stack: ExitStack) -> None:
        self._cache = cache
        self._folder = folder
        self._stack = stack
        self._notes = cache.sources.folder(folder)

    def look_up(self, files: Iterator[Wanted], flight: Flight) -> Iterator[Looked]:
        """Pass on foreign files, each with its entry if there is one."""
        lookup, has_single = self._opened()
        for wanted in files:
            cached = self._entry(wanted, lookup, has_single=has_single)
            if cached is None and not flight.is_alone:
                flight.begin()
                # Another process may have noted them while we waited for it.
                lookup, has_single = self._opened()
                cached = self._entry(wanted, lookup, has_single=has_single)
            yield Looked(wanted, cached)

    def note(self, some: list[Looked], arrived: Mapping[int, Cached]) -> None:
        """Note of those that were not there, and are now, which bytes they have."""
        notes = [
            (some[number].wanted.path, token, cached.digest)
            for number, cached in sorted(arrived.items(), key=itemgetter(0))
            if not cached.hit and not (token := cached.pin.token).startswith("size:")
        ]
        # What is not noted is downloaded once more.
        with suppress(OSError):
            self._notes.append(self._folder.uri, notes)

    def _opened(self) -> tuple[Lookup, bool]:
        return self._stack.enter_context(self._notes.lookup()), self._cache.sources.has_single()

    def _entry(self, wanted: Wanted, lookup: Lookup, *, has_single: bool) -> Cached | None:
        path, item = wanted
        digest = lookup.digest(path, item.pin.token)
        if digest is None and not has_single:
            return None
        at = Address(self._folder.store, item.key)
        return self._cache.known_member(at, item.pin, digest)
