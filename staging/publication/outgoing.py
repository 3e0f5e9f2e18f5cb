"""Outputs on their way: transferred, checked once more, and made visible by one object each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.manifest import MANIFEST_NAME
from rootcellar.schemas.manifest_text import ManifestWriter
from rootcellar.staging.host.file_identity import identity_of
from rootcellar.staging.host.temp_file import create_temp, temp_name
from rootcellar.staging.publication.folder_upload import FolderUpload
from rootcellar.staging.publication.handover import Handover
from rootcellar.staging.publication.output import check_written, unsteady, walk
from rootcellar.staging.stores.store import Address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Kind, Pin
    from rootcellar.staging.host.file_identity import FileIdentity
    from rootcellar.staging.publication.output import Output
    from rootcellar.staging.stores.store import PendingUpload, Progress

__all__ = ["LocalFile", "OutgoingFile", "OutgoingFolder", "Published", "PublishedManifest"]

_SMALL_MANIFEST_BYTES = 1024 * 1024


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
    """A local file whose bytes were published, and where; a folder's member without that.

    Attributes:
        location: The path as a string.
    """

    location: str
    digest: Digest
    size_bytes: int
    address: Address | None = None
    pin: Pin | None = None


@dataclass(frozen=True, slots=True)
class PublishedManifest:
    """A folder's manifest object as it was published, in a local file beside the folder."""

    path: Path
    address: Address
    pin: Pin


class OutgoingFile:
    """One file."""

    def __init__(self, output: Output, address: Address, progress: Progress | None) -> None:
        self.output = output
        self._address = address
        self._progress = progress
        self._pending: PendingUpload | None = None
        self._identity = (0, 0, 0)
        self._pin: Pin | None = None
        self._seconds = 0.0

    def transfer(self) -> None:
        """Check and transfer it, visible to nobody."""
        started = time.monotonic()
        check_written(self.output)
        self._identity = _identity(self.output.path)
        store, key = self._address.store, self._address.key
        self._pending = store.upload(key, self.output.path, self._progress)
        if self._pending.size_bytes != self._identity[1]:
            raise unsteady(self.output)
        self.check()
        self._seconds = time.monotonic() - started

    def check(self) -> None:
        """Refuse what something wrote to since it was transferred."""
        if _identity(self.output.path) != self._identity:
            raise unsteady(self.output)

    def publish(self) -> Published:
        """Publish the one object that makes it visible."""
        started, pending = time.monotonic(), self._pending
        assert pending is not None  # noqa: S101 (transferred first)
        self.check()
        self._pin = pending.publish()
        return Published(
            uri=self.output.uri,
            kind="file",
            digest=pending.digest,
            size_bytes=pending.size_bytes,
            pin=self._pin,
            members=None,
            transferred_bytes=pending.size_bytes,
            seconds=self._seconds + time.monotonic() - started,
        )

    def abort(self) -> None:
        """Give up what is not visible. Safe to repeat."""
        if self._pending is not None and self._pin is None:
            self._pending.abort()

    def forget(self) -> None:
        """Do nothing: what is not published was aborted."""

    def tidy(self) -> None:
        """Do nothing: nothing else was written."""

    def local_files(self) -> Iterator[LocalFile]:
        """Yield the local files that still are what was published."""
        steady = _identity(self.output.path) == self._identity
        if self._pin is not None and self._pending is not None and steady:
            pending, location = self._pending, str(self.output.path)
            yield LocalFile(location, pending.digest, pending.size_bytes, self._address, self._pin)


