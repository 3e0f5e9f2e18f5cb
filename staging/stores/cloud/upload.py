"""A large file on its way into a bucket over obstore; nothing is shown before `publish`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import obstore

from rootcellar.schemas.errors import StoreUnavailable
from rootcellar.staging.engine.hashing import Hasher
from rootcellar.staging.engine.pipeline import check_stopped
from rootcellar.staging.stores.source_file import read_source

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.store import Progress

__all__ = ["CloudUpload"]

_PART_BYTES = 8 * 1024 * 1024
_MEMORY_BYTES = 64 * 1024 * 1024
_READ_BYTES = 1024 * 1024
_MAX_PARTS = 10_000
"""Source: Google's XML interface, multipart uploads; Azure takes 50,000."""


class Service(Protocol):
    """What an upload needs of its store."""

    algorithm: Algorithm

    @property
    def service(self) -> Any: ...

    def uri(self, key: str) -> str: ...

    def stat(self, key: str) -> Pin | None: ...

    def errors(self, key: str) -> AbstractContextManager[None]: ...


class CloudUpload:
    """A file whose parts lie in the bucket, invisible, until `publish` joins them."""

    def __init__(self, store: Service, key: str) -> None:
        self._store = store
        self._key = key
        self._writer: Any = None
        self._hasher = Hasher(store.algorithm)

    @property
    def digest(self) -> Digest:
        """Of the bytes sent so far."""
        return self._hasher.digest

    @property
    def size_bytes(self) -> int:
        """Of the bytes sent so far."""
        return self._hasher.size_bytes

    def transfer(self, source: Path, progress: Progress | None) -> None:
        """Send all parts, several at once."""
        part_bytes = max(_PART_BYTES, -(-source.stat().st_size // (_MAX_PARTS - 1)))
        with self._store.errors(self._key):
            self._writer = obstore.open_writer(
                self._store.service,
                self._key,
                buffer_size=part_bytes,
                max_concurrency=max(1, _MEMORY_BYTES // part_bytes),
            )
            for chunk in read_source(source, _READ_BYTES):
                check_stopped()
                self._writer.write(chunk)
                self._hasher.update(chunk)
                if progress is not None:
                    progress.advance(len(chunk))

    def publish(self) -> Pin:
        """Join the parts to the object, and look at it."""
        with self._store.errors(self._key):
            self._writer.close()
        self._writer = None
        pin = self._store.stat(self._key)
        if pin is None or pin.size_bytes != self.size_bytes:
            problem = "it was replaced as soon as it was published"
            uri = self._store.uri(self._key)
            raise StoreUnavailable(problem, "", uri, "Let nobody else write there")
        return pin

    def abort(self) -> None:
        """Never join the parts."""
        # Not closed: its closing is what joins them.
        self._writer = None
