"""The entries of the cache: read-only files below `cas` whose digest is their name.

Paths are strings here: this is done for each of a hundred thousand members of a folder, and
`pathlib` takes as long as the system calls do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rootcellar.schemas.digest import Digest
from rootcellar.staging.engine.hashing import Algorithm, algorithm_of, digest_file
from rootcellar.staging.host.epoch import is_mark, mark, mark_ns, note_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Entries", "Entry", "EntryState", "state_of"]

_SHARD_TRIES = 20
_UNREADABLE = frozenset({errno.EIO, errno.EBADMSG, errno.EILSEQ, errno.EUCLEAN})
"""What a disk, or a file system with sums of its own, says of blocks that it lost."""

_HASHABLE = frozenset(get_args(Algorithm))


class EntryState(Enum):
    """What an entry looks like, without reading it."""

    ABSENT = "absent"
    GOOD = "good"
    UNVERIFIED = "unverified"
    """Made before the host was started: its bytes must be read once."""
    OTHER_SIZE = "other size"
    """Not of the size that the caller asked for: one of the two is wrong, and reading it tells."""
    DAMAGED = "damaged"
    """Written to, cut off, or no file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it lies there.

    Attributes:
        links: More than one: a run holds it.
        released_ns: When a run last let go of it, or when it was made.
    """

    digest: Digest
    size_bytes: int
    state: EntryState
    links: int
    released_ns: int
    inode: int

    @property
    def is_leased(self) -> bool:
        """Whether a run holds it, so that removing it would free nothing."""
        return self.links > 1


class Entries:
    """The folder `cas` below the root of a cache. Knows nothing of space or locks."""

    def __init__(self, root: str) -> None:
        self._top = f"{root}/cas"

    def path(self, digest: Digest) -> str:
        """Return where the entry of that digest is, or would be."""
        algorithm, _, digits = digest.partition(":")
        return f"{self._top}/{algorithm}/{digits[:2]}/{digits}"

    def path_of_name(self, name: str) -> str:
        """Return the path of the entry that was moved away as `<algorithm>-<hex>`."""
        algorithm, digits = name.split("-")[:2]
        return f"{self._top}/{algorithm}/{digits[:2]}/{digits}"

    def state(self, digest: Digest, size_bytes: int) -> EntryState:
        """Look at the entry that has this digest and must have this size."""
        try:
            status = os.lstat(self.path(digest))
        except FileNotFoundError:
            return EntryState.ABSENT
        state = state_of(status)
        if state is EntryState.DAMAGED or status.st_size == size_bytes:
            return state
        return EntryState.OTHER_SIZE

    def is_at(self, digest: Digest, path: Path) -> bool:
        """Tell whether a path leads to the entry itself, and not to a copy of it."""
        try:
            return os.path.samestat(os.lstat(self.path(digest)), os.lstat(path))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def good(self, digest: Digest, size_bytes: int) -> str | None:
        """Return the path of the entry if it may be served unread; None: look closer."""
        # `path` and `state_of` in one call: this is asked of each input of each run.
        algorithm, _, digits = digest.partition(":")
        path = f"{self._top}/{algorithm}/{digits[:2]}/{digits}"
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return None
        is_whole = status.st_size == size_bytes and status.st_mtime_ns == mark_ns()
        return path if is_whole and stat.S_ISREG(status.st_mode) else None

    def enter(self, temp: str, digest: Digest) -> str:
        """Make a whole file the entry of its digest, at once, and return its path."""
        os.chmod(temp, 0o444)
        mark(temp, _now_ns(temp))
        path = self.path(digest)
        # Should one be there already, its bytes are the same, and who linked it keeps the old.
        _in_shard(path, lambda: os.rename(temp, path))
        return path

    def enter_link(self, file: str, digest: Digest) -> str | None:
        """Make a file of a workdir, which stays there, the entry of its digest, at once.

        Return its path, or None if there is an entry already.
        """
        os.chmod(file, 0o444)
        mark(file, _now_ns(file))
        return self.enter_marked(file, digest)

    def enter_marked(self, file: str, digest: Digest) -> str | None:
        """Enter as `enter_link` does what is read-only and bears the mark already."""
        path = self.path(digest)
        try:
            _in_shard(path, lambda: os.link(file, path, follow_symlinks=False))
        except FileExistsError:
            return None
        return path

    def verify(self, digest: Digest) -> bool:
        """Read an entry; mark it as of this boot if its bytes are right, and tell whether.

        Bytes that the disk does not give back are not right.

        Raises:
            FileNotFoundError: It was evicted meanwhile.
        """
        path = self.path(digest)
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or digest.algorithm not in _HASHABLE:
            return False
        try:
            found = digest_file(Path(path), algorithm_of(digest))
        except OSError as error:
            if error.errno in _UNREADABLE:
                return False
            raise
        note_release(path, status.st_atime_ns)  # that we read it is no use of it
        # Written to while it was read: the time is then not a mark any more, and stays so.
        if found != digest or not is_mark(os.lstat(path).st_mtime_ns):
            return False
        if status.st_mtime_ns != mark_ns():
            mark(path, status.st_atime_ns)
        return True

    def drop_empty_folders(self) -> None:
        """Remove folders without entries, which take inodes; they are made again when needed."""
        for algorithm in _names(self._top):
            for shard in _names(f"{self._top}/{algorithm}"):
                with contextlib.suppress(OSError):
                    os.rmdir(f"{self._top}/{algorithm}/{shard}")

    def walk(self) -> Iterator[Entry]:
        """Yield all entries; those that come and go meanwhile perhaps."""
        for algorithm in _names(self._top):
            for shard in _names(f"{self._top}/{algorithm}"):
                for name in _names(f"{self._top}/{algorithm}/{shard}"):
                    try:
                        digest = Digest(f"{algorithm}:{name}")
                        status = os.lstat(self.path(digest))
                    except (ValueError, FileNotFoundError):
                        continue
                    yield Entry(
                        digest,
                        status.st_size,
                        state_of(status),
                        status.st_nlink if stat.S_ISREG(status.st_mode) else 1,
                        status.st_atime_ns,
                        status.st_ino,
                    )


def state_of(status: os.stat_result) -> EntryState:
    """Tell from an entry's status what may be thought of its bytes."""
    if not stat.S_ISREG(status.st_mode):
        return EntryState.DAMAGED
    if status.st_mtime_ns == mark_ns():
        return EntryState.GOOD
    return EntryState.UNVERIFIED if is_mark(status.st_mtime_ns) else EntryState.DAMAGED


def _in_shard(path: str, enter: Callable[[], None]) -> None:
    """Enter a file, making its folder where it is missing."""
    for _ in range(_SHARD_TRIES):
        try:
            return enter()
        except FileNotFoundError:
            # Whoever evicts removes empty folders, perhaps this one before it is used.
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    return enter()


def _now_ns(path: str) -> int:
    return os.lstat(path).st_ctime_ns


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
