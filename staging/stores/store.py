"""The contract of a store: all that the rest of the room may ask of a remote place.

An object is one file in a store, named by its key: the path below the store's root. A read is held
to a pin, so that the ranges of one download never come from two states of an object. A write has
two halves, transfer and publication, so that only the caller's main flow makes bytes visible.
Two methods delete: `discard` what nobody was told of, and `remove` what a policy of the user says.

Every method may be called by several threads at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.engine.hashing import Algorithm

__all__ = [
    "CHUNK_BYTES",
    "SMALL_OBJECT_BYTES",
    "Address",
    "Chunk",
    "Listed",
    "ManyObjects",
    "PendingUpload",
    "Progress",
    "Store",
    "TotalProgress",
    "WholeFileStore",
    "Written",
    "chunks_of",
    "sent",
]

CHUNK_BYTES = 1024 * 1024
"""Of what `Store.stream` yields, at most."""

SMALL_OBJECT_BYTES = 256 * 1024
"""The most that `ManyObjects` moves at once."""

_Item = TypeVar("_Item")

Chunk: TypeAlias = bytes | bytearray | memoryview


class Progress(Protocol):
    """What a bar or a log line wants to hear of a transfer.

    Transfers that run side by side call it from several threads.
    """

    def advance(self, size_bytes: int, /) -> None:
        """Count bytes that moved; negative when a download starts over."""


class TotalProgress(Progress, Protocol):
    """What wants to hear of the total too, for a share and the time left."""

    def expect(self, size_bytes: int, /) -> None:
        """Count bytes that will have to move; negative for such as are here already after all."""


class Listed(NamedTuple):
    """One object of a listing: its key in the store and its state when it was listed."""

    key: str
    pin: Pin


class PendingUpload(Protocol):
    """Bytes that were read from a local file and wait to be made visible."""

    @property
    def digest(self) -> Digest:
        """Of the bytes that `publish` will make visible."""

    @property
    def size_bytes(self) -> int:
        """Of the same bytes."""

    def publish(self) -> Pin:
        """Make the object visible under its key, at once and whole, and return its state.

        Raises:
            DigestMismatch: The local file was changed after `upload` had read it.
            StoreUnavailable: Also when the answer was lost; the object may be visible then.
        """

    def abort(self) -> None:
        """Give up what was transferred. Safe to repeat; after `publish` it does nothing.

        Raises nothing of the store's: what cannot be given up now stays invisible.
        """


_Pending = TypeVar("_Pending", bound=PendingUpload)


@dataclass(frozen=True, slots=True)
class Written:
    """An object that was made of a local file.

    Attributes:
        digest: Of the bytes as they were sent.
    """

    digest: Digest
    size_bytes: int
    pin: Pin


@runtime_checkable
class WholeFileStore(Protocol):
    """A store that takes a file of some size by one request."""

    def write_file(
        self, key: str, source: Path, progress: Progress | None = None
    ) -> Written | None:
        """Publish a local file in one atomic step, hashed as it is sent.

        For attempt-unique keys only: the bytes are visible before anybody can tell that nothing
        wrote to the file meanwhile. None if `upload` is the better way; then nothing was done.

        Raises:
            DigestMismatch: The local file was changed meanwhile; the object may be there.
        """


class Store(Protocol):
    """A named remote place.

    Every method may raise AccessDenied, StoreMissing or StoreUnavailable; each error names the
    logical URI and never where the store really is.

    Attributes:
        algorithm: Of new digests of its objects.
        place: Tells one real location from another, and nothing else; empty where nobody said.
    """

    algorithm: Algorithm
    place: str

    @property
    def parallel(self) -> int:
        """How many requests at once pay off; 1 where they only stand in each other's way."""

    def uri(self, key: str) -> str:
        """Return the logical URI of a key."""

    def stat(self, key: str) -> Pin | None:
        """Return the state of an object now, or None if there is none."""

    def read(self, key: str, pin: Pin, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to `end` of the object as pinned.

        A broken connection may shorten the answer; callers check its length. A pin without etag
        and version id holds by its size, or not at all: for who knows the digest.

        Raises:
            ObjectChanged: The object is no longer, or can no longer be read, as pinned.
        """

    def stream(self, key: str, pin: Pin, start: int, end: int) -> Generator[Chunk, None, None]:
        """Yield the same bytes as `read` in small chunks, each valid until the next is asked for.

        A broken connection may end it early; callers check the length. Close it, or read it to its
        end, in the thread that began it.

        Raises:
            ObjectChanged: As `read`; also after some chunks, which are then worth nothing.
        """

    def upload(self, key: str, source: Path, progress: Progress | None = None) -> PendingUpload:
        """Transfer a local file; nothing is visible under `key` before `publish`.

        Any exception, also one that a signal handler raises, leaves nothing that could become
        visible later.
        """

    def write_small(self, key: str, content: bytes) -> Pin:
        """Publish a few bytes under `key` in one atomic step, replacing what was there."""

    def copy(self, source_key: str, pin: Pin, key: str) -> Pin | None:
        """Publish under `key` the bytes of another object as pinned, without moving them here.

        For attempt-unique keys only. Atomic. None if the store cannot; then nothing was done.

        Raises:
            ObjectChanged: The source is no longer as pinned.
        """

    def discard(self, key: str) -> None:
        """Remove an object that only this attempt wrote, and that nobody was told of.

        For attempt-unique keys only. What is not there is no error; what cannot be removed is
        logged and stays.
        """

    def remove(self, key: str, pin: Pin) -> bool:
        """Delete an object as pinned; False if it is not there as pinned, and nothing was done.

        Where the store keeps versions, the pinned one for good, and no other.

        Raises:
            StoreError: Also if the store cannot delete this state and no other.
        """

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield all objects below the folder `prefix`, or all there are if it is empty.

        In no order; objects that come and go meanwhile may be missed.
        """

    def check(self, *, writing: bool) -> None:
        """Return if the store exists and may be read, and with `writing` also be written."""


@runtime_checkable
class ManyObjects(Protocol):
    """What a store may do besides: move many small objects by one thread, cheaply.

    Nothing is tried again, and nothing is told of what went wrong: what is handed back as None is
    for the ordinary methods, which do both. Items are taken as they can be sent. Close what is
    returned, or read it to its end, in the thread that began it.
    """

    def read_many(
        self, wanted: Iterable[tuple[_Item, str, Pin]]
    ) -> Generator[tuple[_Item, memoryview | None], None, None]:
        """Yield whole objects as pinned, in the order in which they come.

        Args:
            wanted: Each with what it is handed back with, and its key; of at most 256 KiB.
        """

    def write_many(
        self, files: Iterable[tuple[_Item, str, bytes]]
    ) -> Generator[tuple[_Item, Pin | None], None, None]:
        """Publish objects as `write_small` does; which of None were published is not known.

        Args:
            files: Each with what it is handed back with, and its key; of at most 256 KiB.
        """


@dataclass(frozen=True, slots=True)
class Address:
    """A store and a key in it: where a logical URI leads."""

    store: Store
    key: str

    @property
    def uri(self) -> str:
        """The logical URI."""
        return self.store.uri(self.key)


def sent(pending: _Pending, send: Callable[[_Pending], object]) -> _Pending:
    """Return an upload that `send` has transferred; given up whatever interrupts it."""
    try:
        send(pending)
        return pending  # noqa: TRY300 (in here a limit that strikes as `send` ends is met too)
    except BaseException:
        pending.abort()
        raise


def chunks_of(content: Chunk) -> Iterator[Chunk]:
    """Yield bytes that are here already as a stream does."""
    view = memoryview(content)
    for start in range(0, len(view), CHUNK_BYTES):
        yield view[start : start + CHUNK_BYTES]
