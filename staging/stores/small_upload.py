"""A file that one request publishes: read and digested first, sent in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rootcellar.schemas.errors import DigestMismatch
from rootcellar.staging.engine.hashing import algorithm_of, digest_bytes
from rootcellar.staging.stores.source_file import read_source

if TYPE_CHECKING:
    from pathlib import Path

    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.store import Progress

__all__ = ["SmallUpload", "written_to"]

SMALL_BYTES = 8 * 1024 * 1024
"""The largest file that is sent by one request."""

_KEPT_BYTES = 256 * 1024
"""The largest file that stays in memory between its reading and its publication."""


class SmallTarget(Protocol):
    """What a small upload needs of its store."""

    algorithm: Algorithm

    def uri(self, key: str) -> str: ...

    def write_small(self, key: str, content: bytes) -> Pin: ...


class SmallUpload:
    """A small file that `publish` sends by one request; a very small one is kept till then."""

    def __init__(
        self, bucket: SmallTarget, key: str, source: Path, progress: Progress | None
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._source = source
        self._progress = progress
        content = b"".join(read_source(source, SMALL_BYTES))
        self._kept = content if len(content) <= _KEPT_BYTES else None
        self.digest = digest_bytes(content, bucket.algorithm)
        self.size_bytes = len(content)

    @staticmethod
    def suits(source: Path) -> bool:
        """Tell whether the file is small enough."""
        return source.stat().st_size <= SMALL_BYTES

    def publish(self) -> Pin:
        """Send the file, if it is still what was read first."""
        content = self._kept
        if content is None:
            content = b"".join(read_source(self._source, SMALL_BYTES))
            if digest_bytes(content, algorithm_of(self.digest)) != self.digest:
                raise written_to(self._bucket.uri(self._key))
        pin = self._bucket.write_small(self._key, content)
        self._kept = None
        if self._progress is not None:
            self._progress.advance(len(content))
        return pin

    def abort(self) -> None:
        """Do nothing: nothing was sent."""


def written_to(uri: str) -> DigestMismatch:
    """Return the error for a file that something wrote to."""
    return DigestMismatch(
        "the local file was changed while it was published",
        "",
        uri,
        "Let nothing write to an output once the body has ended",
    )
