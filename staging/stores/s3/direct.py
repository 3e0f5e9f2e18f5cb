"""A bucket, or a prefix of one, as a store: by requests of our own.

Three to ten times as fast as s3fs, by docs/decisions/0011-transfer-engine.md. What its options
or its surroundings ask of it and it cannot do exactly is left to `S3Store`, over s3fs.
"""

from __future__ import annotations

import logging
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from rootcellar.schemas.errors import ArtifactNotFound, ObjectChanged, StoreError
from rootcellar.schemas.ref import Pin
from rootcellar.staging.engine.pipeline import finishing
from rootcellar.staging.stores.answers import (
    Part,
    bucket_missing,
    check_listed,
    check_part,
    following_page,
    of_answer,
    size_in,
    unreachable,
)
from rootcellar.staging.stores.s3.connection import Asked, connect
from rootcellar.staging.stores.s3.options import NotDirectError
from rootcellar.staging.stores.s3.page import page_of
from rootcellar.staging.stores.s3.uploads import DirectUpload, found_pin, is_no_write, written_pin
from rootcellar.staging.stores.s3.whole import write_whole
from rootcellar.staging.stores.small_upload import SmallUpload
from rootcellar.staging.stores.store import Listed, sent

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.http.wire import Response
    from rootcellar.staging.stores.s3.connection import BucketConnection
    from rootcellar.staging.stores.s3.options import DirectOptions
    from rootcellar.staging.stores.s3.page import Page
    from rootcellar.staging.stores.store import Chunk, PendingUpload, Progress, Written

__all__ = ["DirectS3Store"]

_log = logging.getLogger(__name__)
_PARALLEL = 8
_OK = 200
_MOST_COPIED_BYTES = 5 * 1024**3
"""By one request. Source: Amazon S3 API Reference, CopyObject."""

_Item = TypeVar("_Item")


