"""A large file on its way into a bucket over s3fs; nothing is shown before `publish`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from rootcellar.schemas.errors import StoreError
from rootcellar.schemas.ref import Pin
from rootcellar.staging.engine.hashing import Hasher
from rootcellar.staging.engine.pipeline import finishing
from rootcellar.staging.stores.source_file import read_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.store import Progress

__all__ = ["PART_BYTES", "Bucket", "MultipartUpload", "pin_of"]

_log = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024
"""Of a part."""

_MAX_PARTS = 10_000
"""Source: Amazon S3 User Guide, multipart upload limits."""


class Bucket(Protocol):
    """What an upload needs of its store."""

    algorithm: Algorithm

    def uri(self, key: str) -> str: ...  # noqa: D102 (as Store's)

    def full_key(self, key: str) -> str: ...  # noqa: D102 (as S3Store's)

    def call(self, method: str, key: str, /, **arguments: Any) -> Any: ...  # noqa: D102 (as S3Store's)

    def call_noting(  # noqa: D102 (as S3Store's)
        self, method: str, key: str, note: Callable[[Any], object], /, **arguments: Any
    ) -> Any: ...


class MultipartUpload:
    """A file whose parts lie in the bucket, invisible, until `publish` joins them."""

    def __init__(self, bucket: Bucket, key: str, source: Path) -> None:
        self._bucket = bucket
        self._key = key
        self._source = source
        self._target = {"Key": bucket.full_key(key)}
        self._upload_id = ""
        self._parts: list[dict[str, Any]] = []
        self._hasher = Hasher(bucket.algorithm)
        self.size_bytes = 0

    @property
    def digest(self) -> Digest:
        """Of the parts sent so far."""
        return self._hasher.digest

    def transfer(self, progress: Progress | None) -> None:
        """Send all parts, one after another."""
        begin = "create_multipart_upload"
        self._bucket.call_noting(begin, self._key, self._note_begun, **self._target)
        part_bytes = max(PART_BYTES, -(-self._source.stat().st_size // _MAX_PARTS))
        for part in read_source(self._source, part_bytes):
            self._send(part)
            if progress is not None:
                progress.advance(len(part))

    def publish(self) -> Pin:
        """Join the parts to the object."""
        answer = self._bucket.call(
            "complete_multipart_upload",
            self._key,
            **self._target,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": self._parts},
        )
        self._upload_id = ""
        return pin_of(answer, self.size_bytes)

    def abort(self) -> None:
        """Drop the parts."""
        if not self._upload_id:
            return
        try:
            with finishing():
                self._bucket.call(
                    "abort_multipart_upload", self._key, **self._target, UploadId=self._upload_id
                )
        except StoreError as error:
            _log.warning("Parts of an upload stay behind until the bucket drops them. %s", error)
        self._upload_id = ""

    def _note_begun(self, answer: Mapping[str, Any]) -> None:
        self._upload_id = answer["UploadId"]

    def _send(self, part: bytes) -> None:
        number = len(self._parts) + 1
        answer = self._bucket.call(
            "upload_part",
            self._key,
            **self._target,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=part,
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._hasher.update(part)
        self.size_bytes += len(part)


def pin_of(answer: Mapping[str, Any], size_bytes: int) -> Pin:
    """Return the pin in an answer about an object."""
    version_id = str(answer.get("VersionId") or "")
    # "null" names whatever was written last without versioning, so it holds nothing.
    return Pin(
        size_bytes=size_bytes,
        etag=str(answer.get("ETag") or "").strip('"'),
        version_id="" if version_id == "null" else version_id,
    )
