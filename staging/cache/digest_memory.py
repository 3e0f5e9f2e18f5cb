"""Digests of local files that this host has read, so that none is read twice for its digest.

One file of a fixed size below the cache's root, shared by all processes: 65,536 buckets of four
records of 64 bytes, found by a keyed hash of what the file system says of a file. It forgets: a
full bucket loses one of its records. Nothing is locked. Two processes that write one record at the
same time may spoil it, which its checksum shows, and the file it was about is read again.

    16 bytes   of the hash of boot, algorithm, device, inode, size and modification time
    32 bytes   of the digest
    16 bytes   of the hash of both

The time of the inode's last change is left out: giving a file a second name, which is what we do
with inputs, changes it. The boot is in, because what was not synced may be lost in a power cut
though the file system's own account of it survived.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rootcellar.schemas.digest import Digest
from rootcellar.staging.host.epoch import boot_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DigestMemory"]

_NAME = "digests"
_BUCKETS, _WAYS = 65_536, 4
_KEY, _DIGEST, _CHECK = 16, 32, 16
_RECORD = _KEY + _DIGEST + _CHECK
_SECOND_NS = 10**9
_FINE_NS, _COARSE_NS = _SECOND_NS // 10, 5 * _SECOND_NS // 2


class DigestMemory:
    """The memory below one folder. Safe for threads and processes; loses what it likes.

    Args:
        root: Must exist when something is remembered; on a local disk.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / _NAME

    def find(self, status: os.stat_result, algorithm: str = "sha256") -> Digest | None:
        """Return the digest of a file, or None if it was not read in this state."""
        key = _key(status, algorithm)
        try:
            with _opened(self._path, os.O_RDONLY) as file:
                records = os.pread(file, _WAYS * _RECORD, _place(key))
        except OSError:
            return None
        for record in _split(records):
            if record.startswith(key) and record == _record(key, record[_KEY:-_CHECK]):
                return Digest(f"{algorithm}:{record[_KEY:-_CHECK].hex()}")
        return None

    def remember(self, status: os.stat_result, digest: Digest, *, since_ns: int) -> bool:
        """Note the digest of a file, and tell whether that could be done.

        A file that was written just before it was read is not noted: it could be written again
        and still bear the same time. So git treats its index.

        Args:
            status: Of the file, the same before it was read and after.
            digest: Of its bytes.
            since_ns: When it was begun to be read, by `time.time_ns`.
        """
        if not stat.S_ISREG(status.st_mode) or since_ns - status.st_mtime_ns < _tick(status):
            return False
        key = _key(status, digest.algorithm)
        record = _record(key, bytes.fromhex(digest.hex))
        try:
            with _opened(self._path, os.O_RDWR | os.O_CREAT) as file:
                place = _place(key)
                way = _way(_split(os.pread(file, _WAYS * _RECORD, place)), key)
                os.pwrite(file, record, place + way * _RECORD)
        except OSError:
            return False
        return True


def _tick(status: os.stat_result) -> int:
    """Return how long two writes may bear the same time: some file systems count by seconds."""
    return _FINE_NS if status.st_mtime_ns % _SECOND_NS else _COARSE_NS


def _key(status: os.stat_result, algorithm: str) -> bytes:
    parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    text = f"{algorithm} {' '.join(map(str, parts))}"
    return hashlib.blake2b(text.encode(), digest_size=_KEY, key=boot_id().strip()).digest()


def _record(key: bytes, digest: bytes) -> bytes:
    check = hashlib.blake2b(key + digest, digest_size=_CHECK).digest()
    return key + digest + check


def _place(key: bytes) -> int:
    return int.from_bytes(key[:4]) % _BUCKETS * _WAYS * _RECORD


def _split(records: bytes) -> list[bytes]:
    starts = range(0, _WAYS * _RECORD, _RECORD)
    return [records[start : start + _RECORD] for start in starts]


def _way(records: list[bytes], key: bytes) -> int:
    """Return where in its bucket to write: over the same key, a free place, or any."""
    for number, record in enumerate(records):
        if record.startswith(key) or not record.strip(b"\0"):
            return number
    return time.monotonic_ns() // 1000 % _WAYS


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield file
    finally:
        os.close(file)
