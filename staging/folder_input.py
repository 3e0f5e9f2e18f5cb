"""A folder in a store: brought into a workdir file by file, and into the host's cache.

A folder that we published has a manifest, and the manifest's pin is the folder's. A foreign folder
has none: then the listing is the pin, and a manifest is made of what was downloaded. Neither is
held in memory: both are streams.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import tee
from typing import TYPE_CHECKING, NamedTuple

from rootcellar.schemas.errors import (
    ArtifactNotFound,
    CacheFull,
    ContentError,
    ObjectChanged,
    StoreUnavailable,
)
from rootcellar.schemas.manifest import MANIFEST_NAME
from rootcellar.schemas.manifest_text import Line, ManifestText, ManifestWriter, in_order
from rootcellar.schemas.ref import Pin
from rootcellar.staging.cache import cache_errors
from rootcellar.staging.folder_listing import (
    FolderListing,
    Unsorted,
    is_listing,
    member_path,
    pin_of_listing,
)
from rootcellar.staging.hashing import digest_bytes
from rootcellar.staging.host_lock import HostLock
from rootcellar.staging.local_copy import NO_LINK, copy_read_only
from rootcellar.staging.member_download import SMALL_BYTES, read_member
from rootcellar.staging.member_files import MemberFiles
from rootcellar.staging.pipeline import pipelined
from rootcellar.staging.stores.store import Address
from rootcellar.staging.temp_file import create_temp, temp_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.cache import Cache, Cached
    from rootcellar.staging.stores.store import Listed, TotalProgress
    from rootcellar.staging.workdir import FolderPlace

__all__ = ["FolderInput", "StagedFolder", "pin_of_folder"]

_LISTINGS = 4
_NAME_BYTES = 255


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


class _Wanted(NamedTuple):
    """A foreign file and its path in the folder."""

    path: str
    item: Listed


def pin_of_folder(address: Address) -> Pin | None:
    """Return the state of a folder now, or None if nothing lies there."""
    manifest_pin = address.store.stat(f"{address.key}/{MANIFEST_NAME}")
    return manifest_pin if manifest_pin is not None else pin_of_listing(address)


class FolderInput:
    """Brings one folder into a workdir. Use once.

    Args:
        cache: Of this host.
        place: Makes the folder where the files go.
        aside: A folder that lives as long as the workdir.
        progress: Hears of all transfers.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        place: Callable[[], FolderPlace],
        aside: Path,
        progress: TotalProgress | None = None,
    ) -> None:
        self._cache = cache
        self._make_place = place
        self._manifest_path = aside / temp_name(MANIFEST_NAME)
        self._progress = progress

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
            _check_length(address, line.path)
        with self._placing() as place, ExitStack() as stack:
            files = MemberFiles(self._cache, place, self._progress)
            members = _Members(files, address, manifest)
            misses = moved = 0
            missing = members.missing(_Flight(self._cache, address, held.pin, stack))
            for moved_bytes in pipelined(missing, members.fetch, parallel=address.store.parallel):
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
        if expected is not None and pin_of_listing(address) != pin:
            raise _replaced(address)
        held = False
        for _ in range(_LISTINGS):
            with self._placing() as place:
                try:
                    staged = self._stage_listing(address, pin, place, held=held)
                except Unsorted:
                    held = True
                else:
                    if expected is not None and (staged.pin, staged.digest) != (pin, expected):
                        raise _replaced(address)
                    # Unchanged from the first file to the last, or it may be a mix of two states.
                    if pin_of_listing(address) == staged.pin:
                        return staged
                place.remove()
                self._manifest_path.unlink(missing_ok=True)
        raise ObjectChanged(
            f"the folder changed {_LISTINGS} times while it was read",
            "",
            address.uri,
            "Try again when nobody writes there",
        )

    def _known(
        self, address: Address, files: Iterator[_Wanted], flight: _Flight
    ) -> Iterator[tuple[_Wanted, Cached | None]]:
        """Look foreign files up in the cache."""
        for wanted in files:
            at = Address(address.store, wanted.item.key)
            cached = self._cache.known(at, wanted.item.pin)
            if cached is None and not flight.is_alone:
                flight.begin()
                cached = self._cache.known(at, wanted.item.pin)
            yield wanted, cached

    def _stage_listing(
        self, address: Address, pin: Pin, place: FolderPlace, *, held: bool
    ) -> StagedFolder:
        listing, misses, moved = FolderListing(address, held=held), 0, 0
        files = MemberFiles(self._cache, place, self._progress)

        def fetch(known: tuple[_Wanted, Cached | None]) -> Cached:
            return _fetched(files, address, *known)

        def lines() -> Iterator[Line]:
            nonlocal misses, moved
            wanted, twin = tee(_wanted(address, listing))
            with ExitStack() as stack:
                flight = _Flight(self._cache, address, pin, stack)
                known = self._known(address, wanted, flight)
                arrived = pipelined(known, fetch, parallel=address.store.parallel, ordered=True)
                for one, cached in zip(twin, arrived, strict=True):
                    misses += not cached.hit
                    moved += cached.transferred_bytes
                    yield Line(one.path, cached.size_bytes, cached.digest)

        with create_temp(self._manifest_path) as file:
            file.writelines(ManifestWriter(lines()).blocks())
        if not listing.members:
            raise ArtifactNotFound("the folder is empty", "", address.uri, "Check the key")
        manifest = ManifestText(self._manifest_path, uri=address.uri)
        return _staged(place, manifest, pin=listing.pin, misses=misses, transferred_bytes=moved)


