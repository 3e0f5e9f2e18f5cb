"""A large file on its way into a bucket by our own requests; nothing shows before `publish`."""

from __future__ import annotations

import hashlib
import logging
import queue
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol
from xml.sax.saxutils import escape

from rootcellar.schemas.errors import StoreError, StoreUnavailable
from rootcellar.schemas.ref import Pin
from rootcellar.staging.engine.hashing import Hasher
from rootcellar.staging.engine.pipeline import Stoppable, cut_off_by, finishing, pipelined
from rootcellar.staging.stores.http.wire import FileSlice
from rootcellar.staging.stores.s3.answer import tree_of
from rootcellar.staging.stores.small_upload import written_to
from rootcellar.staging.stores.source_file import open_source, written_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.s3.answer import Answer
    from rootcellar.staging.stores.s3.connection import Asked, BucketConnection
    from rootcellar.staging.stores.store import Chunk, Progress

__all__ = ["DirectUpload", "found_pin", "is_no_write", "written_pin"]

_log = logging.getLogger(__name__)

PART_BYTES = 16 * 1024 * 1024
_LEAD_PARTS = 12
"""Sent before the digest is begun, which then keeps pace: both end together."""

_MAX_PARTS = 10_000
"""Source: Amazon S3 User Guide, multipart upload limits."""

_BEGIN_SECONDS = 1.0
"""For the answer to what was asked already: cut off, an upload would begin that nobody aborts."""

_MD5_DIGITS = 32


class Bucket(Protocol):
    """What an upload needs of its store."""

    algorithm: Algorithm

    @property
    def parallel(self) -> int: ...

    @property
    def connection(self) -> BucketConnection: ...

    def uri(self, key: str) -> str: ...

    def stat(self, key: str) -> Pin | None: ...

    def asked(self, method: str, key: str, **parts: Any) -> Asked: ...


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    start: int
    end: int
    etag: str = ""


