"""Streamed inputs: located and pinned, and read where they lie; nothing is downloaded."""

from __future__ import annotations

import io
import os
import threading
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from rootcellar.schemas.errors import (
    ArtifactNotFound,
    BindingError,
    CacheFull,
    ContentError,
    DigestMismatch,
    ObjectChanged,
    RootcellarError,
)
from rootcellar.schemas.manifest import MANIFEST_NAME
from rootcellar.schemas.manifest_text import ManifestText
from rootcellar.schemas.ref import Pin
from rootcellar.staging.engine.pipeline import Stoppable
from rootcellar.staging.folders.folder_listing import FolderListing, is_listing, member_path
from rootcellar.staging.stores.store import Address
from rootcellar.staging.streams.pinned_object import Amount, Meter, PinnedObject
from rootcellar.staging.streams.range_file import RangeFile, Room
from rootcellar.staging.streams.readers import Readers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Kind
    from rootcellar.staging.cache.cache import Cache, Cached

__all__ = ["StreamRequest", "StreamedInput", "Streams"]

_BUFFER_BYTES = 16 * 1024  # less than a block, so that the blocks are used


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """What is to be streamed.

    Attributes:
        pin: Of the file; for a folder, of its manifest or of its listing.
        expected: Its digest, if that is known.
        artifact: As it prints, for errors.
        is_final: The caller asked for this very version.
    """

    uri: str
    kind: Kind
    pin: Pin
    expected: Digest | None = None
    artifact: str = ""
    is_final: bool = False


class Streams:
    """The streamed inputs of one run: `close` ends all of them, with their threads."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._readers = Readers()
        self._room = Room()
        self.reading = Stoppable()
        # Weak: a dataset opens a file for each member, and forgets it without closing it.
        self._files: weakref.WeakSet[Any] = weakref.WeakSet()
        self._guard = threading.Lock()
        self._pid = os.getpid()
        self._closed = False

    def file(self, address: Address, wanted: StreamRequest) -> StreamedInput:
        """Return a file's stream; nothing is asked of the store yet."""
        only = _Member(address.key, wanted.pin.size_bytes, wanted.expected, wanted.pin)
        return StreamedInput(self, wanted, address, Meter(), {"": only}, digest=wanted.expected)

    def folder(self, address: Address, wanted: StreamRequest) -> StreamedInput:
        """Return a folder's stream; only its manifest, or its listing, is read.

        Raises:
            ArtifactNotFound: It was replaced, and the caller wanted no other.
            ObjectChanged: It was replaced after it was located.
            ContentError: Its manifest, or the name of a foreign member, cannot be used.
            CacheFull: Its manifest was evicted before it was read; ask again.
        """
        meter = Meter()
        if is_listing(wanted.pin):
            members = _listed(address, wanted)
            return StreamedInput(self, wanted, address, meter, members, digest=wanted.expected)
        cached = self._cache.fetch(
            Address(address.store, f"{address.key}/{MANIFEST_NAME}"), wanted.pin
        )
        if not cached.hit:
            meter.received(cached.transferred_bytes)
        if cached.pin.token != wanted.pin.token:
            raise _folder_replaced(address, wanted)
        try:
            found = _named(cached, address)
        except FileNotFoundError as error:
            raise CacheFull(
                "the manifest was evicted before it could be read",
                wanted.artifact,
                address.uri,
                "Try again later",
            ) from error
        if wanted.expected not in (None, found.digest):
            raise _folder_replaced(address, wanted)
        return StreamedInput(self, wanted, address, meter, found.members, digest=found.digest)

    def open(self, source: PinnedObject, *, reads_ahead: bool) -> RangeFile:
        """Return a file over an object, closed with the run at the latest."""
        self._check(source.artifact, source.address.uri)
        file = RangeFile(source, self._readers, reads_ahead=reads_ahead, room=self._room)
        self._keep(file, source)
        return file

    def open_local(self, source: PinnedObject, digest: Digest) -> _HostFile | None:
        """Return the host's own copy of an object, if it has one; also closed with the run."""
        self._check(source.artifact, source.address.uri)
        path = self._cache.find(digest, source.size_bytes)
        if path is None:
            return None
        try:
            # Open is held: what is evicted now can still be read to its end.
            file = _HostFile(path)
        except FileNotFoundError:
            return None
        self._keep(file, source)
        return file

    def _keep(self, file: io.IOBase, source: PinnedObject) -> None:
        """See to it that a file is closed with the run, which may have ended meanwhile."""
        with self._guard:
            self._files.add(file)
        if self._closed:
            file.close()
        self._check(source.artifact, source.address.uri)

    def _check(self, artifact: str, uri: str) -> None:
        if self._closed:
            raise BindingError(
                "it is read after the run that streamed it has ended",
                artifact,
                uri,
                "Read what is needed inside the body, or inside the with block",
            )
        if self._pid != os.getpid():
            raise BindingError(
                "a streamed input belongs to the process that it was staged in for",
                artifact,
                uri,
                "Drop STREAMED, and give other processes the path",
            )

    def close(self) -> None:
        """Close every file, cut off the requests under way, end the threads. Safe to repeat.

        What the store's client cannot cut off is waited for; nothing more is asked.
        """
        self._closed = True
        if self._pid != os.getpid():
            return
        self.reading.halt()
        with self._guard:
            files = list(self._files)
        for file in files:
            file.close()
        self._readers.close()


