"""A folder in a store: brought into a workdir file by file, and into the host's cache.

A folder that we published has a manifest, and the manifest's pin is the folder's. A foreign folder
has none: then the listing is the pin, and what was downloaded is summed up as if it had a manifest.
Neither is held in memory: both are streams.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import (
    ArtifactNotFound,
    CacheFull,
    ObjectChanged,
)
from rootcellar.schemas.manifest import MANIFEST_NAME
from rootcellar.schemas.manifest_text import Line, ManifestText, ManifestWriter
from rootcellar.staging.cache.cache import cache_errors
from rootcellar.staging.engine.some import some_of
from rootcellar.staging.folders.folder_listing import (
    FolderListing,
    Unsorted,
    is_listing,
    pin_of_listing,
)
from rootcellar.staging.folders.folder_members import Flight, Members
from rootcellar.staging.folders.foreign_files import check_length, fetched_all, wanted_files
from rootcellar.staging.folders.known_members import KnownMembers
from rootcellar.staging.folders.member_files import MemberFiles
from rootcellar.staging.host.local_copy import NO_LINK, copy_read_only
from rootcellar.staging.host.temp_file import temp_name
from rootcellar.staging.stores.store import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.cache.cache import Cache, Cached
    from rootcellar.staging.folders.kept_listing import KeptListing, KeptListings
    from rootcellar.staging.stores.store import TotalProgress
    from rootcellar.staging.workdir.placed import FolderPlace

__all__ = ["FolderInput", "StagedFolder", "pin_of_folder"]

_LISTINGS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFolder:
    """A folder whose files lie in a workdir.

    Attributes:
        digest: Of its manifest.
        pin: The state these are the files of.
        misses: Of its files, how many were not on the host.
    """

    path: Path
    digest: Digest
    size_bytes: int
    members: int
    pin: Pin
    misses: int
    transferred_bytes: int


def pin_of_folder(address: Address, listings: KeptListings | None = None) -> Pin | None:
    """Return the state of a folder now, or None if nothing lies there.

    Args:
        address: Of the folder.
        listings: Keep what the pin of a foreign folder was made of, for `FolderInput`.
    """
    manifest_pin = address.store.stat(f"{address.key}/{MANIFEST_NAME}")
    if manifest_pin is not None:
        return manifest_pin
    return pin_of_listing(address) if listings is None else listings.pin_of(address)


class FolderInput:
    """Brings one folder into a workdir. Use once.

    Args:
        cache: Of this host.
        place: Makes the folder where the files go.
        aside: A folder that lives as long as the workdir.
        progress: Hears of all transfers.
        listings: What was listed in this session.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        place: Callable[[], FolderPlace],
        aside: Path,
        progress: TotalProgress | None = None,
        listings: KeptListings | None = None,
    ) -> None:
        # What is reserved for many is for the members of this folder only.
        self._cache = cache.within(aside)
        self._make_place = place
        self._manifest_path = aside / temp_name(MANIFEST_NAME)
        self._progress = progress
        self._listings = listings

    def stage(self, address: Address, pin: Pin, *, expected: Digest | None = None) -> StagedFolder:
        """Place the folder's files as pinned; where it has changed, as it is now.

        Args:
            address: Of the folder.
            pin: As `pin_of_folder` gave it.
            expected: Digest of the manifest; refuse a folder of other content.

        Raises:
            ArtifactNotFound: The folder or one of its members is gone, or it was replaced and is
                not what was expected.
            ContentError: Its manifest, or the name of a foreign member, cannot be used.
            StoreError: See `download`.
        """
        try:
            with cache_errors():
                if is_listing(pin):
                    return self._stage_foreign(address, pin, expected)
                return self._stage_own(address, pin, expected)
        finally:
            self._manifest_path.unlink(missing_ok=True)

    def _stage_own(self, address: Address, pin: Pin, expected: Digest | None) -> StagedFolder:
        at = Address(address.store, f"{address.key}/{MANIFEST_NAME}")
        held = self._cache.fetch(at, pin, progress=self._progress)
        _hold(held, self._manifest_path)
        manifest = ManifestText(self._manifest_path, uri=address.uri)
        if self._progress is not None:
            self._progress.expect(manifest.size_bytes)
        if expected is not None and manifest.digest != expected:
            raise _replaced(address)
        for line in manifest:
            check_length(address, line.path)
        with self._placing() as place, ExitStack() as stack:
            files = MemberFiles(self._cache, place, self._progress)
            members = Members(files, address, manifest)
            misses = moved = 0
            missing = members.missing(Flight(self._cache, address, held.pin, stack))
            for moved_bytes in chain.from_iterable(map(members.fetch_all, some_of(missing))):
                misses += 1
                moved += moved_bytes
        return _staged(place, manifest, pin=held.pin, misses=misses, transferred_bytes=moved)

    @contextmanager
    def _placing(self) -> Iterator[FolderPlace]:
        place = self._make_place()
        try:
            yield place
        except BaseException:
            place.remove()
            raise

    def _stage_foreign(self, address: Address, pin: Pin, expected: Digest | None) -> StagedFolder:
        with ExitStack() as stack:
            kept = None if self._listings is None else self._listings.take(address, pin)
            if kept is not None:
                stack.enter_context(closing(kept))
            elif expected is not None and pin_of_listing(address) != pin:
                raise _replaced(address)
            return self._stage_unchanged(address, pin, expected, kept)

    def _stage_unchanged(
        self, address: Address, pin: Pin, expected: Digest | None, kept: KeptListing | None
    ) -> StagedFolder:
        held = False
        for _ in range(_LISTINGS):
            with self._placing() as place:
                listing, kept = FolderListing(address, held=held, kept=kept), None
                try:
                    staged = self._stage_listing(address, pin, place, listing)
                except Unsorted:
                    held = True
                except (ArtifactNotFound, ObjectChanged):
                    # A member may be gone that was there when the listing was kept.
                    if not listing.is_kept or expected is not None:
                        raise
                else:
                    if expected is not None and (staged.pin, staged.digest) != (pin, expected):
                        raise _replaced(address)
                    # Unchanged from the first file to the last, or it may be a mix of two states.
                    if pin_of_listing(address) == staged.pin:
                        return staged
                place.remove()
        raise ObjectChanged(
            f"the folder changed {_LISTINGS} times while it was read",
            "",
            address.uri,
            "Try again when nobody writes there",
        )

    def _stage_listing(
        self, address: Address, pin: Pin, place: FolderPlace, listing: FolderListing
    ) -> StagedFolder:
        misses = moved = 0
        files = MemberFiles(self._cache, place, self._progress)

        def lines() -> Iterator[Line]:
            nonlocal misses, moved
            with ExitStack() as stack:
                flight = Flight(self._cache, address, pin, stack)
                known = KnownMembers(self._cache, address, stack)
                looked = known.look_up(wanted_files(address, listing), flight)
                for some in some_of(looked):
                    arrived = fetched_all(files, address, some, known.note)
                    for one, cached in zip(some, arrived, strict=True):
                        misses += not cached.hit
                        moved += cached.transferred_bytes
                        yield Line(one.wanted.path, cached.size_bytes, cached.digest)

        manifest = ManifestWriter(lines())
        manifest.sum_up()
        if not listing.members:
            raise ArtifactNotFound("the folder is empty", "", address.uri, "Check the key")
        return _staged(place, manifest, pin=listing.pin, misses=misses, transferred_bytes=moved)


def _staged(
    place: FolderPlace,
    manifest: ManifestText | ManifestWriter,
    *,
    pin: Pin,
    misses: int,
    transferred_bytes: int,
) -> StagedFolder:
    return StagedFolder(
        path=place.path,
        digest=manifest.digest,
        size_bytes=manifest.size_bytes,
        members=manifest.members,
        pin=pin,
        misses=misses,
        transferred_bytes=transferred_bytes,
    )


def _hold(cached: Cached, path: Path) -> None:
    """Keep an entry for as long as `path` is there: it is read more than once."""
    try:
        try:
            os.link(cached.location, path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
            copy_read_only(cached.location, os.fspath(path))
    except FileNotFoundError as error:
        raise CacheFull(
            "the manifest was evicted before it could be read", remedy="Try again later"
        ) from error


def _replaced(address: Address) -> ArtifactNotFound:
    return ArtifactNotFound(
        "this version of the folder was replaced since, and can no longer be read",
        "",
        address.uri,
        "Use the newest version, or keep versions in the store",
    )