class DirectUpload:
    """A file whose parts lie in the bucket, invisible, until `publish` joins them."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key
        self._upload_id = ""
        self._parts: list[_Part] = []
        self._hasher = Hasher(bucket.algorithm)

    @property
    def digest(self) -> Digest:
        """Of the parts sent so far."""
        return self._hasher.digest

    @property
    def size_bytes(self) -> int:
        """Of the parts sent so far."""
        return self._hasher.size_bytes

    def begin(self) -> None:
        """Ask the bucket to keep parts."""
        # In a thread that no signal interrupts: what has begun is known, to be aborted.
        for _ in pipelined([self], DirectUpload._begin, parallel=1):
            pass

    def _begin(self) -> None:
        asking, answered = Stoppable(), queue.SimpleQueue[None]()

        def cut() -> None:
            with suppress(queue.Empty):
                answered.get(timeout=_BEGIN_SECONDS)
                answered.put(None)
            asking.halt()

        with cut_off_by(cut):
            try:
                asking.run(self._ask_to_begin)
            finally:
                answered.put(None)

    def _ask_to_begin(self) -> None:
        connection = self._bucket.connection
        asked = self._asked("POST", {"uploads": ""}, headers=connection.write_headers)
        found = tree_of(connection.ask(asked), asked.uri).findtext("UploadId")
        if not found:
            raise StoreError("the store takes no uploads in parts", "", asked.uri, "Use another")
        self._upload_id = found

    def transfer(self, source: Path, progress: Progress | None) -> None:
        """Send all parts, several at once; the digest is computed beside them.

        Raises:
            DigestMismatch: Something wrote to the file meanwhile.
        """
        with open_source(source) as file:
            before = written_at(file)
            self.begin()
            try:
                self._send_all(file, before[0], progress)
            except (EOFError, StoreUnavailable) as error:
                if written_at(file) == before:
                    raise
                raise written_to(self._bucket.uri(self._key)) from error
            if written_at(file) != before:
                raise written_to(self._bucket.uri(self._key))

    def _send_all(self, file: int, size_bytes: int, progress: Progress | None) -> None:
        for part in pipelined(
            self._hashed(file, size_bytes),
            lambda part: self._send(file, part),
            parallel=self._bucket.parallel,
        ):
            self._parts.append(part)
            if progress is not None:
                progress.advance(part.end - part.start)
        self._parts.sort(key=lambda part: part.number)

    def _hashed(self, file: int, size_bytes: int) -> Iterator[_Part]:
        """Yield the parts, and hash each in this thread when some others are on their way."""
        behind: deque[_Part] = deque()
        for part in _parts_of(size_bytes):
            yield part
            behind.append(part)
            if len(behind) > _LEAD_PARTS:
                self._hash(file, behind.popleft())
        for part in behind:
            self._hash(file, part)

    def _hash(self, file: int, part: _Part) -> None:
        self._hasher.update_from(file, part.start, part.end)

    def publish(self) -> Pin:
        """Join the parts to the object."""
        body = "".join(
            f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag></Part>"
            for part in self._parts
        )
        body = f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>"
        asked = self._asked("POST", {"uploadId": self._upload_id}, body=body.encode())
        try:
            answer, tree = self._bucket.connection.ask_tree(asked)
            etag = tree.findtext("ETag") or ""
        except StoreUnavailable:
            # The first answer may have been lost, and a second try finds no upload any more.
            if (pin := self._published()) is None:
                raise
        else:
            pin = found_pin({**answer.headers, "etag": etag}, self.size_bytes)
        self._upload_id = ""
        return pin

    def abort(self) -> None:
        """Drop the parts."""
        if not self._upload_id:
            return
        asked = self._asked("DELETE", {"uploadId": self._upload_id})
        self._upload_id = ""
        try:
            with finishing():
                self._bucket.connection.ask(asked)
        except StoreError as error:
            _log.warning("Parts of an upload stay behind until the bucket drops them. %s", error)

    def _send(self, file: int, part: _Part) -> _Part:
        size_bytes = part.end - part.start
        content = ""
        if self._bucket.connection.signs_bodies:
            hasher = Hasher()
            hasher.update_from(file, part.start, part.end)
            content = hasher.digest.hex
        query = {"partNumber": str(part.number), "uploadId": self._upload_id}
        body = FileSlice(file, part.start, size_bytes)
        asked = self._asked("PUT", query, body=body, content=content)
        answer = self._bucket.connection.ask(asked)
        written_pin(answer, size_bytes, asked.uri)
        return replace(part, etag=answer.headers.get("etag", ""))

    def _published(self) -> Pin | None:
        """Return the object's state if it is surely made of these parts."""
        digits = [part.etag.strip('"') for part in self._parts]
        if any(len(etag) != _MD5_DIGITS for etag in digits):
            return None
        try:
            joined = hashlib.md5(bytes.fromhex("".join(digits)), usedforsecurity=False)
            pin = self._bucket.stat(self._key)
        except (ValueError, StoreError):
            return None
        if pin is None or pin.etag != f"{joined.hexdigest()}-{len(digits)}":
            return None
        return pin

    def _asked(self, method: str, query: Mapping[str, str], **parts: Any) -> Asked:
        return self._bucket.asked(method, self._key, query=query, **parts)


def found_pin(headers: Mapping[str, str], size_bytes: int) -> Pin:
    """Return the pin in the headers of an answer about an object."""
    version_id = headers.get("x-amz-version-id", "")
    # "null" names whatever was written last without versioning, so it holds nothing.
    return Pin(
        size_bytes=size_bytes,
        etag=headers.get("etag", "").strip('"'),
        version_id="" if version_id == "null" else version_id,
    )


def written_pin(answer: Answer, size_bytes: int, uri: str) -> Pin:
    """Return the pin in the answer to a write.

    Raises:
        StoreUnavailable: It is no answer of a store, such as a page of a proxy where one logs in.
    """
    if is_no_write(answer.headers, answer.content):
        problem = "the answer to a write is not one of a store that wrote"
        raise StoreUnavailable(
            problem, "", uri, "Check what stands before the store, such as a proxy; then try again"
        )
    return found_pin(answer.headers, size_bytes)


def is_no_write(headers: Mapping[str, str], content: Chunk) -> bool:
    """Tell whether success is not told by a store: it says what was written, or says nothing."""
    return bool(content) and not headers.get("etag")


def _parts_of(size_bytes: int) -> Iterator[_Part]:
    part_bytes = max(PART_BYTES, -(-size_bytes // _MAX_PARTS))
    for number, start in enumerate(range(0, size_bytes, part_bytes), start=1):
        yield _Part(number, start, min(start + part_bytes, size_bytes))
