"""A file that lies in its store under a hidden name until it is published by a rename."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from rootcellar.staging.engine.hashing import Hasher

if TYPE_CHECKING:
    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.store import Progress

__all__ = ["HiddenUpload"]

_Temp = TypeVar("_Temp")
_Given_contra = TypeVar("_Given_contra", contravariant=True)


class HidingStore(Protocol[_Given_contra]):
    """What a hidden upload needs of its store."""

    algorithm: Algorithm

    def publish_temp(self, key: str, temp: _Given_contra) -> Pin: ...

    def remove_temp(self, key: str, temp: _Given_contra) -> None: ...


class HiddenUpload(Generic[_Temp]):
    """A pending upload, made before its first byte is written, so that `abort` finds all of it."""

    def __init__(
        self, store: HidingStore[_Temp], key: str, temp: _Temp, progress: Progress | None
    ) -> None:
        self._store = store
        self._key = key
        self._temp = temp
        self._progress = progress
        self._hasher = Hasher(store.algorithm)

    @property
    def digest(self) -> Digest:
        """Of the bytes written so far."""
        return self._hasher.digest

    @property
    def size_bytes(self) -> int:
        """Of the bytes written so far."""
        return self._hasher.size_bytes

    def see(self, chunk: bytes) -> None:
        """Hear of bytes that were written."""
        self._hasher.update(chunk)
        if self._progress is not None:
            self._progress.advance(len(chunk))

    def publish(self) -> Pin:
        """Give the file its name."""
        return self._store.publish_temp(self._key, self._temp)

    def abort(self) -> None:
        """Remove the file, if it still has its hidden name."""
        self._store.remove_temp(self._key, self._temp)
