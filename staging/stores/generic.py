"""Any protocol that fsspec speaks as a store, by single-object methods only.

fsspec's bulk methods (`get`, `put`, `rm`, `mv`, `copy`, `glob`) expand patterns in the names they
are given and are never called here; its listings and instances are not cached.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import fsspec
from fsspec.core import url_to_fs
from fsspec.registry import known_implementations

from rootcellar.schemas.errors import (
    AccessDenied,
    ObjectChanged,
    RootcellarError,
    StoreError,
    StoreMissing,
    StoreUnavailable,
)
from rootcellar.schemas.ref import Pin
from rootcellar.staging.host.temp_file import is_temp_name, temp_name
from rootcellar.staging.stores.hidden_upload import HiddenUpload
from rootcellar.staging.stores.source_file import read_source
from rootcellar.staging.stores.store import Listed, chunks_of, sent

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.store import Chunk, Progress

__all__ = ["GenericStore"]

_log = logging.getLogger(__name__)
_COPY_BYTES = 8 * 1024 * 1024
_RANGE_BYTES = 8 * 1024 * 1024
_PARALLEL = 8

_TOKENS = ("ETag", "e_tag", "etag", "md5Hash", "content_md5", "checksum")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
"""Where the protocols put their change tokens and, failing that, times, in a file's info."""


