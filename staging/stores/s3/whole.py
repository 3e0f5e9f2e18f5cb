"""A file of middling size by one request, read once: hashed piece by piece as it is sent.

In parts it would take three requests, and the time of two more ways there and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.schemas.errors import StoreUnavailable
from rootcellar.staging.engine.hashing import Hasher
from rootcellar.staging.stores.http.wire import FileSlice
from rootcellar.staging.stores.s3.uploads import written_pin
from rootcellar.staging.stores.small_upload import written_to
from rootcellar.staging.stores.source_file import open_source, written_at
from rootcellar.staging.stores.store import Written

if TYPE_CHECKING:
    from pathlib import Path

    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.s3.uploads import Bucket
    from rootcellar.staging.stores.store import Progress

__all__ = ["write_whole"]

MOST_BYTES = 32 * 1024 * 1024
"""What a broken connection may cost; a larger file goes faster over several connections."""


def write_whole(
    bucket: Bucket, key: str, source: Path, progress: Progress | None
) -> Written | None:
    """Publish a file as `WholeFileStore.write_file` does."""
    connection = bucket.connection
    if connection.signs_bodies:
        return None
    with open_source(source) as file:
        before = written_at(file)
        size_bytes = before[0]
        if not 0 < size_bytes <= MOST_BYTES:
            return None
        sent = _Sent(bucket.algorithm)
        body = FileSlice(file, 0, size_bytes, sent.see)
        asked = bucket.asked("PUT", key, headers=connection.write_headers, body=body)
        try:
            answer = connection.ask(asked)
        except StoreUnavailable as error:
            if written_at(file) == before:
                raise
            raise written_to(asked.uri) from error
        if written_at(file) != before:
            raise written_to(asked.uri)
    if sent.hasher.size_bytes != size_bytes:
        raise StoreUnavailable(
            "the store answered before it had the whole body", "", asked.uri, "Try again"
        )
    if progress is not None:
        progress.advance(size_bytes)
    return Written(sent.hasher.digest, size_bytes, written_pin(answer, size_bytes, asked.uri))


class _Sent:
    """The digest of what was sent last."""

    def __init__(self, algorithm: Algorithm) -> None:
        self._algorithm = algorithm
        self.hasher = Hasher(algorithm)

    def see(self, position: int, piece: memoryview) -> None:
        if not position:
            self.hasher = Hasher(self._algorithm)
        self.hasher.update(piece)