class OutgoingFolder:
    """One folder: its members are sent, and then its manifest."""

    def __init__(self, output: Output, address: Address, progress: Progress | None) -> None:
        self.output = output
        self._address = Address(address.store, f"{address.key}/{MANIFEST_NAME}")
        self._upload = FolderUpload(output, address, progress)
        self._handover: Handover | None = None
        self._manifest_path = output.path.with_name(temp_name(MANIFEST_NAME))
        self._tried = False
        self._pin: Pin | None = None
        self._seconds = 0.0
        self._began: float | None = None
        self._address_of_folder = address

    def handover(self) -> Handover:
        """Return what takes members while the body runs; begun when first asked for."""
        if self._handover is None:
            self._began = time.monotonic()
            self._handover = Handover(self._upload, self._address_of_folder)
        return self._handover

    def transfer(self) -> None:
        """Check and transfer it, visible to nobody."""
        # What was handed over went meanwhile; a rate over the rest alone would be far too high.
        started = time.monotonic() if self._began is None else self._began
        if self._handover is not None:
            self._handover.finish()
        names = check_written(self.output)
        if again := next((name for name in names if name in self._upload.sent), None):
            raise ContentError(
                f"member {again!a} was written again after it was handed over",
                self.output.artifact,
                self.output.uri,
                "Add each member once, when it is finished",
            )
        for member in self._upload.send_all(names):
            if self._handover is not None:
                self._handover.note(member)
        self._seconds = time.monotonic() - started

    def check(self) -> None:
        """Refuse what something wrote to since it was transferred."""
        left = sum(1 for name, _ in walk(self.output) if self._is_steady(name))
        handed_over = len(self._handover.taken) if self._handover is not None else 0
        if left + handed_over != len(self._upload.sent):
            raise unsteady(self.output)

    def _is_steady(self, name: str) -> bool:
        sent = self._upload.sent.get(name)
        if sent is None or not self._upload.is_steady(sent):
            raise unsteady(self.output, name)
        return True

    def publish(self) -> Published:
        """Publish the one object that makes it visible."""
        started, store = time.monotonic(), self._address.store
        manifest = ManifestWriter(self._upload.lines(), root=self.output.root)
        with create_temp(self._manifest_path) as file:
            file.writelines(manifest.blocks())
        self._tried = True
        if self._manifest_path.stat().st_size <= _SMALL_MANIFEST_BYTES:
            pin = store.write_small(self._address.key, self._manifest_path.read_bytes())
        else:
            pending = store.upload(self._address.key, self._manifest_path)
            try:
                pin = pending.publish()
            finally:
                pending.abort()
        self._pin = pin
        return Published(
            uri=self.output.uri,
            kind="folder",
            digest=manifest.digest,
            size_bytes=manifest.size_bytes,
            pin=pin,
            members=manifest.members,
            transferred_bytes=self._upload.moved_bytes,
            seconds=self._seconds + time.monotonic() - started,
        )

    def abort(self) -> None:
        """Give up what is not visible. Safe to repeat."""
        if self._handover is not None:
            # Once it may be published nobody may be told that its members can go.
            self._handover.stop(ended=not self._tried)
        if not self._tried:
            self._upload.discard(unfinished=self._is_kept)
        self._manifest_path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Give up, after `abort`, what another attempt could have used."""
        if not self._tried and self._handover is not None:
            self._upload.discard()
            self._handover.clean()

    def tidy(self) -> None:
        """Remove, once all is published, what attempts of the task left for each other."""
        if self._handover is not None:
            self._handover.clean()

    @property
    def _is_kept(self) -> bool:
        return self._handover is not None and self._handover.is_kept

    def local_files(self) -> Iterator[LocalFile]:
        """Yield the local files that still are what was published."""
        if self._pin is None:
            return
        top = str(self.output.path)
        for sent in self._upload.sent.values():
            if self._upload.is_steady(sent):
                yield LocalFile(f"{top}/{sent.path}", sent.digest, sent.size_bytes)

    def manifest(self) -> PublishedManifest | None:
        """Return the manifest, if it was published."""
        if self._pin is None:
            return None
        return PublishedManifest(self._manifest_path, self._address, self._pin)


def _identity(path: Path) -> FileIdentity:
    try:
        status = path.lstat()
    except OSError:
        return (0, 0, 0)
    return identity_of(status)
