"""The members of one folder output: read once, and published where nobody looks yet.

They go below a root that is this attempt's own, so each is visible under its final key as soon as
it is there, and the folder is not before its manifest.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from rootcellar.schemas.errors import StoreError
from rootcellar.schemas.manifest import VERSION_ROOT
from rootcellar.schemas.manifest_text import Line
from rootcellar.staging.engine.hashing import digest_bytes, digest_file
from rootcellar.staging.engine.pipeline import pipelined
from rootcellar.staging.engine.some import some_of
from rootcellar.staging.host.file_identity import identity_of
from rootcellar.staging.publication.output import unsteady
from rootcellar.staging.stores.store import SMALL_OBJECT_BYTES, ManyObjects, WholeFileStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.publication.output import Output
    from rootcellar.staging.stores.store import Address, Progress, Store

__all__ = ["FolderUpload", "Member", "Sent", "discard"]

SMALL_BYTES = 1024 * 1024
"""Of a member that is read at once and sent by one request."""
_DISCARD_SECONDS = 10.0


class Sent(NamedTuple):
    """A member that is in the store, and which local file it was."""

    path: str
    size_bytes: int
    digest: Digest
    inode: int
    mtime_ns: int

    @property
    def line(self) -> Line:
        """What the manifest says of it."""
        return Line(self.path, self.size_bytes, self.digest)


class Member(NamedTuple):
    """A member as it was sent.

    Attributes:
        moved_bytes: What was uploaded; 0 if the store had the bytes already.
    """

    sent: Sent
    key: str
    pin: Pin
    moved_bytes: int


class FolderUpload:
    """Sends the members of one output. Safe for several threads.

    Attributes:
        output: Whose members they are.
        sent: Those that are in the store, by path.
        moved_bytes: What was uploaded for it.
        earlier: Objects of earlier attempts, by digest, that may be copied within the store.
    """

    def __init__(self, output: Output, address: Address, progress: Progress | None) -> None:
        if output.root and not VERSION_ROOT.fullmatch(output.root):
            msg = f"not the root of a version: {output.root!r}"
            raise ValueError(msg)
        self.output = output
        self.sent: dict[str, Sent] = {}
        self.moved_bytes = 0
        self.earlier: Mapping[Digest, tuple[str, Pin]] = {}
        self._top = os.fspath(output.path)
        self._store = address.store
        self._below = "/".join(part for part in (address.key, output.root, "") if part)
        self._below += "" if self._below.endswith("/") else "/"
        self._progress = progress
        self._lock = threading.Lock()
        # Also those whose answer was lost.
        self._tried: list[str] = []

    def send_all(self, names: Iterable[str]) -> Iterator[Member]:
        """Send these members, several at once, as they are asked for.

        Raises:
            ContentError: Something wrote to one of them meanwhile.
            StoreError: The store could not take one.
        """
        if not isinstance(self._store, ManyObjects) or self.earlier:
            yield from pipelined(names, self.send, parallel=self._store.parallel)
            return
        for some in some_of(names):
            rest: list[str] = []
            yield from self._send_small(self._store, some, rest)
            yield from pipelined(rest, self.send, parallel=self._store.parallel)

    def _send_small(
        self, store: ManyObjects, names: list[str], rest: list[str]
    ) -> Iterator[Member]:
        """Send what can be sent by one thread, and give out the rest."""

        def read() -> Iterator[tuple[Sent, str, bytes]]:
            for name in names:
                status, content = self._read(name, f"{self._top}/{name}", SMALL_OBJECT_BYTES)
                if content is None:
                    rest.append(name)
                    continue
                self._tried.append(name)
                digest = digest_bytes(content, self._store.algorithm)
                yield _sent(name, status, digest), self._below + name, content

        with closing(store.write_many(read())) as pins:
            for sent, pin in pins:
                if pin is None:
                    rest.append(sent.path)
                    continue
                if self._progress is not None:
                    self._progress.advance(sent.size_bytes)
                yield self._noted(sent, pin, sent.size_bytes)

    def send(self, name: str) -> Member:
        """Publish one member below the attempt's own root.

        Raises:
            ContentError, StoreError: As `send_all`.
        """
        path = f"{self._top}/{name}"
        status, content = self._read(name, path, SMALL_BYTES)
        key = self._below + name
        self._tried.append(name)
        if content is None:
            digest, pin, moved = self._send_large(name, key, status)
        else:
            digest = digest_bytes(content, self._store.algorithm)
            copied = self._copied(digest, key)
            moved = 0 if copied else len(content)
            pin = copied or self._store.write_small(key, content)
            if self._progress is not None:
                self._progress.advance(moved)
        return self._noted(_sent(name, status, digest), pin, moved)

    def _noted(self, sent: Sent, pin: Pin, moved: int) -> Member:
        """Take down a member that is in the store."""
        if not self.is_steady(sent):
            raise unsteady(self.output, sent.path)
        with self._lock:
            self.sent[sent.path] = sent
            self.moved_bytes += moved
        return Member(sent, self._below + sent.path, pin, moved)

    def is_steady(self, sent: Sent) -> bool:
        """Tell whether the local file is still the one that was sent."""
        try:
            status = os.lstat(f"{self._top}/{sent.path}")
        except OSError:
            return False
        return identity_of(status) == (sent.inode, sent.size_bytes, sent.mtime_ns)

    def lines(self) -> Iterator[Line]:
        """Yield the lines of the manifest, sorted."""
        return (self.sent[path].line for path in sorted(self.sent))

    def discard(self, *, unfinished: bool = False) -> None:
        """Remove from the store what was sent, as far as that can be done in a few seconds.

        Only for a folder whose manifest was never tried. Safe to repeat.

        Args:
            unfinished: Only what may be in the store though its sending failed.
        """
        names = [name for name in self._tried if not (unfinished and name in self.sent)]
        discard(self._store, (self._below + name for name in names))
        self._tried = [name for name in self.sent if unfinished]

    def _read(self, name: str, path: str, most: int) -> tuple[os.stat_result, bytes | None]:
        """Return the file's state and, of one with at most so many, its bytes."""
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                status = os.fstat(file)
                small = status.st_size <= most
                content = os.read(file, status.st_size + 1) if small else None
            finally:
                os.close(file)
        except OSError as error:
            raise unsteady(self.output, name) from error
        short = content is not None and len(content) != status.st_size
        if short or not stat.S_ISREG(status.st_mode):
            raise unsteady(self.output, name)
        return status, content

    def _send_large(self, name: str, key: str, status: os.stat_result) -> tuple[Digest, Pin, int]:
        path = self.output.path / name
        if self.earlier:
            digest = digest_file(path, self._store.algorithm)
            if copied := self._copied(digest, key):
                return digest, copied, 0
        if isinstance(self._store, WholeFileStore):
            written = self._store.write_file(key, path, self._progress)
            if written is not None:
                if written.size_bytes != status.st_size:
                    raise unsteady(self.output, name)
                return written.digest, written.pin, written.size_bytes
        pending = self._store.upload(key, path, self._progress)
        try:
            if pending.size_bytes != status.st_size:
                raise unsteady(self.output, name)
            return pending.digest, pending.publish(), pending.size_bytes
        finally:
            pending.abort()

    def _copied(self, digest: Digest, key: str) -> Pin | None:
        """Have the store copy what an earlier attempt sent, if it still has that."""
        found = self.earlier.get(digest)
        if found is None:
            return None
        try:
            return self._store.copy(*found, key)
        except StoreError:
            # Changed, gone, or not to be copied: then it is uploaded, which tells what is wrong.
            return None


def _sent(name: str, status: os.stat_result, digest: Digest) -> Sent:
    return Sent(name, status.st_size, digest, status.st_ino, status.st_mtime_ns)


def discard(store: Store, keys: Iterable[str]) -> None:
    """Remove objects that nobody was told of, as many as can be in a few seconds."""
    end = time.monotonic() + _DISCARD_SECONDS

    def in_time() -> Iterator[str]:
        for key in keys:
            if time.monotonic() > end:
                return
            yield key

    for _ in pipelined(in_time(), store.discard, parallel=store.parallel):
        pass