class DirectS3Store:
    """Objects of a bucket, with the promises of `S3Store`.

    Args:
        base: What a key is appended to for its logical URI, such as `raw://`.
        place: `bucket` or `bucket/prefix`.
    """

    algorithm: Algorithm = "sha256"
    place = ""

    def __init__(self, base: str, place: str, options: DirectOptions) -> None:
        self._base = base
        self._bucket, _, prefix = place.partition("/")
        self._prefix = prefix.strip("/")
        self._options = options
        self._connected: tuple[int, BucketConnection] | None = None
        self._bucket_seen = False

    @classmethod
    def opened(cls, base: str, place: str, options: DirectOptions) -> DirectS3Store:
        """Return a store of a bucket that can be reached by our own requests.

        Other errors than that it cannot wait until it is used.

        Raises:
            NotDirectError: Something asks for more than is understood here.
        """
        store = cls(base, place, options)
        try:
            store._connect()
        except NotDirectError:
            raise
        except Exception as error:  # noqa: BLE001 (it comes again, and is told, on first use)
            _log.debug("Store %s cannot be reached yet: %s", base, type(error).__name__)
        return store

    def __repr__(self) -> str:
        return f"DirectS3Store({self._base!r})"

    @property
    def parallel(self) -> int:
        """A few: S3 gives each connection its own rate."""
        return _PARALLEL

    @property
    def connection(self) -> BucketConnection:
        """The connection of this process."""
        try:
            return self._connect()
        except NotDirectError as error:
            problem = f"its surroundings ask for what is not possible here: {error}"
            raise StoreError(problem, "", self.uri(""), "Give its options direct=false") from error
        except Exception as error:
            from rootcellar.staging.stores.s3.errors import translated  # noqa: PLC0415 (s3fs)

            if (told := translated(error, self.uri(""))) is error:
                raise
            raise told from error

    def _connect(self) -> BucketConnection:
        if self._connected is None or self._connected[0] != os.getpid():
            # Two threads may both make one; sockets of before a fork belong to the parent.
            self._connected = (os.getpid(), connect(self._bucket, self._options))
        return self._connected[1]

    def uri(self, key: str) -> str:
        """Return the logical URI of a key."""
        return self._base + key

    def asked(self, method: str, key: str, **parts: Any) -> Asked:
        """Return a request for an object, with the further parts of `Asked`."""
        return Asked(method=method, key=self._full_key(key), uri=self.uri(key), **parts)

    def stat(self, key: str) -> Pin | None:
        """Return the state of the object now, or None if there is none."""
        try:
            answer = self.connection.ask(self.asked("HEAD", key))
        except ArtifactNotFound:
            self._check_bucket()
            return None
        size_bytes = size_in(answer.headers.get("content-length", ""), self.uri(key))
        return found_pin(answer.headers, size_bytes)

    def read(self, key: str, pin: Pin, start: int, end: int) -> bytes:
        """Return a range of the object by its version id, or on condition of its etag."""
        return b"".join(map(bytes, self.stream(key, pin, start, end)))

    def stream(self, key: str, pin: Pin, start: int, end: int) -> Generator[Chunk, None, None]:
        """Yield a range of the object by one request, held as `read` holds it."""
        if start >= end and pin.size_bytes:
            return
        headers = {}
        if not (start == 0 and end >= pin.size_bytes):
            headers["range"] = f"bytes={start}-{end - 1}"
        asked = self._asked_for(key, pin, headers)
        try:
            with self.connection.open(asked) as response:
                check_part(_part_of(response), pin, start, end, asked.uri)
                length = response.headers.get("content-length", "0")
                is_more = size_in(length, asked.uri) > end - start
                if is_more and not (pin.etag or pin.version_id):
                    # A pin of a size alone holds nothing: more is another object.
                    raise self._changed(key, "replaced")
                yield from _received(response.chunks(), asked.uri)
        except ArtifactNotFound as error:
            raise self._changed(key, "deleted") from error

    def read_many(
        self, wanted: Iterable[tuple[_Item, str, Pin]]
    ) -> Generator[tuple[_Item, memoryview | None], None, None]:
        """Yield small whole objects, each held as `read` holds it."""
        asked = ((one, self._asked_for(one[1], one[2], {})) for one in wanted)
        with closing(self.connection.ask_many(asked)) as answers:
            for (item, _, pin), status, headers, body in answers:
                is_whole = status == _OK and len(body) == pin.size_bytes
                yield item, body if is_whole and not _is_other(pin, headers) else None

    def write_many(
        self, files: Iterable[tuple[_Item, str, bytes]]
    ) -> Generator[tuple[_Item, Pin | None], None, None]:
        """Put small objects, each by one request as `write_small` does."""
        connection = self.connection
        asked = (
            (
                (item, len(content)),
                self.asked("PUT", key, headers=connection.write_headers, body=content),
            )
            for item, key, content in files
        )
        with closing(connection.ask_many(asked)) as answers:
            for (item, size_bytes), status, headers, content in answers:
                is_written = status == _OK and not is_no_write(headers, content)
                yield item, found_pin(headers, size_bytes) if is_written else None

    def upload(self, key: str, source: Path, progress: Progress | None = None) -> PendingUpload:
        """Send the parts of a large file, or read a small one to be sent by `publish`."""
        if SmallUpload.suits(source):
            return SmallUpload(self, key, source, progress)
        return sent(DirectUpload(self, key), lambda pending: pending.transfer(source, progress))

    def write_file(
        self, key: str, source: Path, progress: Progress | None = None
    ) -> Written | None:
        """Put a file of up to 32 MiB by one request; not where bodies must be signed first."""
        return write_whole(self, key, source, progress)

    def write_small(self, key: str, content: bytes) -> Pin:
        """Put an object by one request."""
        connection = self.connection
        asked = self.asked("PUT", key, headers=connection.write_headers, body=content)
        return written_pin(connection.ask(asked), len(content), asked.uri)

    def copy(self, source_key: str, pin: Pin, key: str) -> Pin | None:
        """Copy within the bucket, by version id or on condition of the etag."""
        if pin.size_bytes > _MOST_COPIED_BYTES:
            return None
        source = quote(f"/{self._bucket}/{self._full_key(source_key)}", safe="/")
        headers = {**self.connection.write_headers, "x-amz-copy-source": source}
        if pin.version_id:
            headers["x-amz-copy-source"] += f"?versionId={quote(pin.version_id, safe='')}"
        else:
            headers["x-amz-copy-source-if-match"] = f'"{pin.etag}"'
        try:
            asked = self.asked("PUT", key, headers=headers)
            self.connection.ask_tree(asked)
        except ArtifactNotFound as error:
            raise self._changed(source_key, "deleted") from error
        if not pin.version_id and getattr(self.stat(source_key), "etag", "") != pin.etag:
            # Not every server knows the condition.
            self.discard(key)
            raise self._changed(source_key, "replaced")
        return self.stat(key)

    def discard(self, key: str) -> None:
        """Delete one object; where the bucket keeps versions, it only hides it."""
        try:
            with finishing():
                self.connection.ask(self.asked("DELETE", key))
        except StoreError as error:
            _log.warning("An object that is not needed stays behind. %s", error)

    def remove(self, key: str, pin: Pin) -> bool:
        """Delete one version for good, or the object on condition of its etag."""
        query = {"versionId": pin.version_id} if pin.version_id else {}
        held = {} if pin.version_id else {"if-match": f'"{pin.etag}"'}
        try:
            headers = self.connection.ask(self.asked("HEAD", key, query=query)).headers
            if found_pin(headers, pin.size_bytes).token != pin.token:
                return False
            self.connection.ask(self.asked("DELETE", key, query=query, headers=held))
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
        uri = self.uri(prefix)
        while True:
            page = self._page(prefix, root, following)
            for key, etag, size in zip(page.keys, page.etags, page.sizes, strict=True):
                check_listed(key, root, uri)
                # Consoles make empty objects with a slash at the end to show folders.
                if key[-1:] != "/":
                    yield Listed(key[offset:], Pin(size_bytes=size_in(size, uri), etag=etag))
            if page.is_last:
                return
            before = following.get("continuation-token", "")
            following = {"continuation-token": following_page(page.following, before, uri)}

    def check(self, *, writing: bool) -> None:
        """Return if the bucket may be listed, and with `writing` if an upload may begin."""
        root = f"{self._prefix}/" if self._prefix else ""
        self._page("", root, {"max-keys": "1"})
        if writing:
            sent(DirectUpload(self, ".rootcellar-check"), DirectUpload.begin).abort()

    def _page(self, prefix: str, root: str, more: Mapping[str, str]) -> Page:
        query = {"list-type": "2", "encoding-type": "url", "prefix": root, **more}
        asked = Asked(method="GET", key="", uri=self.uri(prefix), query=query)
        page = self.connection.ask_for(asked, lambda answer: page_of(answer, asked.uri))
        if not page.is_listing:
            # No objects there, for all one knows.
            raise of_answer("no listing", _OK, asked.uri)
        return page

    def _asked_for(self, key: str, pin: Pin, headers: dict[str, str]) -> Asked:
        if pin.version_id:
            return self.asked("GET", key, query={"versionId": pin.version_id}, headers=headers)
        if pin.etag:
            headers["if-match"] = f'"{pin.etag}"'
        return self.asked("GET", key, headers=headers)

    def _full_key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _check_bucket(self) -> None:
        """Tell a missing object from a missing bucket, which answer alike, once."""
        if self._bucket_seen:
            return
        try:
            self.connection.ask(Asked(method="HEAD", key="", uri=self.uri("")))
        except ArtifactNotFound as error:
            raise bucket_missing(self.uri("")) from error
        self._bucket_seen = True

    def _changed(self, key: str, how: str) -> ObjectChanged:
        return ObjectChanged(f"it was {how} while it was read", "", self.uri(key), "Try again")


def _received(chunks: Iterator[Chunk], uri: str) -> Iterator[Chunk]:
    try:
        yield from chunks
    except OSError as error:
        raise unreachable(error, uri) from error


def _is_other(pin: Pin, headers: Mapping[str, str]) -> bool:
    # Not every server knows the condition.
    etag, version_id = headers.get("etag", "").strip('"'), headers.get("x-amz-version-id", "")
    if pin.version_id and version_id:
        return version_id != pin.version_id
    return bool(pin.etag and etag and etag != pin.etag)


def _part_of(response: Response) -> Part:
    headers = response.headers
    return Part(
        status=response.status,
        etag=headers.get("etag", "").strip('"'),
        version_id=headers.get("x-amz-version-id", ""),
        range=headers.get("content-range", ""),
    )
