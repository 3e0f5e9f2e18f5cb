"""One state of one object, read by parts, and how much of it was read."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import (
    ArtifactNotFound,
    ObjectChanged,
    RootcellarError,
    StoreUnavailable,
)
from rootcellar.staging.engine.pipeline import Stoppable, Stopped, back_off

if TYPE_CHECKING:
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.stores.store import Address

__all__ = ["Amount", "Meter", "PinnedObject"]

_TRIES_PER_RANGE = 3
_FIRST_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much was read of one streamed input.

    Attributes:
        transferred_bytes: Received from the store, with what was read ahead in vain.
        requests: That brought them.
        seconds: That readers waited, those of several threads added up.
        hits: Files that were read from the host.
        misses: Files of which something was read from the store.
    """

    transferred_bytes: int = 0
    requests: int = 0
    seconds: float = 0.0
    hits: int = 0
    misses: int = 0


class Meter:
    """Counts what is read of one input. Safe for threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._bytes = self._requests = 0
        self._seconds = 0.0
        self._opened: dict[str, bool] = {}

    def received(self, size_bytes: int) -> None:
        """Count one answer of the store."""
        with self._mutex:
            self._bytes += size_bytes
            self._requests += 1

    def opened(self, key: str, *, is_here: bool) -> None:
        """Count an object once: as a hit if all reading of it was from the host."""
        with self._mutex:
            self._opened[key] = is_here and self._opened.get(key, True)

    def waited(self, seconds: float) -> None:
        """Count time that a reader waited."""
        with self._mutex:
            self._seconds += seconds

    @property
    def amount(self) -> Amount:
        """All so far."""
        with self._mutex:
            hits = sum(self._opened.values())
            return Amount(
                transferred_bytes=self._bytes,
                requests=self._requests,
                seconds=self._seconds,
                hits=hits,
                misses=len(self._opened) - hits,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedObject:
    """One state of one object, and how to read parts of it. Safe for threads.

    Attributes:
        artifact: As it prints, for errors.
        is_final: The caller asked for this very state: that it was replaced is no reason to try
            again.
        reading: What this is part of; when that is halted nothing more is asked of the store.
    """

    address: Address
    pin: Pin
    meter: Meter
    artifact: str = ""
    is_final: bool = False
    reading: Stoppable = field(default_factory=Stoppable)

    @property
    def size_bytes(self) -> int:
        """Of the whole object."""
        return self.pin.size_bytes

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to `end`, all of the pinned state.

        Raises:
            ArtifactNotFound: The state was replaced, and the caller wanted no other.
            ObjectChanged: The object was replaced; another run may read its new state.
            StoreUnavailable: The range could not be had after three tries.
            ValueError: The run has ended, now or meanwhile.
        """
        try:
            return self.reading.run(lambda: self._read(start, end))
        except Stopped as stopped:
            raise ValueError("I/O operation on closed file") from stopped
        except ObjectChanged as error:
            raise self._replaced() from error
        except RootcellarError as error:
            about = (error.artifact or self.artifact, error.uri, error.remedy)
            raise type(error)(error.problem, *about) from error

    def _read(self, start: int, end: int) -> bytes:
        store, key = self.address.store, self.address.key
        for tried in range(1, 1 + _TRIES_PER_RANGE):
            try:
                content = store.read(key, self.pin, start, end)
            except StoreUnavailable:
                if tried == _TRIES_PER_RANGE:
                    raise
            else:
                self.meter.received(len(content))
                if len(content) == end - start:
                    return content
            back_off(_FIRST_PAUSE_SECONDS, tried)
        raise StoreUnavailable(
            f"bytes {start} to {end} came incomplete {_TRIES_PER_RANGE} times",
            "",
            self.address.uri,
            "Try again later",
        )

    def _replaced(self) -> RootcellarError:
        if self.is_final:
            return ArtifactNotFound(
                "this version was replaced since, and the rest of it can no longer be read",
                self.artifact,
                self.address.uri,
                "Use the newest version, or keep versions in the store",
            )
        return ObjectChanged(
            "it was replaced while it was streamed",
            self.artifact,
            self.address.uri,
            "Run again to read the new version; what was read so far is of the old one",
        )
