"""The host's cache: bytes that were downloaded or published here, by digest, for all processes.

    CACHEDIR.TAG                    backup programs leave the folder out
    v1/                             all below is of this layout
        cas/sha256/ab/<hex>         entries: read-only files whose digest is their name
        sources/<hex>               digest that a URI had under a pin; named by both
        locks/<what>-<name>         flocks: entries and sources being downloaded, scratch alive
        tmp/<random>/               other downloads; dead, as workdirs, when their lock is free
        work/<run uid>/             workdirs of runs, with the downloads they make

A file under `cas` is whole from its first moment, and bears the time that all entries have. All
processes of one user share the folder, and any of them may be killed at any time. An older or newer
layout has its own `v…` beside this one.
"""

from __future__ import annotations

import copy
import hashlib
import os
import secrets
import shutil
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CacheUnusable, DigestMismatch, RootcellarError
from rootcellar.staging.hashing import algorithm_of
from rootcellar.staging.host_lock import locked
from rootcellar.staging.local_copy import copy_read_only, link_or_copy
from rootcellar.staging.scratch import Scratch, sweep_locks, sweep_scratch
from rootcellar.staging.temp_file import create_temp, temp_name
from rootcellar.staging.transfer import digest_file, download

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.stores.store import Address, Progress

__all__ = ["Cache", "Cached", "cache_errors"]

_LAYOUT = "v1"
_AREAS = ("cas", "sources", "locks", "tmp", "work")
_ENTRY_TIME_NS = 1_000_000_000 * 10**9
"""When each entry says that it was written, in 2001. Whatever writes to one, such as a body through
the link in its workdir, changes that, and so is seen without reading the bytes again."""
_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of rootcellar and may be deleted when no task runs.\n"
    "# See https://bford.info/cachedir/\n"
)
_REMEDY = "Set cache_dir (ROOTCELLAR_CACHE_DIR) to a folder of this user's own with free space"


@dataclass(frozen=True, slots=True)
class Cached:
    """An entry of the cache.

    Attributes:
        path: Read-only; link or copy it, never write there.
        pin: The state of the object these are the bytes of: the one asked for, or a newer one if
            the object was replaced while it was downloaded.
        hit: The bytes were on the host.
    """

    digest: Digest
    path: Path
    size_bytes: int
    pin: Pin
    hit: bool
    transferred_bytes: int
    seconds: float