class _Members:
    """The members of a folder that we published, on their way to their places."""

    def __init__(self, files: MemberFiles, folder: Address, manifest: ManifestText) -> None:
        self._files = files
        self._folder = folder
        self._manifest = manifest
        self._root = "/".join(part for part in (folder.key, manifest.root) if part)

    def missing(self, flight: _Flight) -> Iterator[Line]:
        """Place what the host has, and yield the rest."""
        for line in self._manifest:
            if self._files.place_known(line):
                continue
            if not flight.is_alone:
                flight.begin()
                missing = sum(one.size_bytes for one in self._manifest if self._files.lacks(one))
                flight.reserve(missing)
                # Another process may have downloaded it while we waited.
                if self._files.place_known(line):
                    continue
            yield line

    def fetch(self, line: Line) -> int:
        """Bring a member to its place and into the cache; return how many bytes moved."""
        key = f"{self._root}/{line.path}"
        if line.size_bytes <= SMALL_BYTES and self._files.links:
            content = read_member(self._folder, key, line)
            if self._files.write(line, content):
                return len(content)
        at, pin = Address(self._folder.store, key), Pin(size_bytes=line.size_bytes)
        return self._files.fetch(line.path, at, pin, line.digest).transferred_bytes


class _Flight:
    """From the first miss on, one process of this host downloads the folder; others wait."""

    def __init__(self, cache: Cache, folder: Address, pin: Pin, stack: ExitStack) -> None:
        self._cache = cache
        self._folder = folder
        self._pin = pin
        self._stack = stack
        self.is_alone = False

    def begin(self) -> None:
        state = hashlib.sha256(f"{self._folder.uri}\n{self._pin.token}".encode()).hexdigest()
        lock = HostLock.take(self._cache.root / "locks" / f"source-{state}")
        self._stack.enter_context(self._stack.enter_context(lock).passing())
        self.is_alone = True

    def reserve(self, size_bytes: int) -> None:
        self._stack.enter_context(self._cache.reserve(size_bytes, self._folder.uri))


def _wanted(folder: Address, listing: FolderListing) -> Iterator[_Wanted]:
    """Yield the listed files; refuse names that a bucket may hold and a disk not."""
    files = (_Wanted(member_path(folder, item), item) for item in listing)
    try:
        for wanted in in_order(files):
            _check_length(folder, wanted.path)
            yield wanted
    except ValueError as error:
        raise ContentError(str(error), "", folder.uri, "Rename one of them in its store") from error


def _fetched(files: MemberFiles, folder: Address, wanted: _Wanted, cached: Cached | None) -> Cached:
    """Bring a foreign file to its place: from the cache, by one request, or as any large one."""
    at, pin = Address(folder.store, wanted.item.key), wanted.item.pin
    if cached is not None and files.place(wanted.path, cached):
        return cached
    if 0 < pin.size_bytes <= SMALL_BYTES and files.links:
        try:
            content = at.store.read(at.key, pin, 0, pin.size_bytes)
        except (ObjectChanged, StoreUnavailable):
            content = b""  # the long way knows what to do
        if len(content) == pin.size_bytes:
            line = Line(wanted.path, len(content), digest_bytes(content, at.store.algorithm))
            if files.write(line, content):
                return files.remembered(line, at, pin)
    return files.fetch(wanted.path, at, pin, None)


def _staged(
    place: FolderPlace, manifest: ManifestText, *, pin: Pin, misses: int, transferred_bytes: int
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


def _check_length(folder: Address, path: str) -> None:
    """Refuse a name that no disk can hold."""
    if len(path) * 4 <= _NAME_BYTES:
        return
    if any(len(os.fsencode(segment)) > _NAME_BYTES for segment in path.split("/")):
        raise ContentError(
            f"the name of a file in the folder is too long for a disk: {path[:40]!a}…",
            "",
            folder.uri,
            f"Use at most {_NAME_BYTES} bytes between two slashes",
        )


def _replaced(address: Address) -> ArtifactNotFound:
    return ArtifactNotFound(
        "this version of the folder was replaced since, and can no longer be read",
        "",
        address.uri,
        "Use the newest version, or keep versions in the store",
    )