class _HostFile(io.FileIO):
    """A file of the cache; closed without a word when a dataset is done with it."""

    def __del__(self) -> None:
        self.close()


class _Member(NamedTuple):
    """One file of a stream, as far as it is known without asking for it; there may be many."""

    key: str
    size_bytes: int
    digest: Digest | None = None
    pin: Pin | None = None


class _Contents(NamedTuple):
    """Digest and files of a folder."""

    digest: Digest
    members: dict[str, _Member]


@dataclass(frozen=True, slots=True)
class StreamedInput:
    """An input whose bytes stay in their store; what the handle of the body reads from.

    Attributes:
        wanted: What it is a stream of.
        digest: Of the file, or of the folder's manifest; None if nothing knows it.
    """

    _streams: Streams
    wanted: StreamRequest
    _address: Address
    _meter: Meter
    _members: Mapping[str, _Member]
    digest: Digest | None
    _located: dict[str, Pin] = field(default_factory=dict)

    def __reduce__(self) -> NoReturn:
        raise BindingError(
            "a streamed input cannot leave the process it was staged in for",
            self.wanted.artifact,
            self.wanted.uri,
            "Pass its .version on, which is a ref",
        )

    @property
    def kind(self) -> Kind:
        """Whether it is a file or a folder."""
        return self.wanted.kind

    @property
    def pin(self) -> Pin:
        """The state that is read."""
        return self.wanted.pin

    @property
    def size_bytes(self) -> int:
        """The file, or all files of the folder together."""
        return sum(member.size_bytes for member in self._members.values())

    @property
    def members(self) -> int | None:
        """Number of files of a folder; None for a file."""
        return None if self.kind == "file" else len(self._members)

    @property
    def amount(self) -> Amount:
        """How much was read so far."""
        return self._meter.amount

    def sizes(self) -> dict[str, int]:
        """Return the size of each file by its path in the folder; a file's own path is empty."""
        return {path: member.size_bytes for path, member in self._members.items()}

    def open(self, member: str = "") -> BinaryIO:
        """Open a file for reading: seekable, buffered, read ahead.

        Args:
            member: Path within a folder; empty for a file.

        Raises:
            ContentError: There is no such member.
            BindingError: The run has ended, or this is another process.
            StoreError: The member cannot be had.
        """
        return io.BufferedReader(self.open_raw(member), _BUFFER_BYTES)

    def open_raw(self, member: str = "", *, reads_ahead: bool = True) -> Any:
        """As `open`, without a buffer: for a reader that buffers, or plans its own reading."""
        source, digest = self._source(member)
        file = self._streams.open_local(source, digest) if digest is not None else None
        self._meter.opened(source.address.key, is_here=file is not None)
        if file is not None:
            return file
        return self._streams.open(self._hold(member, source), reads_ahead=reads_ahead)

    def _source(self, member: str) -> tuple[PinnedObject, Digest | None]:
        found = self._members.get(member)
        if found is None:
            raise ContentError(
                f"it has no member {member!r}" if member else "it is a folder",
                self.wanted.artifact,
                self.wanted.uri,
                "Name one of its members",
            )
        pin = found.pin or self._located.get(member) or Pin(size_bytes=found.size_bytes)
        source = PinnedObject(
            address=Address(self._address.store, found.key),
            pin=pin,
            meter=self._meter,
            artifact=self.wanted.artifact,
            is_final=self.wanted.is_final,
            reading=self._streams.reading,
        )
        return source, found.digest

    def _hold(self, member: str, source: PinnedObject) -> PinnedObject:
        """Return a member as its store has it: a manifest knows no etags."""
        if self._members[member].pin is not None or member in self._located:
            return source
        pin = source.address.store.stat(source.address.key)
        self._meter.received(0)
        if pin is None:
            raise ArtifactNotFound(
                f"the member {member!r} that its manifest names is gone",
                self.wanted.artifact,
                source.address.uri,
                "Publish it again",
            )
        if pin.size_bytes != source.size_bytes:
            raise DigestMismatch(
                f"{member!r} has {pin.size_bytes} bytes, and {source.size_bytes} in the manifest",
                self.wanted.artifact,
                source.address.uri,
                "Something wrote into the folder; publish it again",
            )
        self._located[member] = pin
        return self._source(member)[0]


def _named(cached: Cached, address: Address) -> _Contents:
    """Return what the manifest says that the host has."""
    manifest = ManifestText(cached.path, uri=address.uri)
    root = "/".join(part for part in (address.key, manifest.root) if part)
    members = {
        line.path: _Member(f"{root}/{line.path}", line.size_bytes, line.digest) for line in manifest
    }
    return _Contents(manifest.digest, members)


def _listed(address: Address, wanted: StreamRequest) -> dict[str, _Member]:
    """Return the files of a folder that has no manifest, if its listing is still as pinned."""
    listing = FolderListing(address, held=True)
    found = {
        member_path(address, item): _Member(item.key, item.pin.size_bytes, None, item.pin)
        for item in listing
    }
    if listing.pin != wanted.pin:
        raise _folder_replaced(address, wanted)
    return found


def _folder_replaced(address: Address, wanted: StreamRequest) -> RootcellarError:
    if wanted.is_final:
        return ArtifactNotFound(
            "this version of the folder was replaced since, and can no longer be read",
            wanted.artifact,
            address.uri,
            "Use the newest version, or keep versions in the store",
        )
    return ObjectChanged(
        "the folder was replaced before it was read", wanted.artifact, address.uri, "Run again"
    )
