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
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rootcellar.schemas.errors import (
    ArtifactNotFound,
    CacheFull,
    CacheUnusable,
    ContentError,
    ObjectChanged,
)
from rootcellar.schemas.manifest import MANIFEST_NAME
from rootcellar.schemas.manifest_text import Line, ManifestText, ManifestWriter, in_order
from rootcellar.schemas.ref import Pin
from rootcellar.staging.cache import Cached, cache_errors
from rootcellar.staging.folder_listing import (
    FolderListing,
    Unsorted,
    is_listing,
    member_path,
    pin_of_listing,
)
from rootcellar.staging.host_lock import locked
from rootcellar.staging.local_copy import NO_LINK, copy_read_only
from rootcellar.staging.member_download import SMALL_BYTES, read_member
from rootcellar.staging.pipeline import pipelined
from rootcellar.staging.stores.store import Address
from rootcellar.staging.temp_file import create_temp, temp_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.cache import Cache
    from rootcellar.staging.stores.store import Listed, Progress
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
        hit: All of its files were on the host.
    """

    path: Path
    digest: Digest
    size_bytes: int
    members: int
    pin: Pin
    hit: bool
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
        progress: Progress | None = None,
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
        if expected is not None and manifest.digest != expected:
            raise _replaced(address)
        for line in manifest:
            _check_length(address, line.path)
        with self._placing() as place, ExitStack() as stack:
            files = _Files(self._cache, place, address, manifest, self._progress)
            misses = moved = 0
            missing = files.missing(held.pin, stack)
            for moved_bytes in pipelined(missing, files.fetch, parallel=address.store.parallel):
                misses += 1
                moved += moved_bytes
        return _staged(place, manifest, pin=held.pin, hit=not misses, transferred_bytes=moved)

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
                    staged = self._stage_listing(address, place, held=held)
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

    def _stage_listing(self, address: Address, place: FolderPlace, *, held: bool) -> StagedFolder:
        listing, misses, moved = FolderListing(address, held=held), 0, 0

        def fetch(wanted: _Wanted) -> Cached:
            at = Address(address.store, wanted.item.key)
            cached = self._cache.fetch(at, wanted.item.pin, progress=self._progress)
            place.add(wanted.path, cached)
            return cached

        def lines() -> Iterator[Line]:
            nonlocal misses, moved
            files, twin = tee(_wanted(address, listing))
            arrived = pipelined(files, fetch, parallel=address.store.parallel, ordered=True)
            for wanted, cached in zip(twin, arrived, strict=True):
                misses += not cached.hit
                moved += cached.transferred_bytes
                yield Line(wanted.path, cached.size_bytes, cached.digest)

        with create_temp(self._manifest_path) as file:
            file.writelines(ManifestWriter(lines()).blocks())
        if not listing.members:
            raise ArtifactNotFound("the folder is empty", "", address.uri, "Check the key")
        manifest = ManifestText(self._manifest_path, uri=address.uri)
        return _staged(place, manifest, pin=listing.pin, hit=not misses, transferred_bytes=moved)


class _Files:
    """The members of a folder that we published, on their way to their places."""

    def __init__(
        self,
        cache: Cache,
        place: FolderPlace,
        folder: Address,
        manifest: ManifestText,
        progress: Progress | None,
    ) -> None:
        self._cache = cache
        self._place = place
        self._folder = folder
        self._manifest = manifest
        self._root = "/".join(part for part in (folder.key, manifest.root) if part)
        self._progress = progress
        # Whether files can have two names here.
        self._links = True

    def missing(self, pin: Pin, stack: ExitStack) -> Iterator[Line]:
        """Place what the host has, and yield the rest; until `stack` ends nobody else fetches it.

        Space for the rest is reserved until then, too.
        """
        alone = False
        for line in self._manifest:
            if self._placed(line):
                continue
            if not alone:
                alone = True
                state = hashlib.sha256(f"{self._folder.uri}\n{pin.token}".encode()).hexdigest()
                stack.enter_context(locked(self._cache.root / "locks" / f"source-{state}"))
                # Another process may have downloaded them while we waited.
                missing_bytes = sum(
                    one.size_bytes
                    for one in self._manifest
                    if self._cache.find(one.digest, one.size_bytes) is None
                )
                stack.enter_context(self._cache.reserve(missing_bytes, self._folder.uri))
                if self._placed(line):
                    continue
            yield line

    def fetch(self, line: Line) -> int:
        """Bring a member to its place and into the cache; return how many bytes moved."""
        key = f"{self._root}/{line.path}"
        if line.size_bytes > SMALL_BYTES or not self._links:
            at, pin = Address(self._folder.store, key), Pin(size_bytes=line.size_bytes)
            cached = self._cache.fetch(at, pin, expected=line.digest, progress=self._progress)
            self._place.add(line.path, cached)
            return cached.transferred_bytes
        content = read_member(self._folder, key, line)
        path = self._place.path_for(line.path)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        try:
            os.write(file, content)
        finally:
            os.close(file)
        self._enter(path, line)
        if self._progress is not None:
            self._progress.advance(len(content))
        return len(content)

    def _enter(self, path: str, line: Line) -> None:
        """Make a file at its place an entry of the cache as well."""
        try:
            entry = self._cache.add(Path(path), line.digest)
        except CacheUnusable as error:
            if getattr(error.__cause__, "errno", None) not in NO_LINK:
                raise
            # What lies here cannot be an entry at once: the next ones come by way of the cache.
            self._links = False
            os.unlink(path)  # noqa: PTH108 (a string, as all here)
            self.fetch(line)
            return
        if os.lstat(path).st_nlink == 1:
            # Another member has the same bytes, and was first.
            os.unlink(path)  # noqa: PTH108 (a string, as all here)
            self._place.add(line.path, _entry_of(line, entry))
        else:
            self._place.note(line.path, line.size_bytes, line.digest)

    def _placed(self, line: Line) -> bool:
        """Place a member that is in the cache, and tell whether it was."""
        found = self._cache.find(line.digest, line.size_bytes)
        if found is None:
            return False
        try:
            self._place.add(line.path, _entry_of(line, found))
        except CacheFull:
            # Evicted at this moment.
            return False
        return True


def _entry_of(line: Line, path: Path) -> Cached:
    pin = Pin.model_construct(size_bytes=line.size_bytes)
    return Cached(line.digest, os.fspath(path), line.size_bytes, pin, True, 0, 0.0)  # noqa: FBT003


def _wanted(folder: Address, listing: FolderListing) -> Iterator[_Wanted]:
    """Yield the listed files; refuse names that a bucket may hold and a disk not."""
    files = (_Wanted(member_path(folder, item), item) for item in listing)
    try:
        for wanted in in_order(files):
            _check_length(folder, wanted.path)
            yield wanted
    except ValueError as error:
        raise ContentError(str(error), "", folder.uri, "Rename one of them in its store") from error


def _staged(
    place: FolderPlace, manifest: ManifestText, *, pin: Pin, hit: bool, transferred_bytes: int
) -> StagedFolder:
    return StagedFolder(
        path=place.path,
        digest=manifest.digest,
        size_bytes=manifest.size_bytes,
        members=manifest.members,
        pin=pin,
        hit=hit,
        transferred_bytes=transferred_bytes,
    )


def _hold(cached: Cached, path: Path) -> None:
    """Keep an entry for as long as `path` is there: it is read more than once."""
    try:
        os.link(cached.location, path, follow_symlinks=False)
    except FileNotFoundError as error:
        raise CacheFull(
            "the manifest was evicted before it could be read", remedy="Try again later"
        ) from error
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        copy_read_only(cached.location, os.fspath(path))


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
