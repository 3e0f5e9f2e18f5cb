"""A bucket, or a prefix of one, as a store.

Over s3fs for its session and credentials only: each request is one call of the S3 interface.
s3fs's own `get_file`, `put_file`, `cat` and `rm` pin nothing, check nothing or expand patterns.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import s3fs

from rootcellar.schemas.errors import ArtifactNotFound, ObjectChanged, StoreError
from rootcellar.staging.engine.pipeline import check_stopped, cut_off_by, finishing
from rootcellar.staging.stores.answers import (
    Part,
    bucket_missing,
    check_listed,
    check_part,
    following_page,
    size_in,
)
from rootcellar.staging.stores.s3.errors import translated
from rootcellar.staging.stores.s3.s3fs_upload import MultipartUpload, pin_of
from rootcellar.staging.stores.small_upload import SmallUpload
from rootcellar.staging.stores.store import Listed, chunks_of, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
    from pathlib import Path

    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.store import Chunk, PendingUpload, Progress

__all__ = ["S3Store"]

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")
_Item = TypeVar("_Item")
_PARALLEL = 8
_RANGE_BYTES = 8 * 1024 * 1024
_MOST_COPIED_BYTES = 5 * 1024**3
"""By one request. Source: Amazon S3 API Reference, CopyObject."""
_REQUEST_SECONDS = 600.0
"""Of one request with all its tries. The client has no limit for a store that takes no bytes, or
does not say that it wants them."""

_STOP_SECONDS = 10.0
_AGAIN_SECONDS = 0.1
_LISTEN_SECONDS = 0.5
"""A signal that comes just before Python begins to wait is seen only after the wait."""


class S3Store:
    """Objects of a bucket.

    A pin is the version id where the bucket keeps versions, else the etag. A small file is sent by
    one request in `publish`; a larger one as a multipart upload that only `publish` completes. A
    process that is killed in an upload leaves invisible parts, which a lifecycle rule of the
    bucket should abort.

    Args:
        base: What a key is appended to for its logical URI, such as `raw://`.
        place: `bucket` or `bucket/prefix`.
        options: Of `s3fs.S3FileSystem`.
    """

    algorithm: Algorithm = "sha256"
    place = ""

    def __init__(self, base: str, place: str, options: Mapping[str, Any]) -> None:
        self._base = base
        self._bucket, _, prefix = place.partition("/")
        self._prefix = prefix.strip("/")
        self._options = options
        self._connected: Any = None
        self._pid = 0
        self._bucket_seen = False

    def __repr__(self) -> str:
        return f"S3Store({self._base!r})"

    @property
    def parallel(self) -> int:
        """A few: S3 gives each connection its own rate."""
        return _PARALLEL

    def uri(self, key: str) -> str:
        """Return the logical URI of a key."""
        return self._base + key

    def stat(self, key: str) -> Pin | None:
        """Return the state of the object now, or None if there is none."""
        try:
            answer = self.call("head_object", key, Key=self.full_key(key))
        except ArtifactNotFound:
            self._check_bucket()
            return None
        return pin_of(answer, size_in(str(answer.get("ContentLength", "")), self.uri(key)))

    def read(self, key: str, pin: Pin, start: int, end: int) -> bytes:
        """Return a range of the object by its version id, or on condition of its etag."""
        held: dict[str, str] = {}
        if pin.version_id:
            held["VersionId"] = pin.version_id
        elif pin.etag:
            held["IfMatch"] = f'"{pin.etag}"'

        async def ranged() -> bytes:
            answer = await self._request(
                "get_object", Key=self.full_key(key), Range=f"bytes={start}-{end - 1}", **held
            )
            check_part(_part_of(answer), pin, start, end, self.uri(key))
            async with answer["Body"] as body:
                content: bytes = await body.read()
                return content

        try:
            return self._run(ranged, key)
        except ArtifactNotFound as error:
            raise self._deleted(key) from error

    def stream(self, key: str, pin: Pin, start: int, end: int) -> Generator[Chunk, None, None]:
        """Yield a range of the object, held as `read` holds it, by requests of some MiB."""
        for offset in range(start, end, _RANGE_BYTES):
            upto = min(offset + _RANGE_BYTES, end)
            content = self.read(key, pin, offset, upto)
            yield from chunks_of(content)
            if len(content) < upto - offset:
                return

    def upload(self, key: str, source: Path, progress: Progress | None = None) -> PendingUpload:
        """Send the parts of a large file, or read a small one to be sent by `publish`."""
        if SmallUpload.suits(source):
            return SmallUpload(self, key, source, progress)
        return sent(MultipartUpload(self, key, source), lambda pending: pending.transfer(progress))

    def write_small(self, key: str, content: bytes) -> Pin:
        """Put an object by one request."""
        answer = self.call("put_object", key, Key=self.full_key(key), Body=content)
        return pin_of(answer, len(content))

    def copy(self, source_key: str, pin: Pin, key: str) -> Pin | None:
        """Copy within the bucket, by version id or on condition of the etag."""
        if pin.size_bytes > _MOST_COPIED_BYTES:
            return None
        source = {"Bucket": self._bucket, "Key": self.full_key(source_key)}
        held = {} if pin.version_id else {"CopySourceIfMatch": f'"{pin.etag}"'}
        if pin.version_id:
            source["VersionId"] = pin.version_id
        try:
            answer = self.call(
                "copy_object", source_key, Key=self.full_key(key), CopySource=source, **held
            )
        except ArtifactNotFound as error:
            raise self._deleted(source_key) from error
        if not pin.version_id and getattr(self.stat(source_key), "etag", "") != pin.etag:
            # Not every server knows the condition.
            self.discard(key)
            raise self._replaced(source_key)
        found = {**answer["CopyObjectResult"], "VersionId": answer.get("VersionId")}
        return pin_of(found, pin.size_bytes)

    def discard(self, key: str) -> None:
        """Delete one object; where the bucket keeps versions, it only hides it."""
        try:
            with finishing():
                self.call("delete_object", key, Key=self.full_key(key))
        except StoreError as error:
            _log.warning("An object that is not needed stays behind. %s", error)

    def remove(self, key: str, pin: Pin) -> bool:
        """Delete one version for good, or the object on condition of its etag."""
        which = {"VersionId": pin.version_id} if pin.version_id else {}
        held = {} if pin.version_id else {"IfMatch": f'"{pin.etag}"'}
        try:
            found = self.call("head_object", key, Key=self.full_key(key), **which)
            if pin_of(found, pin.size_bytes).token != pin.token:
                return False
            self.call("delete_object", key, Key=self.full_key(key), **which, **held)
        except ArtifactNotFound:
            self._check_bucket()
            return False
        except ObjectChanged:
            return False
        return True

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield all objects below a folder, page by page; their pins hold no version id."""
        root = "".join(f"{part}/" for part in (self._prefix, prefix) if part)
        offset = len(self._prefix) + 1 if self._prefix else 0
        following: dict[str, str] = {}
        while True:
            page = self.call("list_objects_v2", prefix, Prefix=root, **following)
            for item in page.get("Contents", ()):
                check_listed(item["Key"], root, self.uri(prefix))
                # Consoles make empty objects with a slash at the end to show folders.
                if not item["Key"].endswith("/"):
                    size_bytes = size_in(str(item.get("Size", "")), self.uri(prefix))
                    yield Listed(item["Key"][offset:], pin_of(item, size_bytes))
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken", "")
            before = following.get("ContinuationToken", "")
            following = {"ContinuationToken": following_page(token, before, self.uri(prefix))}

    def check(self, *, writing: bool) -> None:
        """Return if the bucket may be listed, and with `writing` if an upload may begin."""
        root = f"{self._prefix}/" if self._prefix else ""
        self.call("list_objects_v2", "", Prefix=root, MaxKeys=1)
        if writing:
            key = self.full_key(".rootcellar-check")
            begun = self.call("create_multipart_upload", "", Key=key)
            self.call("abort_multipart_upload", "", Key=key, UploadId=begun["UploadId"])

    def full_key(self, key: str) -> str:
        """Return the key within the bucket."""
        return f"{self._prefix}/{key}" if self._prefix else key

    def call(self, method: str, key: str, /, **arguments: Any) -> Any:
        """Return the answer to one request; errors name the URI of `key`."""
        return self.call_noting(method, key, lambda _: None, **arguments)

    def call_noting(
        self, method: str, key: str, note: Callable[[Any], object], /, **arguments: Any
    ) -> Any:
        """Do as `call`; `note` is told the answer even if this thread is interrupted meanwhile."""

        async def request() -> Any:
            answer = await self._request(method, **arguments)
            note(answer)
            return answer

        return self._run(request, key)

    async def _request(self, method: str, **arguments: Any) -> Any:
        fs = self._filesystem()
        # The coroutine behind s3fs's public `call_s3`.
        return await fs._call_s3(method, fs.req_kw, Bucket=self._bucket, **arguments)  # noqa: SLF001

    def _filesystem(self) -> Any:
        # An instance made before a fork raises in the child. Two threads may both make one.
        if self._connected is None or self._pid != os.getpid():
            self._connected = s3fs.S3FileSystem(
                skip_instance_cache=True, use_listings_cache=False, **self._options
            )
            # Its own retries multiply those of the client below and of the downloads above.
            self._connected.retries = 1
            self._pid = os.getpid()
        return self._connected

    def _run(self, work: Callable[[], Coroutine[Any, Any, _Answer]], key: str) -> _Answer:
        """Run a coroutine in fsspec's thread, and end it if this thread is interrupted.

        fsspec's own `sync` lets it go on, so that an upload that a soft time limit broke off would
        be published later.
        """
        # A lock that a signal leaves held would stop that thread for ever, with all that use it.
        ended: queue.SimpleQueue[asyncio.Task[_Answer]] = queue.SimpleQueue()
        tasks: list[asyncio.Task[_Answer]] = []
        loop, wanted = self._filesystem().loop, [True]

        async def limited() -> _Answer:
            return await asyncio.wait_for(work(), _REQUEST_SECONDS)

        def begin() -> None:
            if wanted:
                task = loop.create_task(limited(), name="watched")
                tasks.append(task)
                task.add_done_callback(ended.put)

        def cancel() -> None:
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])

        try:
            # Inside: the limit may strike as soon as the other thread has the coroutine.
            with cut_off_by(cancel):
                loop.call_soon_threadsafe(begin)
                task = _first(ended)
        except BaseException:
            wanted.clear()
            # The client takes one cancelling for a lost connection at times, and tries again.
            end = time.monotonic() + _STOP_SECONDS
            while any(not task.done() for task in tasks) and time.monotonic() < end:
                cancel()
                with suppress(queue.Empty):
                    ended.get(timeout=_AGAIN_SECONDS)
            raise
        if task.cancelled():
            check_stopped()
            raise asyncio.CancelledError
        error = task.exception()
        if isinstance(error, StoreError):
            raise error
        if error is not None:
            raise translated(error, self.uri(key)) from error
        return task.result()

    def _deleted(self, key: str) -> ObjectChanged:
        return ObjectChanged("it was deleted while it was read", "", self.uri(key), "Try again")

    def _replaced(self, key: str) -> ObjectChanged:
        return ObjectChanged("it was replaced while it was read", "", self.uri(key), "Try again")

    def _check_bucket(self) -> None:
        """Tell a missing object from a missing bucket, which answer alike, once."""
        if self._bucket_seen:
            return
        try:
            self.call("head_bucket", "")
        except ArtifactNotFound as error:
            raise bucket_missing(self.uri("")) from error
        self._bucket_seen = True


def _part_of(answer: Mapping[str, Any]) -> Part:
    return Part(
        status=answer["ResponseMetadata"]["HTTPStatusCode"],
        etag=str(answer.get("ETag") or "").strip('"'),
        version_id=str(answer.get("VersionId") or ""),
        range=str(answer.get("ContentRange") or ""),
    )


def _first(ended: queue.SimpleQueue[_Item]) -> _Item:
    while True:
        with suppress(queue.Empty):
            return ended.get(timeout=_LISTEN_SECONDS)