class GenericStore:
    """Objects are what the protocol calls files.

    What is promised: an upload goes to a hidden temporary name and is published by the protocol's
    own rename, or where it has none by a copy of the one object. That is atomic for `memory://`
    (readers of the same process), for SFTP and for object stores; a protocol whose copy is seen
    growing cannot be made atomic from here. A read is held to its pin by looking before and after,
    with the etag or time that the protocol reports; one that reports neither is held by size only.
    Errors that a protocol's client library does not derive from OSError pass unchanged.
    """

    algorithm: Algorithm = "sha256"
    place = ""

    def __init__(self, base: str, url: str, options: Mapping[str, Any]) -> None:
        self._base = base
        self._url = url
        self._options = options
        self._pid = 0
        self._connected: tuple[Any, str] | None = None
        self._turn = threading.RLock()

    def __repr__(self) -> str:
        return f"GenericStore({self._base!r})"

    @property
    def parallel(self) -> int:
        """Several where the protocol's file system has a loop for its requests, else one."""
        with self._errors(""):
            return _PARALLEL if getattr(self._fs, "async_impl", False) else 1

    def uri(self, key: str) -> str:
        """Return the logical URI of a key."""
        return self._base + key

    def stat(self, key: str) -> Pin | None:
        """Return the state of the object now, or None if there is none."""
        with self._errors(key):
            try:
                info = self._fs.info(self._path(key))
            except (FileNotFoundError, NotADirectoryError):
                return None
            return self._pin(key, info) if info["type"] == "file" else None

    def read(self, key: str, pin: Pin, start: int, end: int) -> bytes:
        """Return a range, if the object is as pinned before and after."""
        with self._errors(key):
            self._hold(key, pin)
            try:
                content = self._fs.cat_file(self._path(key), start=start, end=end)
            except FileNotFoundError as error:
                raise self._changed(key) from error
            self._hold(key, pin)
            return bytes(content)

    def stream(self, key: str, pin: Pin, start: int, end: int) -> Generator[Chunk, None, None]:
        """Yield a range, if the object is as pinned before and after."""
        with self._errors(key):
            self._hold(key, pin)
            for offset in range(start, end, _RANGE_BYTES):
                upto = min(offset + _RANGE_BYTES, end)
                try:
                    content = self._fs.cat_file(self._path(key), start=offset, end=upto)
                except FileNotFoundError as error:
                    raise self._changed(key) from error
                yield from chunks_of(content)
                if len(content) < upto - offset:
                    break
            self._hold(key, pin)

    def upload(self, key: str, source: Path, progress: Progress | None = None) -> HiddenUpload[str]:
        """Write the file under a hidden name beside its final one."""
        temp = self._temp(key)

        def write(pending: HiddenUpload[str]) -> None:
            with self._errors(key):
                self._make_parent(key)
                with self._fs.open(temp, "wb") as writer:
                    for chunk in read_source(source, _COPY_BYTES):
                        writer.write(chunk)
                        pending.see(chunk)

        return sent(HiddenUpload(self, key, temp, progress), write)

    def write_small(self, key: str, content: bytes) -> Pin:
        """Write a hidden object and rename it."""
        temp = self._temp(key)
        try:
            with self._errors(key):
                self._make_parent(key)
                self._fs.pipe_file(temp, content)
            return self.publish_temp(key, temp)
        except BaseException:
            self.remove_temp(key, temp)
            raise

    def publish_temp(self, key: str, temp: str) -> Pin:
        """Give a hidden object its final name and return its state."""
        with self._errors(key):
            if type(self._fs).mv is fsspec.AbstractFileSystem.mv:
                self._fs.cp_file(temp, self._path(key))
            else:
                self._fs.mv(temp, self._path(key))
            pin = self._pin(key, self._fs.info(self._path(key)))
        self.remove_temp(key, temp)
        return pin

    def remove_temp(self, key: str, temp: str) -> None:
        """Remove a hidden object, if it is still there and may be removed."""
        try:
            with self._errors(key):
                if self._fs.exists(temp):
                    self._fs.rm_file(temp)
        except RootcellarError as error:
            _log.warning("A temporary object stays behind. %s", error)

    def copy(self, source_key: str, pin: Pin, key: str) -> Pin | None:
        """Return None: no protocol copies on condition of a pin."""

    def discard(self, key: str) -> None:
        """Remove one object."""
        self.remove_temp(key, self._path(key))

    def remove(self, key: str, pin: Pin) -> bool:
        """Remove an object that is as pinned; not where the protocol gives no token for that."""
        if self.stat(key) != pin:
            return False
        if not pin.etag:
            raise StoreError(
                "its protocol tells no state of an object but its size",
                "",
                self.uri(key),
                "Remove it by hand",
            )
        with self._errors(key):
            try:
                self._fs.rm_file(self._path(key))
            except FileNotFoundError:
                return False
        return True

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield all objects below a folder."""
        root = self._path(prefix)
        with self._errors(prefix):
            try:
                found = self._fs.find(root, detail=True)
            except FileNotFoundError:
                return
        for path, info in sorted(found.items()):
            name = path[len(root) :].strip("/")
            if name and info["type"] == "file" and not is_temp_name(name.rpartition("/")[2]):
                key = "/".join(part for part in (prefix, name) if part)
                # Without a token a listing may tell another time than a look at the object does.
                pin = self._pin(key, info) if _has_token(info) else self.stat(key)
                if pin is not None:  # or it went meanwhile
                    yield Listed(key, pin)

    def check(self, *, writing: bool) -> None:
        """Return if the root can be listed, and with `writing` if a hidden object can be made."""
        with self._errors(""):
            try:
                self._fs.ls(self._path(""), detail=False)
            except FileNotFoundError as error:
                # The memory of a process has no roots to be missing.
                if "memory" not in self._fs.protocol:
                    raise StoreMissing(
                        "the store's root does not exist",
                        "",
                        self._base,
                        "Create it or correct the store's URL in the settings",
                    ) from error
            if writing:
                temp = self._temp("check")
                self._fs.pipe_file(temp, b"")
                self._fs.rm_file(temp)

    @property
    def _fs(self) -> Any:
        return self._connect()[0]

    def _connect(self) -> tuple[Any, str]:
        # An instance that lived before a fork raises or hangs in the child.
        if self._connected is None or self._pid != os.getpid():
            protocol = self._url.partition("://")[0]
            if protocol not in known_implementations and protocol not in fsspec.registry:
                raise StoreMissing(
                    f"fsspec knows no protocol {protocol!r}",
                    "",
                    self._base,
                    "Correct the store's URL in the settings, or install what registers it",
                )
            self._connected = url_to_fs(
                self._url, skip_instance_cache=True, use_listings_cache=False, **self._options
            )
            if self._pid not in {0, os.getpid()}:
                self._turn = threading.RLock()  # the parent's may be held for ever
            self._pid = os.getpid()
        return self._connected

    def _one_at_a_time(self) -> AbstractContextManager[object]:
        """Wait for other threads where the file system is one connection that takes no two calls.

        FTP and SFTP are; one with a loop for its requests keeps them apart itself.
        """
        return nullcontext() if getattr(self._fs, "async_impl", False) else self._turn

    def _path(self, key: str) -> str:
        root = self._connect()[1].rstrip("/")
        return f"{root}/{key}" if key else root

    def _temp(self, key: str) -> str:
        folder, _, name = key.rpartition("/")
        return self._path(f"{folder}/{temp_name(name)}" if folder else temp_name(name))

    def _make_parent(self, key: str) -> None:
        # Object stores have no folders, and their `makedirs` would make a bucket. Their paths
        # begin with the bucket's name.
        if (path := self._path(key)).startswith("/"):
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _hold(self, key: str, pin: Pin) -> None:
        found = self.stat(key)
        if found is None or found.size_bytes != pin.size_bytes or (pin.etag and found != pin):
            raise self._changed(key)

    def _pin(self, key: str, info: Mapping[str, Any]) -> Pin:
        """Return the pin in what the protocol tells of a file.

        Raises:
            StoreError: It tells no size: to take the file for an empty one would lose its content.
        """
        size_bytes = info.get("size")
        if size_bytes is None:
            problem = "the store does not tell the size of an object"
            remedy = "Have its server send sizes, or put the files into another store"
            raise StoreError(problem, "", self.uri(key), remedy)
        tokens = [str(info[name]) for name in _TOKENS if info.get(name)]
        times = [str(info[name]) for name in _TIMES if info.get(name)]
        etag = (tokens or times or [""])[0].strip('"')
        return Pin(size_bytes=int(size_bytes), etag=etag)

    def _changed(self, key: str) -> ObjectChanged:
        return ObjectChanged("it was replaced while it was read", "", self.uri(key), "Try again")

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        about = ("", self.uri(key))
        try:
            with self._one_at_a_time():
                yield
        except RootcellarError:
            raise
        except (PermissionError, NotImplementedError) as error:
            remedy = "Check the store's credentials and that its protocol can be written"
            raise AccessDenied("the store refuses access", *about, remedy) from error
        except ImportError as error:
            raise StoreError("its protocol is not installed", *about, str(error)) from error
        except (OSError, EOFError) as error:
            problem = f"the store could not be reached: {type(error).__name__}"
            raise StoreUnavailable(problem, *about, "Try again later") from error


def _has_token(info: Mapping[str, Any]) -> bool:
    return any(info.get(name) for name in _TOKENS)
