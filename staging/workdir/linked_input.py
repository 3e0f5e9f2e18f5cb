"""Inputs that lie on this host already: linked into the workdir, or cloned, instead of copied.

A link is a second name of the store's own file: a body that writes to it changes the store. So it
is made unasked only of files that the body could not make writable; see
docs/decisions/0016-linked-inputs.md. A clone, where the file system has such a thing, is a file of
its own. Neither has an entry in the cache, whose mark would change the file's time and so its pin.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rootcellar.schemas.manifest import check_member_path
from rootcellar.staging.cache.cache import cache_errors
from rootcellar.staging.cache.digest_memory import DigestMemory
from rootcellar.staging.engine.hashing import algorithm_of, digest_file
from rootcellar.staging.host.clone import cloned
from rootcellar.staging.host.file_identity import identity_of
from rootcellar.staging.host.temp_file import create_temp
from rootcellar.staging.stores.folder import FolderStore, pin_of

if TYPE_CHECKING:
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.engine.hashing import Algorithm
    from rootcellar.staging.host.file_identity import FileIdentity
    from rootcellar.staging.stores.store import Address
    from rootcellar.staging.workdir.workdir import Workdir

__all__ = ["LinkLocal", "LinkedInput", "LinkedInputs", "may_link", "will_link"]

LinkLocal = Literal["auto", "read-only", "always", "off"]
"""Which inputs of folder stores are linked: what the body cannot write to or make writable, all
without a write bit that it cannot write to, all, or none. With the last nothing is cloned either.
"""

_WRITE_BITS = 0o222


@dataclass(frozen=True, slots=True)
class LinkedInput:
    """One input that was linked or cloned.

    Attributes:
        path: In the workdir, read-only.
        identity: Inode, size and modification time when it was placed.
        source: The store's own file, if this is a second name of it.
        is_safe: Nothing that this process starts could write to it when it was placed.
    """

    argument: str
    path: Path
    digest: Digest
    size_bytes: int
    identity: FileIdentity
    source: Path | None
    is_safe: bool

    @property
    def is_modified(self) -> bool:
        """Whether it was written to, replaced or removed since."""
        try:
            return identity_of(self.path.lstat()) != self.identity
        except OSError:
            return True

    @property
    def is_store_modified(self) -> bool:
        """Whether it is still the store's own file, and that was written to in its place."""
        if self.source is None or not self.is_modified:
            return False
        try:
            return self.path.lstat().st_ino == self.identity[0]
        except OSError:
            return False

    @property
    def is_changed_by_others(self) -> bool:
        """Whether the store's own file was written to, and not by our run, which may not."""
        if not self.is_safe or not self.is_store_modified:
            return False
        status = self.path.lstat()
        # Its owner may have opened it to us meanwhile.
        is_ours = status.st_uid == os.geteuid()
        return not is_ours and not os.access(self.path, os.W_OK)


class LinkedInputs:
    """Places one run's local inputs in its workdir. Thread safe."""

    def __init__(self, workdir: Workdir, cache_root: Path, rule: LinkLocal) -> None:
        self._workdir = workdir
        self._memory = DigestMemory(cache_root)
        self._rule = rule
        self._guard = threading.Lock()
        self._placed: list[LinkedInput] = []
        self._count = 0
        self._cannot_clone: set[int] = set()

    def place(
        self, address: Address, pin: Pin, *, argument: str, name: str, expected: Digest | None
    ) -> LinkedInput | None:
        """Place a file of a folder store; None where that cannot be, and it must be copied.

        None also for a file that is not as pinned, or does not have the expected bytes: what is to
        be thought of that is the download's to say.

        Raises:
            CacheUnusable: The workdir cannot be written.
            StoreError: The store refuses.
        """
        store = address.store
        if self._rule == "off" or not isinstance(store, FolderStore):
            return None
        source = store.path_of(address.key)
        with cache_errors():
            found = self._found(source, pin)
            if found is None:
                return None
            path = self._new_folder() / check_member_path(name)
            is_linked = may_link(found, source, self._rule)
            make = _linked if is_linked else self._cloned
            if not make(source, path, pin):
                path.parent.rmdir()
                return None
            # Of a clone the memory knows nothing, but of what it was made from.
            algorithm = algorithm_of(expected) if expected else store.algorithm
            digest = self._digest(path, found, algorithm)
            if expected not in (None, digest):
                path.unlink()
                return None
            status = path.lstat()
        placed = LinkedInput(
            argument,
            path,
            digest,
            status.st_size,
            identity_of(status),
            source if is_linked else None,
            is_linked and may_link(found, source, "auto"),
        )
        with self._guard:
            self._placed.append(placed)
        return placed

    def modified(self) -> list[LinkedInput]:
        """Return the inputs that are not any more what was placed."""
        return [placed for placed in self._placed if placed.is_modified]

    def _found(self, source: Path, pin: Pin) -> os.stat_result | None:
        """Return the file's status, if it is as pinned and could be linked or cloned at all."""
        try:
            status = source.lstat()
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode) or pin_of(status) != pin:
            return None
        if status.st_dev in self._cannot_clone and not may_link(status, source, self._rule):
            return None
        return status if status.st_dev == self._workdir.path.stat().st_dev else None

    def _new_folder(self) -> Path:
        with self._guard:
            self._count += 1
            folder = self._workdir.aside / f"linked-{self._count}"
        folder.mkdir(mode=0o700)
        return folder

    def _cloned(self, source: Path, path: Path, pin: Pin) -> bool:
        """Make a file of its own that shares the blocks, on file systems that can do that."""
        try:
            opened = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        with os.fdopen(opened, "rb") as reader, create_temp(path) as writer:
            if not cloned(reader.fileno(), writer.fileno()):
                self._cannot_clone.add(os.fstat(opened).st_dev)
            elif pin_of(os.fstat(opened)) == pin:
                os.fchmod(writer.fileno(), 0o444)
                return True
        path.unlink()
        return False

    def _digest(self, path: Path, source: os.stat_result, algorithm: Algorithm) -> Digest:
        known = self._memory.find(source, algorithm)
        if known is not None:
            return known
        since_ns = time.time_ns()
        before = path.lstat()
        digest = digest_file(path, algorithm)
        if identity_of(path.lstat()) == identity_of(before):
            self._memory.remember(source, digest, since_ns=since_ns)
        return digest


def may_link(status: os.stat_result, path: Path, rule: LinkLocal) -> bool:
    """Tell whether a second name of a regular file may be given to a body."""
    if rule in ("always", "off"):
        return rule == "always"
    if status.st_mode & _WRITE_BITS or os.access(path, os.W_OK):
        return False
    # Its owner can give himself the right to write.
    return rule == "read-only" or status.st_uid != os.geteuid()


def will_link(address: Address, rule: LinkLocal, folder: Path) -> bool:
    """Tell whether an input would be linked to a place below a folder, and so needs no copy."""
    if not isinstance(address.store, FolderStore):
        return False
    source = address.store.path_of(address.key)
    try:
        status = source.lstat()
        is_near = status.st_dev == folder.stat().st_dev
    except OSError:
        return False
    return is_near and stat.S_ISREG(status.st_mode) and may_link(status, source, rule)


def _linked(source: Path, path: Path, pin: Pin) -> bool:
    try:
        os.link(source, path, follow_symlinks=False)
    except OSError:
        # Gone, another user's, or one name too many: to be copied.
        return False
    # Looked at again under a name of our own, where nobody replaces it.
    if pin_of(path.lstat()) == pin:
        return True
    path.unlink()
    return False
