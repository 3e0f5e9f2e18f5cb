"""Entries that were found bad: kept for a look, within bounds, and never served again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rootcellar.schemas.digest import Digest
from rootcellar.staging.cache.entries import EntryState

if TYPE_CHECKING:
    from rootcellar.staging.cache.entries import Entries
    from rootcellar.staging.cache.space import Ledger

__all__ = ["Quarantine", "Quarantined", "Vetting"]

_NOTE = ".note"
_NAME = re.compile(r"(?:sha256|blake3)-[0-9a-f]{64}-[0-9a-f]{8}")
_MOST = 16
_MOST_BYTES = 10 * 10**9


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One bad entry.

    Attributes:
        name: In the folder `quarantine`.
        digest: What its bytes should have had.
        reason: Why it is here, one sentence without a full stop.
    """

    name: str
    digest: Digest
    size_bytes: int
    reason: str
    at: datetime


class Quarantine:
    """The folder `quarantine` below the root of a cache."""

    def __init__(self, root: str) -> None:
        self._top = f"{root}/quarantine"

    def take(self, entries: Entries, digest: Digest, reason: str) -> int:
        """Move an entry here, if it is there, and return how many bytes of others had to go."""
        name = f"{digest.algorithm}-{digest.hex}-{secrets.token_hex(4)}"
        note = {"digest": digest, "reason": reason, "at": datetime.now(UTC).isoformat()}
        # A disk that is full keeps no notes; the entry must go all the same.
        with contextlib.suppress(OSError), open(f"{self._top}/{name}{_NOTE}", "w") as file:
            json.dump(note, file)
        try:
            os.rename(entries.path(digest), f"{self._top}/{name}")
        except FileNotFoundError:
            self._remove(name)
            return 0
        return self._trim()

    def listed(self) -> tuple[Quarantined, ...]:
        """Return what is here, the oldest first."""
        found = []
        for name in os.listdir(self._top):
            # Who had a look may have left something of his own.
            if _NAME.fullmatch(name):
                with contextlib.suppress(FileNotFoundError):
                    found.append(self._read(name))
        return tuple(sorted(found, key=lambda one: one.at))

    def count(self) -> tuple[int, int]:
        """Return how many there are, and their bytes."""
        listed = self.listed()
        return len(listed), sum(one.size_bytes for one in listed)

    def empty(self) -> int:
        """Remove all, and return the bytes that the ledger had for them."""
        freed = sum(one.size_bytes for one in self.listed())
        for name in os.listdir(self._top):
            self._remove(name.removesuffix(_NOTE))
        return freed

    def _trim(self) -> int:
        listed, freed = list(self.listed()), 0
        while len(listed) > _MOST or sum(one.size_bytes for one in listed) > _MOST_BYTES:
            oldest = listed.pop(0)
            self._remove(oldest.name)
            freed += oldest.size_bytes
        return freed

    def _read(self, name: str) -> Quarantined:
        status = os.lstat(f"{self._top}/{name}")
        algorithm, digits, _ = name.split("-")
        try:
            with open(f"{self._top}/{name}{_NOTE}") as file:
                reason = str(json.load(file)["reason"])
        except (OSError, ValueError, KeyError):
            reason = "the note why is lost"
        at = datetime.fromtimestamp(status.st_ctime, UTC)
        return Quarantined(name, Digest(f"{algorithm}:{digits}"), status.st_size, reason, at)

    def _remove(self, name: str) -> None:
        path = f"{self._top}/{name}"
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.lstat(path).st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{_NOTE}")


class Vetting:
    """Decides which entries may be served."""

    def __init__(self, entries: Entries, quarantine: Quarantine, ledger: Ledger) -> None:
        self._entries = entries
        self._quarantine = quarantine
        self._ledger = ledger

    def trusted(self, digest: Digest, size_bytes: int) -> str | None:
        """Return the path of the entry if its bytes are right; what is bad goes into quarantine.

        One from before the host was started is read; nobody else should do so at the time. So is
        one of another size: if its bytes are right, it stays, and is not what the caller wants.
        """
        state = self._entries.state(digest, size_bytes)
        reason = "something wrote to it, cut it off or replaced it"
        if state in {EntryState.UNVERIFIED, EntryState.OTHER_SIZE}:
            if state is EntryState.UNVERIFIED:
                reason = "its bytes were wrong after the host was started again"
            try:
                if not self._entries.verify(digest):
                    state = EntryState.DAMAGED
                elif state is EntryState.UNVERIFIED:
                    state = EntryState.GOOD
            except FileNotFoundError:
                return None
        if state is EntryState.DAMAGED:
            self.condemn(digest, reason)
        return self._entries.path(digest) if state is EntryState.GOOD else None

    def condemn(self, digest: Digest, reason: str) -> None:
        """Move an entry, if it is there, into quarantine."""
        self._ledger.give_back(self._quarantine.take(self._entries, digest, reason))
