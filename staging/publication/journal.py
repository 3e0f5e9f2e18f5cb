"""What one attempt handed over, written as it goes, for the next attempt of the same task.

    <folder's uri>/v-<uuid of the task id>/<attempt>.<page>.json

Pages are small and written once. They are found by the task id alone, hidden from listings of the
folder as the members are, and removed by the attempt that finishes. A page that cannot be read
costs an upload and nothing else.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import StoreError
from rootcellar.schemas.manifest import VERSION_ROOT, MemberPath
from rootcellar.schemas.ref import Pin
from rootcellar.staging.engine.pipeline import pipelined

if TYPE_CHECKING:
    from rootcellar.staging.publication.folder_upload import Member
    from rootcellar.staging.stores.store import Address, Listed

__all__ = ["Earlier", "Journal", "JournalEntry", "JournalPage"]

_log = logging.getLogger(__name__)
_ENTRIES = 200
SECONDS = 5.0
"""How long an entry may wait for its page."""
_LARGEST_PAGE = 4 * 1024 * 1024


class JournalEntry(BaseModel):
    """One member: its path, its content, and its state in the store."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    path: MemberPath
    digest: Digest
    pin: Pin


class JournalPage(BaseModel):
    """Some members of one attempt.

    Attributes:
        root: The attempt's own, below the folder.
        ended: The attempt is over and publishes nothing any more, so its members may be removed.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    root: str
    ended: bool
    entries: tuple[JournalEntry, ...]


class Earlier:
    """What earlier attempts of the task left.

    Attributes:
        members: Key and state of an object by the digest of its bytes.
        pages: Keys of all pages found.
        dead: Keys of the members of attempts that are over.
    """

    def __init__(self) -> None:
        self.members: dict[Digest, tuple[str, Pin]] = {}
        self.pages: list[str] = []
        self.dead: list[str] = []


class Journal:
    """The pages of one attempt. Safe for several threads.

    Args:
        folder: The output's address.
        name: The segment of the task, `v-<uuid>`.
        root: The attempt's own.
    """

    def __init__(self, folder: Address, name: str, root: str) -> None:
        self._folder = folder
        self._below = f"{folder.key}/{name}"
        self._root = root
        self._lock = threading.Lock()
        self._entries: list[JournalEntry] = []
        self._pages = 0
        self._written = time.monotonic()

    def note(self, member: Member) -> None:
        """Take down a member; writes a page if it is time."""
        entry = JournalEntry(path=member.sent.path, digest=member.sent.digest, pin=member.pin)
        with self._lock:
            self._entries.append(entry)
            due = len(self._entries) >= _ENTRIES or time.monotonic() - self._written > SECONDS
        if due:
            self.write()

    def write(self, *, ended: bool = False) -> None:
        """Write what was taken down since the last page.

        A store that refuses is no reason to fail: the page only spares work.
        """
        with self._lock:
            entries, self._entries = tuple(self._entries), []
            if not entries and not (ended and self._pages):
                return
            key = self._key(self._pages)
            self._pages += 1
            self._written = time.monotonic()
        page = JournalPage(root=self._root, ended=ended, entries=entries)
        try:
            self._folder.store.write_small(key, page.model_dump_json().encode())
        except StoreError as error:
            _log.warning("Another attempt will upload again what this one did. %s", error)

    def pages(self) -> list[str]:
        """Return the keys of the pages written."""
        return [self._key(number) for number in range(self._pages)]

    def earlier(self) -> Earlier:
        """Read the pages of all other attempts of the task."""
        found = Earlier()
        try:
            self._gather(found)
        except StoreError as error:
            _log.warning("What an earlier attempt uploaded cannot be used again. %s", error)
        return found

    def _gather(self, found: Earlier) -> None:
        store, ended = self._folder.store, set()
        keys: dict[str, list[str]] = {}
        for key, page in pipelined(store.list(self._below), self._read, parallel=store.parallel):
            found.pages.append(key)
            if page is None:
                continue
            if page.ended:
                ended.add(page.root)
            for entry in page.entries:
                member = f"{self._folder.key}/{page.root}/{entry.path}"
                keys.setdefault(page.root, []).append(member)
                found.members[entry.digest] = (member, entry.pin)
        found.dead = [key for root in ended for key in keys.get(root, ())]

    def _read(self, listed: Listed) -> tuple[str, JournalPage | None]:
        key, pin = listed.key, listed.pin
        if pin.size_bytes > _LARGEST_PAGE:
            return key, None
        try:
            text = self._folder.store.read(key, pin, 0, pin.size_bytes)
            page = JournalPage.model_validate_json(text)
        except (StoreError, ValidationError):
            return key, None
        others = VERSION_ROOT.fullmatch(page.root) and page.root != self._root
        return key, page if others else None

    def _key(self, number: int) -> str:
        return f"{self._below}/{self._root}.{number}.json"
