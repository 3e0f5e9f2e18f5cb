"""Publish what a run wrote: all of its outputs or none, each at once and whole.

Everything is transferred first, invisibly; then everything is made visible in a row: the members
of folders, below a segment of their own that nobody reads yet, then files and manifests. Within
that last row a store that fails may leave the first outputs visible and the others not: no store
offers more than one object at a time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.manifest import MANIFEST_NAME, Manifest, Member
from rootcellar.staging.output import VERSION_ROOT, Output, check_written
from rootcellar.staging.stores.store import Address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Kind, Pin
    from rootcellar.staging.stores.location import Stores
    from rootcellar.staging.stores.store import PendingUpload, Progress

__all__ = [
    "LocalFile",
    "Publication",
    "Published",
    "PublishedManifest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An output that is visible.

    Attributes:
        digest: Of the file, or of the folder's manifest.
        pin: Of the object at `uri`; for a folder, of its manifest object.
        members: Number of files of a folder; None for a file.
    """

    uri: str
    kind: Kind
    digest: Digest
    size_bytes: int
    pin: Pin
    members: int | None
    transferred_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A local file whose bytes were published, and where."""

    path: Path
    digest: Digest
    address: Address
    pin: Pin


@dataclass(frozen=True, slots=True)
class PublishedManifest:
    """A folder's manifest object as it was published."""

    address: Address
    pin: Pin
    text: bytes


@dataclass(slots=True)
class _Upload:
    """One file on its way: transferred, not yet visible."""

    output: Output
    path: Path
    address: Address
    pending: PendingUpload
    identity: tuple[int, int, int]
    pin: Pin | None = None

    @property
    def is_steady(self) -> bool:
        """Whether the file is still the one that was transferred."""
        return _identity(self.path) == self.identity

    def publish(self) -> Pin:
        if not self.is_steady:
            raise _unsteady(self.output, self.path)
        self.pin = self.pending.publish()
        return self.pin


@dataclass(slots=True)
class _Prepared:
    output: Output
    address: Address
    uploads: list[_Upload] = field(default_factory=list)
    manifest: Manifest | None = None
    manifest_pin: Pin | None = None
    seconds: float = 0.0


class Publication:
    """The outputs of one run: `prepare` each, then `commit` them together, or `abort`."""

    def __init__(self, stores: Stores, progress: Progress | None = None) -> None:
        self._stores = stores
        self._progress = progress
        self._prepared: list[_Prepared] = []

    def prepare(self, output: Output) -> None:
        """Check an output and transfer it, visible to nobody.

        Folders are walked without following links; empty folders in them are left out.

        Raises:
            MissingOutput: Nothing is at its path.
            ContentError: It is not a regular file or a folder of such, a name cannot be kept, or
                something wrote to it meanwhile.
            StoreError: The store could not take it.
        """
        started = time.monotonic()
        address = self._stores.store_for(output.uri.rstrip("/"))
        prepared = _Prepared(output, address)
        # Before anything is transferred, so that `abort` knows of all of it.
        self._prepared.append(prepared)
        names = check_written(output)
        if output.kind == "file":
            self._upload(prepared, output.path, address)
        else:
            self._upload_folder(prepared, names)
        prepared.seconds = time.monotonic() - started

    def commit(self) -> tuple[Published, ...]:
        """Make all prepared outputs visible, and return them in the order of preparation.

        Raises:
            ContentError: Something wrote to an output since it was prepared.
            StoreError: A store failed; outputs published before stay visible.
        """
        try:
            for prepared in self._prepared:
                if prepared.manifest is not None:
                    _check_names(prepared.output, prepared.manifest)
                    for upload in prepared.uploads:
                        upload.publish()
            return tuple(_show(prepared) for prepared in self._prepared)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Give up what is not visible yet. Safe to repeat, and after `commit`."""
        for prepared in self._prepared:
            for upload in prepared.uploads:
                if upload.pin is None:
                    upload.pending.abort()

    def local_files(self) -> Iterator[LocalFile]:
        """Yield the files that still are what was published, members of folders too."""
        for prepared in self._prepared:
            for upload in prepared.uploads:
                if upload.pin is not None and upload.is_steady:
                    yield LocalFile(upload.path, upload.pending.digest, upload.address, upload.pin)

    def manifests(self) -> Iterator[PublishedManifest]:
        """Yield the manifests that were published."""
        for prepared in self._prepared:
            if prepared.manifest is not None and prepared.manifest_pin is not None:
                address = _manifest_address(prepared.address)
                text = prepared.manifest.to_bytes()
                yield PublishedManifest(address, prepared.manifest_pin, text)

    def _upload(self, prepared: _Prepared, path: Path, address: Address) -> _Upload:
        identity = _identity(path)
        pending = address.store.upload(address.key, path, self._progress)
        upload = _Upload(prepared.output, path, address, pending, identity)
        prepared.uploads.append(upload)
        if not upload.is_steady or pending.size_bytes != identity[1]:
            raise _unsteady(prepared.output, path)
        return upload

    def _upload_folder(self, prepared: _Prepared, names: tuple[str, ...]) -> None:
        output, address = prepared.output, prepared.address
        if output.root and not VERSION_ROOT.fullmatch(output.root):
            msg = f"not the root of a version: {output.root!r}"
            raise ValueError(msg)
        members = []
        for name in names:
            key = "/".join(part for part in (address.key, output.root, name) if part)
            upload = self._upload(prepared, output.path / name, Address(address.store, key))
            size_bytes, digest = upload.pending.size_bytes, upload.pending.digest
            members.append(Member(path=name, size_bytes=size_bytes, digest=digest))
        prepared.manifest = Manifest.of(members, root=output.root)


def _check_names(output: Output, manifest: Manifest) -> None:
    """Refuse a folder that files came to, or went from, since it was prepared."""
    if sorted(check_written(output)) != [member.path for member in manifest.members]:
        raise _unsteady(output, output.path)


def _show(prepared: _Prepared) -> Published:
    """Publish the one object that makes an output visible."""
    started = time.monotonic()
    output, manifest = prepared.output, prepared.manifest
    if manifest is None:
        upload = prepared.uploads[0]
        pin, digest = upload.publish(), upload.pending.digest
        size_bytes, members = upload.pending.size_bytes, None
    else:
        address = _manifest_address(prepared.address)
        pin = address.store.write_small(address.key, manifest.to_bytes())
        prepared.manifest_pin = pin
        digest, size_bytes, members = manifest.digest, manifest.size_bytes, len(manifest.members)
    return Published(
        uri=output.uri,
        kind=output.kind,
        digest=digest,
        size_bytes=size_bytes,
        pin=pin,
        members=members,
        transferred_bytes=size_bytes,
        seconds=prepared.seconds + time.monotonic() - started,
    )


def _manifest_address(folder: Address) -> Address:
    return Address(folder.store, f"{folder.key}/{MANIFEST_NAME}")


def _unsteady(output: Output, path: Path) -> ContentError:
    member = "" if path == output.path else f" (member {path.name!a})"
    return ContentError(
        f"it was written to while it was published{member}",
        output.artifact,
        output.uri,
        "Let nothing, such as a program in the background, write once the body has ended",
    )


def _identity(path: Path) -> tuple[int, int, int]:
    try:
        status = path.lstat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)
