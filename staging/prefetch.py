"""Bring inputs of coming runs into the host's cache, gently: few at once, within a bound of bytes.

Nothing depends on it. What it did not bring the run downloads itself; what both want at the same
time is downloaded once, as the cache sees to.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import RootcellarError
from rootcellar.schemas.ref import Pin
from rootcellar.staging.folders.folder_input import FolderInput, pin_of_folder
from rootcellar.staging.workdir.linked_input import will_link
from rootcellar.staging.workdir.workdir import Workdir

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from rootcellar.schemas.ref import Kind
    from rootcellar.staging.cache.cache import Cache
    from rootcellar.staging.stores.location import Stores
    from rootcellar.staging.stores.store import Address
    from rootcellar.staging.workdir.linked_input import LinkLocal

__all__ = ["MESSAGE_BYTES", "Prefetcher", "Upcoming"]

MESSAGE_BYTES = 128 * 1024
"""No message that tells of inputs is longer; each arrives whole or not at all."""

_log = logging.getLogger("rootcellar.prefetch")
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One input of a task that waits.

    Attributes:
        task: Id of the task.
        pin: What the caller held it to; None if whatever is there will do.
        digest: Of the bytes, or of the folder's manifest, where a ref told.
        size_bytes: Of the whole input, where a ref told.
    """

    task: str
    uri: str
    kind: Kind
    pin: Pin | None = None
    digest: Digest | None = None
    size_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        pin = self.pin.model_dump() if self.pin else None
        return {
            "task": self.task,
            "uri": self.uri,
            "kind": self.kind,
            "pin": pin,
            "digest": self.digest,
            "size_bytes": self.size_bytes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        pin = Pin.model_validate(value["pin"]) if value["pin"] else None
        digest = Digest(value["digest"]) if value["digest"] else None
        return cls(**{**value, "pin": pin, "digest": digest})


class _GivenUp(Exception):  # noqa: N818 - not an error: nobody wants the bytes any more
    """Raised into a download that is to stop."""


class Prefetcher:
    """Brings inputs into a cache, in the order in which they are added, by a few threads.

    Args:
        stores: Where URIs lead.
        cache: Of this host.
        room_bytes: At most so much lies in the cache for tasks that have not begun.
        floor_bytes: So much of the cache's file system stays free.
        link_local: As the runs'; what they will link is left alone.
        shown: Makes an error fit for a log.
    """

    def __init__(
        self,
        stores: Stores,
        cache: Cache,
        *,
        room_bytes: int,
        floor_bytes: int = 0,
        link_local: LinkLocal = "auto",
        shown: Callable[[str], str] = str,
    ) -> None:
        self._stores = stores
        self._cache = cache
        self._room = room_bytes
        self._floor = floor_bytes
        self._link_local = link_local
        self._shown = shown
        self._changed = threading.Condition()
        self._queue: deque[Upcoming] = deque()
        self._held: dict[str, int] = {}
        self._waiting: set[str] = set()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"prefetch-{number}", daemon=True)
            for number in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def add(self, upcoming: Upcoming) -> None:
        """Have one more input brought."""
        with self._changed:
            self._waiting.add(upcoming.task)
            self._queue.append(upcoming)
            self._changed.notify_all()

    def release(self, tasks: Collection[str]) -> None:
        """Forget tasks that began or came to nothing: their runs see to themselves.

        A download under way for one goes on, since its run waits for the bytes.
        """
        with self._changed:
            self._waiting.difference_update(tasks)
            for task in tasks:
                self._held.pop(task, None)
            self._queue = deque(item for item in self._queue if item.task in self._waiting)
            self._changed.notify_all()

    def stop(self, limit_seconds: float) -> None:
        """Give up all there is to do, and wait so long for what is under way to end."""
        with self._changed:
            self._stopping = True
            self._queue.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + limit_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (upcoming := self._next()) is not None:
            try:
                self._bring(upcoming)
            except _GivenUp:
                _log.debug("prefetch of %s given up", upcoming.uri)
            except RootcellarError as error:
                _log.debug("prefetch of %s failed: %s", upcoming.uri, self._shown(str(error)))
            except Exception as error:  # noqa: BLE001 (a thread that ends brings nothing any more)
                _log.debug("prefetch of %s failed: %s", upcoming.uri, type(error).__name__)

    def _next(self) -> Upcoming | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            return None if self._stopping else self._queue.popleft()

    def _bring(self, upcoming: Upcoming) -> None:
        started = time.monotonic()
        address = self._stores.store_for(upcoming.uri.rstrip("/"))
        pin = upcoming.pin or _pin_now(address, upcoming.kind)
        if pin is None:
            return
        if upcoming.kind == "file":
            if will_link(address, self._link_local, self._cache.root):
                return
            # Before the cache's lock of the entry is taken: a run may wait for that.
            self._hold(upcoming, pin.size_bytes)
            watch = _Watch(self.check)
            cached = self._cache.fetch(address, pin, expected=upcoming.digest, progress=watch)
            moved = cached.transferred_bytes
        else:
            moved = self._bring_folder(upcoming, address, pin)
        if moved:
            seconds = time.monotonic() - started
            what = (upcoming.uri, upcoming.task, moved, seconds)
            _log.debug("prefetched %s for task %s: %d bytes in %.1f s", *what)

    def _bring_folder(self, upcoming: Upcoming, address: Address, pin: Pin) -> int:
        """Stage a folder as a run would, into a place that goes again; its files stay cached."""
        watch = self._watch_folder(upcoming)
        # A workdir of its own, so that what came already is not evicted before the last of it.
        workdir = Workdir(self._cache, f"prefetch-{secrets.token_hex(8)}")
        try:
            folder = FolderInput(
                self._cache.within(workdir.aside),
                place=lambda: workdir.folder(argument="prefetch", ordinal=0, name="folder"),
                aside=workdir.aside,
                progress=watch,
            )
            return folder.stage(address, pin, expected=upcoming.digest).transferred_bytes
        finally:
            workdir.close()

    def _watch_folder(self, upcoming: Upcoming) -> _Watch:
        """Claim a folder's bytes at once where a ref told them, else as they come."""
        if upcoming.size_bytes is not None:
            self._hold(upcoming, upcoming.size_bytes)
            return _Watch(self.check)
        return _Watch(self.check, lambda size_bytes: self._hold(upcoming, size_bytes, wait=False))

    def _hold(self, upcoming: Upcoming, size_bytes: int, *, wait: bool = True) -> None:
        """Count bytes that are to come, once there is room for them; or give up."""
        with self._changed:
            if size_bytes > self._room or self._free_bytes() < self._floor + size_bytes:
                raise _GivenUp
            if wait:
                self._changed.wait_for(
                    lambda: not self._is_wanted(upcoming) or self._has_room(size_bytes)
                )
            if not (self._is_wanted(upcoming) and self._has_room(size_bytes)):
                raise _GivenUp
            self._held[upcoming.task] = self._held.get(upcoming.task, 0) + size_bytes

    def check(self) -> None:
        """Raise into a download that goes on while everything stops."""
        if self._stopping:
            raise _GivenUp

    def _is_wanted(self, upcoming: Upcoming) -> bool:
        return not self._stopping and upcoming.task in self._waiting

    def _has_room(self, size_bytes: int) -> bool:
        return sum(self._held.values()) + size_bytes <= self._room

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._cache.root).free


class _Watch:
    """The progress of a download, which can end it by raising."""

    def __init__(
        self, check: Callable[[], None], count: Callable[[int], None] | None = None
    ) -> None:
        self._check = check
        self._count = count

    def advance(self, size_bytes: int, /) -> None:
        """Count bytes that came; those of a download that starts over are counted once."""
        if size_bytes > 0:
            self._check()
            if self._count is not None:
                self._count(size_bytes)

    def expect(self, size_bytes: int, /) -> None:
        """Hear what is to come, which `Prefetcher` knows or counts as it comes."""


def _pin_now(address: Address, kind: Kind) -> Pin | None:
    return address.store.stat(address.key) if kind == "file" else pin_of_folder(address)
