"""A folder in a store: brought into a workdir file by file, and into the host's cache.

A folder that we published has a manifest, and the manifest's pin is the folder's. A foreign folder
has none: then the listing is the pin, and a manifest is made of what was downloaded. Neither is
held in memory: both are streams.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rootcellar.schemas.errors import ArtifactNotFound, ContentError, ObjectChanged
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
from rootcellar.staging.host_lock import locked
from rootcellar.staging.local_copy import link_or_copy
from rootcellar.staging.member_download import SMALL_BYTES, read_member
from rootcellar.staging.pipeline import pipelined
from rootcellar.staging.placed_folder import PlacedFolder
from rootcellar.staging.stores.store import Address
from rootcellar.staging.temp_file import create_temp, temp_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.cache import Cache, Cached
    from rootcellar.staging.stores.store import Listed, Progress

__all__ = ["FolderInput", "StagedFolder", "pin_of_folder"]

_LISTINGS = 4
_NAME_BYTES = 255
_LINK_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFolder:
    """A folder whose files lie in a workdir.

    Attributes:
        placed: The files as they were placed.
        pin: The state these are the files of.
        hit: All of its files were on the host.
    """

    placed: PlacedFolder
    pin: Pin
    hit: bool
    transferred_bytes: int


class _Wanted(NamedTuple):
    """A foreign file and its path in the folder."""

    path: str
    item: Listed


class _Arrived(NamedTuple):
    """A foreign file that was placed."""

    line: Line
    hit: bool
    transferred_bytes: int


def pin_of_folder(address: Address) -> Pin | None:
    """Return the state of a folder now, or None if nothing lies there."""
    manifest_pin = address.store.stat(f"{address.key}/{MANIFEST_NAME}")
    return manifest_pin if manifest_pin is not None else pin_of_listing(address)


class FolderInput:
    """Brings one folder into a workdir. Use once.

    Args:
        cache: Of this host.
        make_top: Makes the folder where the files go, and returns it.
        aside: A folder that lives as long as the workdir.
        progress: Hears of all transfers.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        make_top: Callable[[], Path],
        aside: Path,
        progress: Progress | None = None,
    ) -> None:
        self._cache = cache
        self._make_top = make_top
        self._top = aside
        self._manifest_path = aside / temp_name(MANIFEST_NAME)
        self._progress = progress
        self._last_parent = ""

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
        with cache_errors():
            if is_listing(pin):
                return self._stage_foreign(address, pin, expected)
            return self._stage_own(address, pin, expected)

    def _stage_own(self, address: Address, pin: Pin, expected: Digest | None) -> StagedFolder:
        at = Address(address.store, f"{address.key}/{MANIFEST_NAME}")
        cached = _linked(
            lambda: self._cache.fetch(at, pin, progress=self._progress), self._manifest_path
        )
        manifest = ManifestText(self._manifest_path, uri=address.uri)
        if expected is not None and manifest.digest != expected:
            raise _replaced(address)
        for line in manifest:
            _check_length(address, line.path)
        self._top = self._make_top()
        root = "/".join(part for part in (address.key, manifest.root) if part)
        misses = moved = 0

        def download(line: Line) -> int:
            return self._download(address, f"{root}/{line.path}", line)

        with ExitStack() as flight:
            missing = self._missing(address, cached.pin, manifest, flight)
            for moved_bytes in pipelined(missing, download, parallel=address.store.parallel):
                misses += 1
                moved += moved_bytes
        placed = PlacedFolder(self._top, manifest)
        return StagedFolder(placed=placed, pin=cached.pin, hit=not misses, transferred_bytes=moved)

    def _missing(
        self, address: Address, pin: Pin, manifest: ManifestText, flight: ExitStack
    ) -> Iterator[Line]:
        """Place what the host has, and yield the rest; nobody else downloads that meanwhile."""
        alone = False
        for line in manifest:
            target = self._target(line.path)
            if self._place(line, target):
                continue
            if not alone:
                name = hashlib.sha256(f"{address.uri}\n{pin.token}".encode()).hexdigest()
                flight.enter_context(locked(self._cache.root / "locks" / f"source-{name}"))
                alone = True
                # Another process may have downloaded it while we waited.
                if self._place(line, target):
                    continue
            yield line

    def _place(self, line: Line, target: str) -> bool:
        """Link a member that is in the cache, and tell whether it was."""
        entry = self._cache.find(line.digest, line.size_bytes)
        if entry is None:
            return False
        try:
            link_or_copy(entry, target)
        except FileNotFoundError:
            # Evicted at this moment.
            return False
        return True

    def _download(self, folder: Address, key: str, line: Line) -> int:
        """Bring a member to its place and into the cache; return how many bytes moved."""
        target = f"{self._top}/{line.path}"
        if line.size_bytes > SMALL_BYTES:
            at, pin = Address(folder.store, key), Pin(size_bytes=line.size_bytes)
            cached = _linked(
                lambda: self._cache.fetch(at, pin, expected=line.digest, progress=self._progress),
                target,
            )
            return cached.transferred_bytes
        content = read_member(folder, key, line)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(target, flags, 0o600)
        try:
            os.write(file, content)
        finally:
            os.close(file)
        self._cache.add(self._top / line.path, line.digest)
        if self._progress is not None:
            self._progress.advance(len(content))
        return len(content)

    def _stage_foreign(self, address: Address, pin: Pin, expected: Digest | None) -> StagedFolder:
        if expected is not None and pin_of_listing(address) != pin:
            raise _replaced(address)
        self._top = self._make_top()
        held = False
        for _ in range(_LISTINGS):
            listing = FolderListing(address, held=held)
            try:
                staged = self._stage_listing(address, listing)
            except Unsorted:
                held = True
            else:
                found = staged.placed.manifest.digest
                if expected is not None and (staged.pin != pin or found != expected):
                    raise _replaced(address)
                # Unchanged from the first file to the last, or it may be a mix of two states.
                if pin_of_listing(address) == staged.pin:
                    return staged
            self._clear()
        raise ObjectChanged(
            f"the folder changed {_LISTINGS} times while it was read",
            "",
            address.uri,
            "Try again when nobody writes there",
        )

    def _stage_listing(self, address: Address, listing: FolderListing) -> StagedFolder:
        misses = moved = 0

        def fetch(wanted: _Wanted) -> _Arrived:
            return self._fetch(address, wanted)

        def lines() -> Iterator[Line]:
            nonlocal misses, moved
            files = self._wanted(address, listing)
            for arrived in pipelined(files, fetch, parallel=address.store.parallel, ordered=True):
                misses += not arrived.hit
                moved += arrived.transferred_bytes
                yield arrived.line

        with create_temp(self._manifest_path) as file:
            file.writelines(ManifestWriter(lines()).blocks())
        if not listing.members:
            raise ArtifactNotFound("the folder is empty", "", address.uri, "Check the key")
        manifest = ManifestText(self._manifest_path, uri=address.uri)
        placed = PlacedFolder(self._top, manifest)
        return StagedFolder(placed=placed, pin=listing.pin, hit=not misses, transferred_bytes=moved)

    def _wanted(self, address: Address, listing: FolderListing) -> Iterator[_Wanted]:
        """Yield the listed files; refuse names that a bucket may hold and a disk not."""
        files = (_Wanted(member_path(address, item), item) for item in listing)
        try:
            for wanted in in_order(files):
                _check_length(address, wanted.path)
                self._target(wanted.path)
                yield wanted
        except ValueError as error:
            raise ContentError(
                str(error), "", address.uri, "Rename one of them in its store"
            ) from error

    def _fetch(self, folder: Address, wanted: _Wanted) -> _Arrived:
        at, pin = Address(folder.store, wanted.item.key), wanted.item.pin
        cached = _linked(
            lambda: self._cache.fetch(at, pin, progress=self._progress),
            f"{self._top}/{wanted.path}",
        )
        line = Line(wanted.path, cached.size_bytes, cached.digest)
        return _Arrived(line, cached.hit, cached.transferred_bytes)

    def _target(self, path: str) -> str:
        """Return where a member goes; its folder exists. For members in order."""
        parent = path.rpartition("/")[0]
        if parent != self._last_parent:
            (self._top / parent).mkdir(mode=0o700, parents=True, exist_ok=True)
            self._last_parent = parent
        return f"{self._top}/{path}"

    def _clear(self) -> None:
        shutil.rmtree(self._top)
        self._top.mkdir(mode=0o700)
        self._manifest_path.unlink(missing_ok=True)
        self._last_parent = ""


def _linked(fetch: Callable[[], Cached], target: str | Path) -> Cached:
    """Fetch an entry and link it, again if it was evicted in between."""
    for _ in range(_LINK_TRIES - 1):
        cached = fetch()
        try:
            link_or_copy(cached.path, target)
        except FileNotFoundError:
            continue
        return cached
    cached = fetch()
    link_or_copy(cached.path, target)
    return cached


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
