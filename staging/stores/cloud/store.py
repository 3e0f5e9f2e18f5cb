"""Google Cloud Storage and Azure Blob Storage as stores, over obstore."""

from __future__ import annotations

import logging
import os
import re
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import (
    BaseError,
    NotModifiedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from rootcellar.schemas.errors import ArtifactNotFound, ObjectChanged, RootcellarError, StoreError
from rootcellar.schemas.ref import Pin
from rootcellar.staging.engine.pipeline import check_stopped, finishing
from rootcellar.staging.host.temp_file import is_temp_name, temp_name
from rootcellar.staging.stores.answers import bucket_missing, of_answer, unreachable
from rootcellar.staging.stores.cloud.upload import CloudUpload
from rootcellar.staging.stores.small_upload import SmallUpload
from rootcellar.staging.stores.store import CHUNK_BYTES, Listed, chunks_of, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.store import Chunk, PendingUpload, Progress

__all__ = ["CLIENT_OPTIONS", "RETRY_OPTIONS", "CloudStore"]

_log = logging.getLogger(__name__)
_PARALLEL = 8
_LISTED_AT_ONCE = 1000
_NOT_FOUND, _FORBIDDEN = 404, 403
_STATUS = re.compile(r"status code: (\d{3})")

CLIENT_OPTIONS: Any = {
    "connect_timeout": timedelta(seconds=10),
    "read_timeout": timedelta(seconds=30),
    # Of a whole answer, however large: what stands still is ended by the one above.
    "timeout": timedelta(days=1),
}
RETRY_OPTIONS: Any = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}


