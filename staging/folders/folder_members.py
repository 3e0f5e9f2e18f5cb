"""The members of a folder on their way to their places, many small ones by one thread."""

from __future__ import annotations

import hashlib
import logging
from contextlib import closing
from typing import TYPE_CHECKING

from rootcellar.schemas.ref import Pin
from rootcellar.staging.engine.hashing import algorithm_of, digest_bytes
from rootcellar.staging.engine.pipeline import pipelined
from rootcellar.staging.folders.member_download import SMALL_BYTES, read_member
from rootcellar.staging.host.host_lock import HostLock
from rootcellar.staging.stores.store import SMALL_OBJECT_BYTES, Address, ManyObjects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from rootcellar.schemas.manifest_text import Line, ManifestText
    from rootcellar.staging.cache.cache import Cache
    from rootcellar.staging.folders.member_files import MemberFiles

__all__ = ["Flight", "Members"]

_log = logging.getLogger(__name__)


class Members:
    """The members of a folder that we published, on their way to their places."""

    def __init__(self, files: MemberFiles, folder: Address, manifest: ManifestText) -> None:
        self._files = files
        self._folder = folder
        self._manifest = manifest
        self._root = "/".join(part for part in (folder.key, manifest.root) if part)

    def missing(self, flight: Flight) -> Iterator[Line]:
        """Place what the host has, and yield the rest."""
        for line in self._manifest:
            if self._files.place_known(line):
                continue
            if not flight.is_alone:
                flight.begin()
                missing = sum(one.size_bytes for one in self._manifest if self._files.lacks(one))
                flight.reserve(missing)
                # Another process may have downloaded it while we waited.
                if self._files.place_known(line):
                    continue
            yield line

    def fetch_all(self, lines: list[Line]) -> Iterator[int]:
        """Bring members to their places and into the cache; yield how many bytes of each moved."""
        rest: list[Line] = []
        yield from self._fetch_small(lines, rest)
        yield from pipelined(rest, self._fetch, parallel=self._folder.store.parallel)

    def _fetch_small(self, lines: list[Line], rest: list[Line]) -> Iterator[int]:
        """Do as `fetch_all` what can be done by one thread, and give out the rest."""
        store = self._folder.store
        if not isinstance(store, ManyObjects) or not self._files.links:
            rest += lines
            return

        def wanted() -> Iterator[tuple[Line, str, Pin]]:
            for line in lines:
                if 0 < line.size_bytes <= SMALL_OBJECT_BYTES:
                    yield line, self._key(line), Pin(size_bytes=line.size_bytes)
                else:
                    rest.append(line)

        with self._files.lot() as lot, closing(store.read_many(wanted())) as contents:
            for line, content in contents:
                is_right = (
                    content is not None
                    and digest_bytes(content, algorithm_of(line.digest)) == line.digest
                )
                if content is not None and is_right and self._files.write(line, content, lot=lot):
                    yield line.size_bytes
                else:
                    if content is not None and not is_right:
                        _log.warning(
                            "The bytes of %s came wrong, and are read again",
                            store.uri(self._key(line)),
                        )
                    rest.append(line)

    def _key(self, line: Line) -> str:
        return f"{self._root}/{line.path}"

    def _fetch(self, line: Line) -> int:
        """Bring a member to its place and into the cache; return how many bytes moved."""
        key = self._key(line)
        if line.size_bytes <= SMALL_BYTES and self._files.links:
            content = read_member(self._folder, key, line)
            if self._files.write(line, content):
                return len(content)
        at, pin = Address(self._folder.store, key), Pin(size_bytes=line.size_bytes)
        return self._files.fetch(line.path, at, pin, line.digest).transferred_bytes


class Flight:
    """From the first miss on, one process of this host downloads the folder; others wait."""

    def __init__(self, cache: Cache, folder: Address, pin: Pin, stack: ExitStack) -> None:
        self._cache = cache
        self._folder = folder
        self._pin = pin
        self._stack = stack
        self.is_alone = False

    def begin(self) -> None:
        """Wait until no other process downloads it."""
        state = hashlib.sha256(f"{self._folder.uri}\n{self._pin.token}".encode()).hexdigest()
        lock = HostLock.take(self._cache.root / "locks" / f"source-{state}")
        self._stack.enter_context(self._stack.enter_context(lock).passing())
        self.is_alone = True

    def reserve(self, size_bytes: int) -> None:
        """Reserve space for its members."""
        self._stack.enter_context(self._cache.reserve(size_bytes, self._folder.uri))
