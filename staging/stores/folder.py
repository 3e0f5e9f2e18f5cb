"""A folder of a local or mounted file system as a store."""

from __future__ import annotations

import errno
import logging
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import (
    AccessDenied,
    ObjectChanged,
    StoreError,
    StoreMissing,
    StoreUnavailable,
)
from rootcellar.schemas.ref import Pin
from rootcellar.staging.host.clone import cloned
from rootcellar.staging.host.temp_file import create_temp, is_temp_name, temp_name
from rootcellar.staging.stores.hidden_upload import HiddenUpload
from rootcellar.staging.stores.source_file import read_source
from rootcellar.staging.stores.store import CHUNK_BYTES, Listed, sent

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.stores.store import Chunk, Progress

__all__ = ["FolderStore", "pin_of"]

_log = logging.getLogger(__name__)
_COPY_BYTES = 1024 * 1024
_PUBLISHED_MODE = 0o444
"""A published file is replaced, never changed: so it can be linked, and no hand slips."""
_NOTHING_THERE = (FileNotFoundError, NotADirectoryError)
_NOT_A_PLACE = {errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class FolderStore:
    """Objects are the regular files below a folder.

    A pin is inode, modification time and size. Publication is a rename; a process that dies in an
    upload leaves a hidden temporary file, which no listing shows and nothing removes. Nothing is
    synced to the disk: a power cut may empty or take back what was published just before it. Links
    inside the folder are followed as long as they stay inside; empty folders are nothing.

    Args:
        base: What a key is appended to for its logical URI, such as `raw://`.
        auto_mkdir: Make the folder on first use instead of raising StoreMissing.
    """

    algorithm: Algorithm = "sha256"
    place = ""

    def __init__(self, base: str, root: Path, *, auto_mkdir: bool = False) -> None:
        self._base = base
        self._root = root
        self._auto_mkdir = auto_mkdir

    def __repr__(self) -> str:
        return f"FolderStore({self._base!r})"

    @property
    def parallel(self) -> int:
        """One: a disk gains nothing by threads."""
        return 1

    def uri(self, key: str) -> str:
        """Return the logical URI of a key."""
        return self._base + key

    def stat(self, key: str) -> Pin | None:
        """Return the state of the file now, or None if there is no regular file."""
        with self._errors(key):
            status = self._status(key)
            if status is None:
                try:
                    status = self._path(key).lstat()
                except _NOTHING_THERE:
                    return None
            return pin_of(status) if stat.S_ISREG(status.st_mode) else None

    def _status(self, key: str) -> os.stat_result | None:
        """Return the state of what is at a key if no link leads there; None where `_path` decides.

        Resolving each folder above the store for each look takes ten times as long.
        """
        path, status = str(self._root), None
        for part in key.split("/"):
            path = f"{path}/{part}"
            try:
                status = os.lstat(path)
            except OSError:
                return None
            if stat.S_ISLNK(status.st_mode):
                return None
        return status

    def read(self, key: str, pin: Pin, start: int, end: int) -> bytes:
        """Return a range of the file as pinned, checked before and after on the open file."""
        with self._errors(key), self._opened(key, pin) as file:
            return os.pread(file, end - start, start)

    def stream(self, key: str, pin: Pin, start: int, end: int) -> Generator[Chunk, None, None]:
        """Yield a range of the file as pinned, from one buffer, checked before and after."""
        buffer = memoryview(bytearray(min(CHUNK_BYTES, max(end - start, 0))))
        with self._errors(key), self._opened(key, pin) as file:
            while start < end:
                count = os.preadv(file, [buffer[: end - start]], start)
                if not count:
                    break
                start += count
                yield buffer[:count]

    def upload(
        self, key: str, source: Path, progress: Progress | None = None
    ) -> HiddenUpload[Path]:
        """Copy a file to a hidden name beside its final one."""
        with self._errors(key):
            target = self._writable(key)
        temp = target.with_name(temp_name(target.name))

        def copy(pending: HiddenUpload[Path]) -> None:
            with self._errors(key), create_temp(temp, _PUBLISHED_MODE) as writer:
                # A clone keeps what it was made of, so its digest is its own.
                is_clone = _cloned_from(source, writer.fileno())
                for chunk in read_source(temp if is_clone else source, _COPY_BYTES):
                    if not is_clone:
                        writer.write(chunk)
                    pending.see(chunk)

        return sent(HiddenUpload(self, key, temp, progress), copy)

    def write_small(self, key: str, content: bytes) -> Pin:
        """Write a hidden file and rename it."""
        with self._errors(key):
            target = self._writable(key)
            temp = target.with_name(temp_name(target.name))
            try:
                with create_temp(temp, _PUBLISHED_MODE) as writer:
                    writer.write(content)
                return self.publish_temp(key, temp, target)
            except BaseException:
                temp.unlink(missing_ok=True)
                raise

    def publish_temp(self, key: str, temp: Path, target: Path | None = None) -> Pin:
        """Rename a hidden file to its final name and return its state."""
        with self._errors(key):
            # From the temporary name: under the final one it may be another's a moment later.
            pin = pin_of(temp.lstat())
            temp.replace(target or self._path(key))
            return pin

    def remove_temp(self, key: str, temp: Path) -> None:
        """Remove a hidden file, if it is still there and may be removed."""
        try:
            temp.unlink(missing_ok=True)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            _log.warning("A hidden file of %s stays behind: %s", self.uri(key), reason)

    def copy(self, source_key: str, pin: Pin, key: str) -> Pin | None:
        """Return None: what lies here is as well read here."""

    def discard(self, key: str) -> None:
        """Unlink a file."""
        try:
            with self._errors(key):
                self._path(key).unlink(missing_ok=True)
        except StoreError as error:
            _log.warning("A file that is not needed stays behind. %s", error)

    def remove(self, key: str, pin: Pin) -> bool:
        """Unlink a file that is as pinned; what replaces it at that very moment goes with it."""
        if self.stat(key) != pin:
            return False
        with self._errors(key):
            self._path(key).unlink(missing_ok=True)
        return True

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield the regular files below a folder, sorted by key; links are not followed."""
        with self._errors(prefix):
            top = self._path(prefix) if prefix else self._checked_root()
        pending = [(f"{prefix}/" if prefix else "", os.fspath(top))]
        while pending:
            key, path = pending.pop()
            if not key or key.endswith("/"):
                pending += reversed(self._listed_folder(key, path))
            elif (pin := self._stat_listed(key, path)) is not None:
                yield Listed(key, pin)

    def _listed_folder(self, key: str, folder: str) -> Sequence[tuple[str, str]]:
        """Return keys and paths in one folder, sorted; those of folders end with a slash."""
        found = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        found.append((f"{key}{entry.name}/", entry.path))
                    elif not is_temp_name(entry.name):
                        found.append((key + entry.name, entry.path))
        except _NOTHING_THERE:
            return []
        except OSError:
            with self._errors(key):
                raise
        return sorted(found)

    def check(self, *, writing: bool) -> None:
        """Return if the folder is there and its mode lets us in."""
        root = self._checked_root()
        if not os.access(root, os.R_OK | os.X_OK | (os.W_OK if writing else 0)):
            raise self._denied("")

    @contextmanager
    def _opened(self, key: str, pin: Pin) -> Iterator[int]:
        try:
            # Not blocking: what was a file may have become a FIFO.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            file = os.open(self._path(key), flags)
        except _NOTHING_THERE as error:
            raise self._changed(key) from error
        try:
            if not _is_held(pin, pin_of(os.fstat(file))):
                raise self._changed(key)
            yield file
            if not _is_held(pin, pin_of(os.fstat(file))):
                raise self._changed(key)
        finally:
            os.close(file)

    def path_of(self, key: str) -> Path:
        """Return where the file is on this host, links followed, whether it is there or not.

        For those who would link it; never shown to anyone.

        Raises:
            AccessDenied: A link leads out of the store.
        """
        with self._errors(key):
            return self._path(key)

    def _stat_listed(self, key: str, path: str) -> Pin | None:
        try:
            status = os.lstat(path)
        except _NOTHING_THERE:
            return None
        except OSError:
            with self._errors(key):
                raise
        return pin_of(status) if stat.S_ISREG(status.st_mode) else None

    def check_root(self) -> None:
        """Raise StoreMissing if the folder is not there and is not to be made."""
        # As a string it takes a third of the time.
        if not (self._auto_mkdir or os.path.isdir(self._root)):  # noqa: PTH112
            raise StoreMissing(
                "the store's folder does not exist",
                "",
                self._base,
                "Create the folder or correct the store's URL in the settings",
            )

    def _checked_root(self) -> Path:
        if self._auto_mkdir:
            self._root.mkdir(parents=True, exist_ok=True)
        self.check_root()
        return Path(os.path.realpath(self._root))

    def _path(self, key: str) -> Path:
        root = self._checked_root()
        path = Path(os.path.realpath(root / key))
        if not path.is_relative_to(root):
            raise AccessDenied(
                "a link there leaves the store's folder",
                "",
                self.uri(key),
                "Put the file itself into the store, or declare a store for where it lies",
            )
        return path

    def _writable(self, key: str) -> Path:
        target = self._path(key)
        # Cheaper than `mkdir` where, as mostly, it is there.
        if not os.path.isdir(target.parent):  # noqa: PTH112
            target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _changed(self, key: str) -> ObjectChanged:
        return ObjectChanged("it was replaced while it was read", "", self.uri(key), "Try again")

    def _denied(self, key: str) -> AccessDenied:
        return AccessDenied(
            "the operating system refuses access to the store's folder",
            "",
            self.uri(key),
            "Give this process's user the right to read and write there",
        )

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except OSError as error:
            if error.errno in _DENIED:
                raise self._denied(key) from error
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            if error.errno in _NOT_A_PLACE:
                raise StoreError(
                    f"the store's folder cannot hold it: {reason}",
                    "",
                    self.uri(key),
                    "Two URIs may not lie one inside the other; shorten long names",
                ) from error
            raise StoreUnavailable(
                f"the store's folder failed: {reason}",
                "",
                self.uri(key),
                "Free space or repair the file system, then try again",
            ) from error


def _cloned_from(source: Path, target: int) -> bool:
    try:
        file = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False  # who reads it says why
    try:
        return stat.S_ISREG(os.fstat(file).st_mode) and cloned(file, target)
    finally:
        os.close(file)


def pin_of(status: os.stat_result) -> Pin:
    """Return the pin of a file whose status this is."""
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return Pin(size_bytes=status.st_size, etag=etag)


def _is_held(pin: Pin, found: Pin) -> bool:
    return found == pin if pin.etag else found.size_bytes == pin.size_bytes
