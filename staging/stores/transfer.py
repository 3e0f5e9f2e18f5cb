"""Move one file from a store to this host, whole and of one version."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import (
    ArtifactNotFound,
    DigestMismatch,
    ObjectChanged,
    StoreUnavailable,
)
from rootcellar.staging.engine.hashing import Hasher, algorithm_of, digest_file
from rootcellar.staging.engine.pipeline import back_off, check_stopped, is_at_work, pipelined
from rootcellar.staging.host.local_space import preallocate
from rootcellar.staging.host.temp_file import create_temp, temp_name
from rootcellar.staging.stores.store import CHUNK_BYTES
from rootcellar.staging.stores.wrong_bytes import came_wrong_once, still_wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.errors import StoreError
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.store import Address, Progress

__all__ = ["Downloaded", "digest_file", "download", "receive"]

RANGE_BYTES = 8 * 1024 * 1024
_RANGES_BESIDE_OTHERS = 4
"""Up to which an object is read by one request where other objects are read at the same time."""

_TELL_SECONDS = 0.3
_RESTARTS = 3
_TRIES_PER_RANGE = 3
_FIRST_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a download wrote.

    Attributes:
        pin: The state that was read; not the one asked for if the object changed meanwhile.
    """

    digest: Digest
    size_bytes: int
    pin: Pin


def download(
    address: Address,
    target: Path,
    *,
    pin: Pin,
    expected: Digest | None = None,
    make_room: Callable[[int], object] | None = None,
    progress: Progress | None = None,
) -> Downloaded:
    """Copy one object to `target`, read-only.

    Atomic: `target` is absent or whole, even if the process dies; what a killed process leaves is
    a hidden file beside it. Safe to repeat, and for several processes at once: the last rename
    wins. Not on the disk for sure before the system writes it there. In memory is never more than
    a few MiB for each request under way.

    An object that is replaced meanwhile is read again from its start in its new state, at most
    three times.

    Args:
        address: Of the object.
        target: Its folder must exist.
        pin: The state to read. One without etag and version id holds by its size alone, and with
            `expected` spares a request for the state.
        expected: Refuse other bytes. A replaced object is then read again only if its size is
            still the same.
        make_room: Called with the size of another state before that is read; may raise.
        progress: Hears of what has come, in this thread, a few times a second.

    Raises:
        ArtifactNotFound: The object was deleted, or was replaced by other bytes than expected.
        DigestMismatch: The object as pinned does not hold the expected bytes; it was read twice.
        ObjectChanged: It was replaced each time.
        StoreUnavailable: A range could not be had after three tries, or the bytes came wrong
            twice, and each time different.
        OSError: The file system of `target` failed, or is full.
    """
    held = _held(address, pin, expected)
    algorithm = algorithm_of(expected) if expected is not None else address.store.algorithm
    return _download_held(
        _Wanted(address, target, expected, algorithm, progress), pin, held, make_room
    )


def receive(
    address: Address, file: int, pin: Pin, *, hasher: Hasher | None, progress: Progress | None
) -> None:
    """Write an object as pinned into an open file, several ranges at once.

    Args:
        file: Empty.
        hasher: Is given the bytes in their order. None for a measurement of the rest.
        progress: Hears of what has come, in this thread, a few times a second.

    Raises:
        ObjectChanged: It is no longer as pinned; what was written is worth nothing.
        StoreUnavailable: A range could not be had after three tries.
    """
    if pin.size_bytes <= RANGE_BYTES * (_RANGES_BESIDE_OTHERS if is_at_work() else 1):
        # Hashed chunk by chunk, while they are in the processor's cache.
        whole = _Range(0, pin.size_bytes)
        if progress is None or pin.size_bytes <= CHUNK_BYTES:
            _receive_range(address, file, pin, whole, hasher)
            if progress is not None:
                progress.advance(pin.size_bytes)
            return
        arrived = _Arrived(progress)
        _receive_range(address, file, pin, whole, hasher, arrived.add_here)
        arrived.tell()
        return
    preallocate(file, pin.size_bytes)
    arrived = _Arrived(progress)
    for part in pipelined(
        _ranges(pin.size_bytes),
        lambda part: _receive_range(address, file, pin, part, None, arrived.add),
        parallel=address.store.parallel,
        ordered=True,
        waiting=arrived.tell,
    ):
        if hasher is not None:
            # This thread follows the others through the page cache.
            hasher.update_from(file, part.start, part.end)
        arrived.tell()


class _Arrived:
    """What has come of one object: counted by the threads that bring it, told by one of them."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._mutex = threading.Lock()
        self._untold = 0
        self._told_at = time.monotonic()

    def add(self, size_bytes: int) -> None:
        """Count some bytes, in any thread."""
        with self._mutex:
            self._untold += size_bytes

    def add_here(self, size_bytes: int) -> None:
        """Count some bytes in the thread that tells."""
        self._untold += size_bytes
        if time.monotonic() - self._told_at >= _TELL_SECONDS:
            self.tell()

    def tell(self) -> None:
        """Tell the progress, also that nothing has come: it may have something to draw."""
        with self._mutex:
            size_bytes, self._untold = self._untold, 0
        self._told_at = time.monotonic()
        if self._progress is not None:
            self._progress.advance(size_bytes)


@dataclass(frozen=True, slots=True)
class _Wanted:
    address: Address
    target: Path
    expected: Digest | None
    algorithm: Algorithm
    progress: Progress | None


class _WrongBytesError(Exception):
    """What came has another digest than expected."""

    def __init__(self, found: Digest) -> None:
        super().__init__(f"the bytes are {found}")
        self.found = found


@dataclass(frozen=True, slots=True)
class _Range:
    start: int
    end: int


class _Counted:
    """Progress that can be taken back."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._total = 0

    def advance(self, size_bytes: int) -> None:
        self._total += size_bytes
        if self._progress is not None:
            self._progress.advance(size_bytes)

    def take_back(self) -> None:
        if self._progress is not None and self._total:
            self._progress.advance(-self._total)