class Cache:
    """The cache below one folder; made when missing, with mode 0700.

    Raises:
        CacheUnusable: The folder cannot be written, is another user's, or others may write there.
    """

    def __init__(self, root: Path) -> None:
        self._aside: Path | None = None
        with cache_errors():
            _claim(root)
            self.root = root / _LAYOUT
            self.make_folders()
            if not os.access(self.root / "tmp", os.W_OK | os.X_OK):
                raise CacheUnusable("the cache folder may not be written", remedy=_REMEDY)
            _write_once(root / "CACHEDIR.TAG", _TAG)

    def within(self, aside: Path) -> Cache:
        """Return this cache with its temporary files in a folder that the caller removes.

        It spares each of a thousand files a folder and a lock of its own.
        """
        other = copy.copy(self)
        other._aside = aside  # noqa: SLF001 (our own copy)
        return other

    def make_folders(self) -> None:
        """Make the folders that are missing: people delete caches while no task runs."""
        for folder in (self.root, *(self.root / area for area in _AREAS)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def fetch(
        self,
        address: Address,
        pin: Pin,
        *,
        expected: Digest | None = None,
        progress: Progress | None = None,
    ) -> Cached:
        """Return the entry for an object, downloading it unless the host has its bytes.

        Of several processes that want the same object one downloads and the others wait for it.

        Args:
            address: Of the object.
            pin: Its state that is wanted.
            expected: Digest of the bytes, if known; then they are found whatever they are called.
            progress: Hears of a download.

        Raises:
            CacheUnusable: No space, or the folder was damaged.
            StoreError: See `download`.
        """
        started = time.monotonic()
        with cache_errors():
            if cached := self._known(address, pin, expected, started):
                return cached
            name = f"cas-{expected.hex}" if expected else f"source-{_source_name(address, pin)}"
            with locked(self.root / "locks" / name):
                # Another process may have downloaded it while we waited.
                if cached := self._known(address, pin, expected, started):
                    return cached
                return self._download(address, pin, expected, progress, started)

    def find(self, digest: Digest, size_bytes: int) -> Path | None:
        """Return the entry of that digest, or None; one that was changed since is dropped."""
        with cache_errors():
            path = self._entry(digest)
            try:
                status = path.lstat()
            except FileNotFoundError:
                return None
            found = (stat.S_ISREG(status.st_mode), status.st_size, status.st_mtime_ns)
            if found == (True, size_bytes, _ENTRY_TIME_NS):
                return path
            self.forget(digest)
            return None

    def add(self, path: Path, digest: Digest) -> Path:
        """Take in a local file that has this digest, and return its entry.

        A file of a workdir is linked, and becomes read-only and old; any other, and one that has
        a second name somewhere, is copied.

        Raises:
            DigestMismatch: The file that was copied has another digest.
        """
        with cache_errors():
            status = path.lstat()
            if entry := self.find(digest, status.st_size):
                return entry
            with self._temporary() as temp:
                if status.st_nlink == 1 and path.is_relative_to(self.root / "work"):
                    link_or_copy(path, temp)
                else:
                    copy_read_only(path, temp)
                    _check_copy(temp, digest)
                return self._enter(temp, digest)

    def remember(self, address: Address, pin: Pin, digest: Digest) -> None:
        """Note that the object in this state has these bytes.

        A pin that knows a size only proves too little and is not noted.
        """
        if pin.etag or pin.version_id:
            with cache_errors(), self._temporary() as temp:
                temp.write_text(digest)
                temp.replace(self.root / "sources" / _source_name(address, pin))

    def forget(self, digest: Digest) -> None:
        """Drop an entry, such as one that was found modified. Links to it in workdirs remain."""
        path = self._entry(digest)
        with cache_errors():
            try:
                path.unlink(missing_ok=True)
            except IsADirectoryError:
                shutil.rmtree(path, ignore_errors=True)

    def sweep(self) -> int:
        """Remove what killed processes left of their downloads, and return of how many."""
        with cache_errors():
            for what in ("cas", "source"):
                sweep_locks(self.root, what)
            return len(sweep_scratch(self.root, "tmp"))

    def _known(
        self, address: Address, pin: Pin, expected: Digest | None, started: float
    ) -> Cached | None:
        digest = expected or self._remembered(address, pin)
        path = self.find(digest, pin.size_bytes) if digest else None
        if digest is None or path is None:
            return None
        seconds = time.monotonic() - started
        return Cached(digest, path, pin.size_bytes, pin, True, 0, seconds)  # noqa: FBT003

    def _download(
        self,
        address: Address,
        pin: Pin,
        expected: Digest | None,
        progress: Progress | None,
        started: float,
    ) -> Cached:
        with self._temporary() as temp:
            done = download(address, temp, pin=pin, expected=expected, progress=progress)
            path = self._enter(temp, done.digest)
        self.remember(address, done.pin, done.digest)
        size, seconds = done.size_bytes, time.monotonic() - started
        return Cached(done.digest, path, size, done.pin, False, size, seconds)  # noqa: FBT003

    def _enter(self, temp: Path, digest: Digest) -> Path:
        path = self._entry(digest)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temp.chmod(0o444)
        os.utime(temp, ns=(temp.lstat().st_atime_ns, _ENTRY_TIME_NS))
        # Should one be there already, its bytes are the same, and who linked it keeps the old.
        return temp.replace(path)

    def _entry(self, digest: Digest) -> Path:
        return self.root / "cas" / digest.algorithm / digest.hex[:2] / digest.hex

    def _remembered(self, address: Address, pin: Pin) -> Digest | None:
        path = self.root / "sources" / _source_name(address, pin)
        try:
            return Digest(path.read_text())
        except (FileNotFoundError, ValueError):
            return None

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        """Yield a path for a file under way; what is there is removed in the end, or swept."""
        if self._aside is not None:
            path = self._aside / secrets.token_hex(8)
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)
            return
        scratch = Scratch(self.root, "tmp", secrets.token_hex(8))
        try:
            yield scratch.path / "bytes"
        finally:
            scratch.close()


@contextmanager
def cache_errors() -> Iterator[None]:
    """Turn the operating system's errors about the cache's folder into CacheUnusable."""
    try:
        yield
    except RootcellarError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise CacheUnusable(f"the cache folder failed: {reason}", remedy=_REMEDY) from error


def _claim(root: Path) -> None:
    """Make the folder, or check that it is ours alone to write."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = root.stat()
    if status.st_uid != os.geteuid():
        raise CacheUnusable("the cache folder belongs to another user", remedy=_REMEDY)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheUnusable(
            "other users may write to the cache folder",
            remedy=f"Take that right away (chmod go-w). {_REMEDY}",
        )


def _source_name(address: Address, pin: Pin) -> str:
    return hashlib.sha256(f"{address.uri}\n{pin.token}".encode()).hexdigest()


def _check_copy(temp: Path, digest: Digest) -> None:
    found = digest_file(temp, algorithm_of(digest))
    if found != digest:
        raise DigestMismatch(
            f"the local file's bytes are {found}, not {digest}",
            remedy="Let nothing write to a file while it is published",
        )


def _write_once(path: Path, text: str) -> None:
    if path.exists():
        return
    temp = path.with_name(temp_name(path.name))
    try:
        with create_temp(temp) as file:
            file.write(text.encode())
        temp.replace(path)
    finally:
        temp.unlink(missing_ok=True)
