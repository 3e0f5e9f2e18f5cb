"""A folder in a store: what it holds, and its files in the cache.

A folder that we published has a manifest, and the manifest's pin is the folder's. A foreign folder
has none: then the listing is the pin, and a manifest is made of what was downloaded.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import (
    ArtifactNotFound,
    ContentError,
    DigestMismatch,
    ObjectChanged,
)
from rootcellar.schemas.manifest import MANIFEST_NAME, Manifest, Member, check_member_path
from rootcellar.schemas.ref import Pin
from rootcellar.staging.output import VERSION_ROOT
from rootcellar.staging.stores.store import Address

if TYPE_CHECKING:
    from collections.abc import Collection

    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.cache import Cache, Cached
    from rootcellar.staging.stores.store import Listed, Progress

__all__ = ["CachedFolder", "FolderInput", "foreign_members", "is_foreign", "pin_of_folder"]

_LISTING_PREFIX = "listing-"
_LISTINGS = 4
_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class CachedFolder:
    """A folder whose files are all in the cache.

    Attributes:
        members: Path within the folder to the entry.
        pin: The state these are the files of.
    """

    manifest: Manifest
    members: dict[str, Cached]
    pin: Pin


def pin_of_folder(address: Address) -> Pin | None:
    """Return the state of a folder now, or None if nothing lies there."""
    manifest_pin = address.store.stat(f"{address.key}/{MANIFEST_NAME}")
    if manifest_pin is not None:
        return manifest_pin
    listing = _list(address)
    return _pin_of_listing(listing) if listing else None


def foreign_members(address: Address, pin: Pin) -> dict[str, Listed] | None:
    """Return the files of a folder without a manifest by path; None if it is not as pinned.

    Raises:
        ContentError: The name of a file cannot be used.
    """
    listing = _list(address)
    if _pin_of_listing(listing) != pin:
        return None
    return {_member_path(address, item): item for item in listing}


def is_foreign(pin: Pin) -> bool:
    """Tell whether a folder's pin is that of a listing, because it has no manifest."""
    return pin.etag.startswith(_LISTING_PREFIX)


class FolderInput:
    """Brings folders into a cache."""

    def __init__(self, cache: Cache, progress: Progress | None = None) -> None:
        self._cache = cache
        self._progress = progress

    def fetch(self, address: Address, pin: Pin, *, expected: Digest | None = None) -> CachedFolder:
        """Return the folder's files as pinned; where it has changed, as it is now.

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
        if pin.etag.startswith(_LISTING_PREFIX):
            return self._fetch_foreign(address, pin, expected)
        manifest_address = Address(address.store, f"{address.key}/{MANIFEST_NAME}")
        cached = self._cache.fetch(manifest_address, pin, progress=self._progress)
        manifest = Manifest.from_bytes(cached.path.read_bytes(), uri=address.uri)
        if self._progress is not None:
            self._progress.expect(manifest.size_bytes)
        if expected is not None and manifest.digest != expected:
            raise _replaced(address)
        _check_tree(address, [member.path for member in manifest.members])
        members = {
            member.path: self._fetch_member(address, manifest.root, member)
            for member in manifest.members
        }
        return CachedFolder(manifest, members, cached.pin)

    def _fetch_member(self, folder: Address, root: str, member: Member) -> Cached:
        key = "/".join(part for part in (folder.key, root, member.path) if part)
        address = Address(folder.store, key)
        # A pin without etag serves as long as the entry is on the host, and spares a request.
        pin: Pin | None = Pin(size_bytes=member.size_bytes)
        if self._cache.find(member.digest, member.size_bytes) is None:
            pin = address.store.stat(key)
        if pin is None:
            raise ArtifactNotFound(
                "a member that the manifest names is gone", "", address.uri, "Publish it again"
            )
        if pin.size_bytes != member.size_bytes:
            raise DigestMismatch(
                f"it has {pin.size_bytes} bytes, and {member.size_bytes} in the manifest",
                "",
                address.uri,
                "Something wrote into the folder; publish it again",
            )
        return self._cache.fetch(address, pin, expected=member.digest, progress=self._progress)

    def _fetch_foreign(self, address: Address, pin: Pin, expected: Digest | None) -> CachedFolder:
        for _ in range(_LISTINGS):
            listing = _list(address)
            if not listing:
                raise ArtifactNotFound("the folder is empty", "", address.uri, "Check the key")
            listed_pin = _pin_of_listing(listing)
            names = {item: _member_path(address, item) for item in listing}
            _check_tree(address, names.values())
            if expected is not None and listed_pin != pin:
                raise _replaced(address)
            members = {
                name: self._cache.fetch(
                    Address(address.store, item.key), item.pin, progress=self._progress
                )
                for item, name in names.items()
            }
            manifest = _made_of(members)
            if expected is not None and manifest.digest != expected:
                raise _replaced(address)
            # Unchanged from the first file to the last, or it may be a mix of two states.
            if _pin_of_listing(_list(address)) == listed_pin:
                return CachedFolder(manifest, members, listed_pin)
        raise ObjectChanged(
            f"the folder changed {_LISTINGS} times while it was read",
            "",
            address.uri,
            "Try again when nobody writes there",
        )


def _list(address: Address) -> tuple[Listed, ...]:
    """List a foreign folder, without what runs that did not finish left in it."""
    start = len(address.key) + 1
    listing = (
        item
        for item in address.store.list(address.key)
        if not VERSION_ROOT.fullmatch(item.key[start:].partition("/")[0])
    )
    return tuple(sorted(listing, key=lambda item: item.key))


def _pin_of_listing(listing: tuple[Listed, ...]) -> Pin:
    state = hashlib.sha256()
    for item in listing:
        line = f"{item.key}\0{item.pin.size_bytes}\0{item.pin.token}\n"
        # A name that is no text is refused when it is staged, with a better error than this one.
        state.update(line.encode(errors="surrogateescape"))
    size_bytes = sum(item.pin.size_bytes for item in listing)
    return Pin(size_bytes=size_bytes, etag=f"{_LISTING_PREFIX}{state.hexdigest()}")


def _member_path(folder: Address, item: Listed) -> str:
    try:
        return check_member_path(item.key[len(folder.key) + 1 :])
    except ValueError as error:
        raise ContentError(
            f"the name of a file in the folder is not safe: {item.key!a}",
            "",
            folder.uri,
            "Rename it in its store",
        ) from error


def _check_tree(folder: Address, names: Collection[str]) -> None:
    """Refuse names that a bucket may hold and a disk not, before anything is downloaded."""
    parents = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents}
    twins = sorted(parents & set(names))
    if twins:
        raise ContentError(
            f"{twins[0]!a} in it is a file and a folder at once",
            "",
            folder.uri,
            "Rename one of them in its store",
        )
    for name in names:
        if any(len(os.fsencode(segment)) > _NAME_BYTES for segment in name.split("/")):
            raise ContentError(
                f"the name of a file in the folder is too long for a disk: {name[:40]!a}…",
                "",
                folder.uri,
                f"Use at most {_NAME_BYTES} bytes between two slashes",
            )


def _made_of(members: dict[str, Cached]) -> Manifest:
    return Manifest.of(
        Member(path=path, size_bytes=cached.size_bytes, digest=cached.digest)
        for path, cached in members.items()
    )


def _replaced(address: Address) -> ArtifactNotFound:
    return ArtifactNotFound(
        "this version of the folder was replaced since, and can no longer be read",
        "",
        address.uri,
        "Use the newest version, or keep versions in the store",
    )