def _held(address: Address, pin: Pin, expected: Digest | None) -> Pin:
    """Return a pin that holds the ranges of one download together."""
    if pin.etag or pin.version_id or (expected is not None and pin.size_bytes <= RANGE_BYTES):
        return pin
    return _pin_now(address, pin, expected)


def _pin_now(address: Address, wanted: Pin, expected: Digest | None) -> Pin:
    pin = address.store.stat(address.key)
    if pin is None:
        raise ArtifactNotFound(
            "it was deleted", "", address.uri, "Make it again, or restore it in its store"
        )
    if expected is not None and pin.size_bytes != wanted.size_bytes:
        raise _replaced(address)
    return pin


def _download_held(
    wanted: _Wanted, pin: Pin, held: Pin, make_room: Callable[[int], object] | None
) -> Downloaded:
    """Download what was asked for as `pin`, in one state: `held`, or one that came after it."""
    address, expected = wanted.address, wanted.expected
    first, wrong = held, None
    for _ in range(1 + _RESTARTS):
        if make_room is not None and held != pin:
            make_room(held.size_bytes)
        try:
            done = _download_pinned(wanted, held)
        except ObjectChanged:
            held, wrong = _pin_now(address, pin, expected), None
        except _WrongBytesError as error:
            # Once more, where these may be the right bytes, damaged on their way.
            if wrong is not None or held != first:
                raise _refused(wanted, pin, held, (wrong, error.found)) from error
            wrong = error.found
        else:
            if wrong is not None and held == first:
                came_wrong_once(address.uri)
            return done
    raise ObjectChanged(
        f"it was replaced {1 + _RESTARTS} times while it was read",
        "",
        address.uri,
        "Try again when nobody writes there",
    )


def _download_pinned(wanted: _Wanted, pin: Pin) -> Downloaded:
    target, expected = wanted.target, wanted.expected
    temp = target.with_name(temp_name(target.name))
    hasher = Hasher(wanted.algorithm)
    counted = _Counted(wanted.progress)
    try:
        with create_temp(temp) as file:
            receive(wanted.address, file.fileno(), pin, hasher=hasher, progress=counted)
            digest = hasher.digest
            _compare(expected, digest)
            os.fchmod(file.fileno(), 0o444)
        temp.replace(target)
    except BaseException:
        temp.unlink(missing_ok=True)
        counted.take_back()
        raise
    return Downloaded(digest, hasher.size_bytes, pin)


def _ranges(size_bytes: int) -> Iterator[_Range]:
    for start in range(0, size_bytes, RANGE_BYTES):
        yield _Range(start, min(start + RANGE_BYTES, size_bytes))


def _receive_range(
    address: Address,
    file: int,
    pin: Pin,
    part: _Range,
    hasher: Hasher | None,
    seen: Callable[[int], object] | None = None,
) -> _Range:
    """Write one range, going on behind what came before a connection broke."""
    position, tried = part.start, 0
    while True:
        tried += 1
        try:
            chunks = address.store.stream(address.key, pin, position, part.end)
            with closing(chunks):
                for chunk in chunks:
                    check_stopped()
                    if position + len(chunk) > part.end:
                        # More than was asked for is not what was asked for; and what lies behind
                        # the range is another thread's to write.
                        raise ObjectChanged(
                            "it grew while it was read", "", address.uri, "Try again"
                        )
                    _write(file, chunk, position)
                    position += len(chunk)
                    if hasher is not None:
                        hasher.update(chunk)
                    if seen is not None:
                        seen(len(chunk))
        except StoreUnavailable:
            if tried == _TRIES_PER_RANGE:
                raise
        if position == part.end:
            return part
        if tried == _TRIES_PER_RANGE:
            break
        back_off(_FIRST_PAUSE_SECONDS, tried)
    raise StoreUnavailable(
        f"bytes {part.start} to {part.end} came incomplete {_TRIES_PER_RANGE} times",
        "",
        address.uri,
        "Try again later",
    )


def _write(file: int, chunk: bytes | bytearray | memoryview, position: int) -> None:
    view = memoryview(chunk)
    while view:
        written = os.pwrite(file, view, position)
        view, position = view[written:], position + written


def _compare(expected: Digest | None, found: Digest) -> None:
    if expected is not None and found != expected:
        raise _WrongBytesError(found)


def _refused(
    wanted: _Wanted, pin: Pin, held: Pin, found: tuple[Digest | None, Digest]
) -> StoreError:
    """Return what it means that an object held by `held`, asked for as `pin`, has wrong bytes."""
    earlier, later = found
    address, expected = wanted.address, wanted.expected
    if expected is None or earlier is None:
        return _replaced(address)
    remedy = "Something changed the stored bytes without a new version; restore or make them again"
    found_twice = (earlier, later)
    error = still_wrong(address.uri, expected, found_twice, told="recorded", remedy=remedy)
    return _replaced(address) if isinstance(error, DigestMismatch) and held != pin else error


def _replaced(address: Address) -> ArtifactNotFound:
    return ArtifactNotFound(
        "this version was replaced since, and its bytes can no longer be read",
        "",
        address.uri,
        "Use the newest version, or keep versions in the store",
    )