class CloudStore:
    """Objects of a bucket or container.

    A pin is the version where the service tells one, else the etag. A small file is sent by one
    request in `publish`; of a larger one the parts are sent at once, and `publish` joins them.
    obstore cannot take parts back: those of an upload that was given up stay invisible until the
    service drops them, Azure by itself after a week, Google by a lifecycle rule of the bucket.

    Args:
        base: What a key is appended to for its logical URI, such as `raw://`.
        make: Returns obstore's object for the bucket, or its prefix, in a process.
    """

    algorithm: Algorithm = "sha256"
    place = ""

    # obstore's threads do not survive a fork, and in the child its calls would never end.
    _began_in = 0

    def __init__(self, base: str, make: Callable[[], Any]) -> None:
        self._base = base
        self._make = make
        self._made: Any = None
        self._root_seen = False

    def __repr__(self) -> str:
        return f"CloudStore({self._base!r})"

    @property
    def parallel(self) -> int:
        """A few: each connection has its own rate."""
        return _PARALLEL

    @property
    def service(self) -> Any:
        """Obstore's object for the bucket."""
        if CloudStore._began_in not in {0, os.getpid()}:
            raise StoreError(
                "its client was already used in the process that this one was forked from",
                "",
                self._base,
                "Use the store only in the children, or give its options direct=false",
            )
        CloudStore._began_in = os.getpid()
        if self._made is None:
            self._made = self._make()
        return self._made

    def uri(self, key: str) -> str:
        """Return the logical URI of a key."""
        return self._base + key

    def stat(self, key: str) -> Pin | None:
        """Return the state of the object now, or None if there is none."""
        try:
            with self.errors(key):
                return found_pin(obstore.head(self.service, key))
        except ArtifactNotFound:
            self._check_root()
            return None

    def read(self, key: str, pin: Pin, start: int, end: int) -> bytes:
        """Return a range of the object by its version, or on condition of its etag."""
        return b"".join(map(bytes, self.stream(key, pin, start, end)))

    def stream(self, key: str, pin: Pin, start: int, end: int) -> Generator[Chunk, None, None]:
        """Yield a range of the object by one request, held as `read` holds it."""
        if start >= end and pin.size_bytes:
            return
        options: Any = {}
        if not (start == 0 and end >= pin.size_bytes):
            options["range"] = (start, end)
        if pin.version_id:
            options["version"] = pin.version_id
        elif pin.etag:
            options["if_match"] = f'"{pin.etag}"'
        try:
            with self.errors(key):
                answer = obstore.get(self.service, key, options=options)
                found = found_pin(answer.meta)
                is_other = pin.etag and found.etag != pin.etag and not pin.version_id
                if is_other or found.size_bytes != pin.size_bytes:
                    raise self._changed(key, "replaced")
                for chunk in answer.stream(min_chunk_size=CHUNK_BYTES):
                    check_stopped()
                    yield from chunks_of(memoryview(chunk))
        except ArtifactNotFound as error:
            raise self._changed(key, "deleted") from error

    def upload(self, key: str, source: Path, progress: Progress | None = None) -> PendingUpload:
        """Send the parts of a large file, or read a small one to be sent by `publish`."""
        if SmallUpload.suits(source):
            return SmallUpload(self, key, source, progress)
        return sent(CloudUpload(self, key), lambda pending: pending.transfer(source, progress))

    def write_small(self, key: str, content: bytes) -> Pin:
        """Put an object by one request."""
        with self.errors(key):
            answer = obstore.put(self.service, key, content, use_multipart=False)
        return found_pin({**answer, "size": len(content)})

    def copy(self, source_key: str, pin: Pin, key: str) -> Pin | None:
        """Return None: obstore copies without a condition."""

    def discard(self, key: str) -> None:
        """Delete one object."""
        try:
            with finishing(), self.errors(key):
                obstore.delete(self.service, key)
        except ArtifactNotFound:
            pass
        except RootcellarError as error:
            _log.warning("An object that is not needed stays behind. %s", error)

    def remove(self, key: str, pin: Pin) -> bool:
        """Delete an object that is as pinned; obstore can delete no older version."""
        found = self.stat(key)
        if found is None or found.token != pin.token:
            if not pin.version_id or found is None:
                return False
            raise StoreError(
                "an older version cannot be deleted in this store",
                "",
                self.uri(key),
                "Let a lifecycle rule of the bucket delete older versions",
            )
        with self.errors(key):
            obstore.delete(self.service, key)
        return True

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield all objects below a folder, page by page; their pins hold no version."""
        with self.errors(prefix):
            pages = obstore.list(self.service, prefix=prefix or None, chunk_size=_LISTED_AT_ONCE)
            for page in pages:
                for item in page:
                    if not is_temp_name(item["path"].rpartition("/")[2]):
                        pin = found_pin({**item, "version": None})
                        yield Listed(item["path"], pin)

    def check(self, *, writing: bool) -> None:
        """Return if the bucket may be listed, and with `writing` if an object can be made."""
        self._list_one()
        if writing:
            key = temp_name("check")
            self.write_small(key, b"")
            self.discard(key)

    @contextmanager
    def errors(self, key: str) -> Iterator[None]:
        """Raise what obstore raises inside as an error of ours that names the key's URI."""
        uri = self.uri(key)
        try:
            yield
        except RootcellarError:
            raise
        except FileNotFoundError as error:
            raise of_answer("", _NOT_FOUND, uri) from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise of_answer("", _FORBIDDEN, uri) from error
        except (PreconditionError, NotModifiedError) as error:
            raise self._changed(key, "replaced") from error
        except ValueError as error:
            remedy = "Use other characters, and correct the store's options if all keys fail"
            raise StoreError("the service cannot hold such a key", "", uri, remedy) from error
        except BaseError as error:
            # Its text holds hosts and signatures.
            status = _STATUS.search(str(error))
            if status is None:
                raise unreachable(error, uri) from error
            raise of_answer("", int(status[1]), uri) from error

    def _list_one(self) -> None:
        try:
            with self.errors(""):
                next(iter(obstore.list(self.service, chunk_size=1)), None)
        except ArtifactNotFound as error:
            raise bucket_missing(self._base) from error

    def _check_root(self) -> None:
        """Tell a missing object from a missing bucket, which answer alike, once."""
        if not self._root_seen:
            self._list_one()
            self._root_seen = True

    def _changed(self, key: str, how: str) -> ObjectChanged:
        return ObjectChanged(f"it was {how} while it was read", "", self.uri(key), "Try again")


def found_pin(meta: Mapping[str, Any]) -> Pin:
    """Return the pin in what obstore tells of an object."""
    return Pin(
        size_bytes=int(meta["size"]),
        etag=str(meta["e_tag"] or "").strip('"'),
        version_id=str(meta["version"] or ""),
    )
