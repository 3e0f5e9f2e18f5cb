"""Eviction: entries go, the least recently released first, until there is room.

A leased entry has a second link in a workdir. Between our looking and our removing a run may take
its lease; so an entry is renamed away first, looked at again, and then removed or put back. Whoever
comes in between does not find it, and downloads.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import shutil
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rootcellar.staging.cache.entries import EntryState
from rootcellar.staging.cache.root_folder import cache_errors
from rootcellar.staging.cache.space import NO_SPACE, reserved_bytes
from rootcellar.staging.host.host_lock import locked_file
from rootcellar.staging.host.scratch import empty_dead, sweep_ended, sweep_scratch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.cache.entries import Entries, Entry
    from rootcellar.staging.cache.quarantine import Quarantine
    from rootcellar.staging.cache.space import Ledger

__all__ = ["Evictor", "Tally"]

_SHARE, _LEAST = 20, 16
"""On a disk that is full in truth, a twentieth of the bytes goes; or, where it is inodes that are
short, a twentieth of the entries and at least so many."""
_BATCH = 20_000
"""Victims chosen in one round: what bounds the memory, however many entries there are."""


@dataclass(slots=True)
class Tally:
    """What a count found.

    Attributes:
        leased_bytes: Of entries that runs hold; no eviction frees them.
        reserved_bytes: Of downloads under way, copies in workdirs and the like.
        quarantined_bytes: Of bad entries that are kept for a look.
    """

    entries: int = 0
    entry_bytes: int = 0
    leased: int = 0
    leased_bytes: int = 0
    unverified: int = 0
    reserved_bytes: int = 0
    quarantined_bytes: int = 0
    quarantined: int = 0

    @property
    def used_bytes(self) -> int:
        """What counts against the budget."""
        return self.entry_bytes + self.reserved_bytes + self.quarantined_bytes


@dataclass(slots=True)
class _Oldest:
    """The entries to evict first, as many as a round takes."""

    heap: list[tuple[bool, int, int, Digest]] = field(default_factory=list)

    def consider(self, entry: Entry) -> None:
        """Note an entry if it is among the oldest."""
        # A heap's first is its least, and here the first to leave the list again is the newest.
        is_trusted = entry.state is EntryState.GOOD
        rank = (not is_trusted, -entry.released_ns, entry.size_bytes, entry.digest)
        if len(self.heap) < _BATCH:
            heapq.heappush(self.heap, rank)
        elif rank > self.heap[0]:
            heapq.heapreplace(self.heap, rank)

    def in_order(self) -> list[Digest]:
        """Return unverified entries first, then the least recently released."""
        return [rank[-1] for rank in sorted(self.heap, reverse=True)]


class Evictor:
    """Counts and evicts. One process of a host at a time does."""

    def __init__(
        self, root: Path, entries: Entries, ledger: Ledger, quarantine: Quarantine
    ) -> None:
        self._root = root
        self._entries = entries
        self._ledger = ledger
        self._quarantine = quarantine
        self._lock = f"{root}/eviction"
        self._away = f"{root}/away"

    def count(self) -> Tally:
        """Count all entries and correct the ledger."""
        with cache_errors(), locked_file(self._lock):
            return self._count(lambda _: None)

    def count_if_free(self) -> bool:
        """Do the same unless another process counts or evicts; tell whether it was done."""
        with locked_file(self._lock, wait=False) as lock:
            if lock.is_ours:
                self._count(lambda _: None)
            return lock.is_ours

    def make_room(self, size_bytes: int, *, written: bool = False) -> Tally | None:
        """Evict until so many bytes fit, and a little more; None if they fit now.

        Args:
            size_bytes: Of what is to come.
            written: The bytes are on the disk already.

        Returns:
            What is there instead, if even all that may go would not be enough. Then nothing goes.
        """
        with locked_file(self._lock):
            with self._ledger.opened() as account:
                if self._ledger.fits(account, size_bytes, written=written):
                    return None  # another one made room while we waited
            self._reclaim_dead()
            while True:
                oldest = _Oldest()
                tally = self._count(oldest.consider)
                least, enough = self._missing(tally, 0 if written else size_bytes, size_bytes)
                if least <= 0:
                    return None
                at_hand = tally.entry_bytes - tally.leased_bytes + tally.quarantined_bytes
                if at_hand < least:
                    return tally
                if self._evict(oldest, enough) >= least:
                    return None
                if len(oldest.heap) < _BATCH:
                    return tally  # leases were taken meanwhile

    def evict(self, size_bytes: int) -> int:
        """Evict entries of so many bytes at least, if there are, and return of how many.

        For a disk that is full, whatever the ledger says: its inodes or a quota may be used up.
        """
        with locked_file(self._lock):
            self._reclaim_dead()
            oldest = _Oldest()
            tally = self._count(oldest.consider)
            freed = self._evict(
                oldest,
                max(size_bytes, tally.entry_bytes // _SHARE),
                least=max(tally.entries // _SHARE, _LEAST) if self._lacks_inodes() else 0,
            )
            self._entries.drop_empty_folders()
            return freed

    def evict_to(self, used_bytes: int) -> int:
        """Evict until entries take no more than so many bytes; return how many bytes went."""
        freed = 0
        with cache_errors(), locked_file(self._lock):
            self._reclaim_dead()
            while True:
                oldest = _Oldest()
                tally = self._count(oldest.consider)
                excess = tally.entry_bytes + tally.quarantined_bytes - used_bytes
                if excess <= 0:
                    return freed
                went = self._evict(oldest, excess)
                freed += went
                if not went or len(oldest.heap) < _BATCH:
                    return freed

    def evict_one(self, digest: Digest) -> int | None:
        """Evict one entry, and return its bytes; None if it is leased or not there."""
        with cache_errors():
            with locked_file(self._lock):
                freed = self._remove(digest)
            if freed is not None:
                self._ledger.give_back(freed)
        return freed

    def reclaim_away(self) -> None:
        """Put back or remove what a killed evictor had renamed away. Hold the lock."""
        for name in os.listdir(self._away):
            self._settle(f"{self._away}/{name}", name)

    def _reclaim_dead(self) -> None:
        sweep_ended(self._root)
        sweep_scratch(self._root, "tmp")
        # The folders stay, for a sweep to tell that their runs are lost.
        empty_dead(self._root, "work")

    def _count(self, consider: Callable[[Entry], None]) -> Tally:
        """Count while others go on: what they add meanwhile may count twice, and never not."""
        self.reclaim_away()
        tally = Tally()
        with self._ledger.opened() as account:
            before = account.used_bytes
            tally.reserved_bytes = reserved_bytes(str(self._root))
        for entry in self._entries.walk():
            tally.entries += 1
            tally.entry_bytes += entry.size_bytes
            tally.unverified += entry.state is EntryState.UNVERIFIED
            if entry.is_leased:
                tally.leased += 1
                tally.leased_bytes += entry.size_bytes
            else:
                consider(entry)
        tally.quarantined, tally.quarantined_bytes = self._quarantine.count()
        with self._ledger.opened() as account:
            meanwhile = (account.used_bytes or 0) - before if before is not None else 0
            account.counted(max(tally.used_bytes + meanwhile, 0))
        return tally

    def _missing(self, tally: Tally, to_write: int, to_count: int) -> tuple[int, int]:
        """Return how many bytes must go, and how many shall while we are at it."""
        with self._ledger.opened() as account:
            used = account.used_bytes or tally.used_bytes
            over = used + to_count - self._ledger.budget_bytes(account)
            below = self._ledger.floor_bytes(account) + to_write - account.free_bytes
            least = max(over, below)
            low = used + to_count - self._ledger.low_water_bytes(account)
        return least, max(least, min(low, used))

    def _evict(self, oldest: _Oldest, size_bytes: int, *, least: int = 0) -> int:
        freed = self._quarantine.empty()
        for count, digest in enumerate(oldest.in_order()):
            if freed >= size_bytes and count >= least:
                break
            freed += self._remove(digest) or 0
        self._ledger.give_back(freed)
        return freed

    def _lacks_inodes(self) -> bool:
        status = os.statvfs(self._away)
        return status.f_files > 0 and status.f_favail < max(_LEAST, status.f_files // 100)

    def _remove(self, digest: Digest) -> int | None:
        name = f"{digest.algorithm}-{digest.hex}"
        away = f"{self._away}/{name}"
        path = self._entries.path(digest)
        try:
            os.rename(path, away)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            # A disk can be too full for another name. A lease that is taken now keeps its bytes.
            return self._settle(path, name)
        return self._settle(away, name)

    def _settle(self, away: str, name: str) -> int | None:
        """Remove what was renamed away, or put it back if a run holds it."""
        try:
            status = os.lstat(away)
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(away, ignore_errors=True)
                return status.st_size
            if status.st_nlink == 1:
                os.unlink(away)
                return status.st_size
        except FileNotFoundError:
            return None
        path = self._entries.path_of_name(name)
        if away == path:
            return None
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        try:
            os.link(away, path, follow_symlinks=False)
        except FileExistsError:
            pass  # it was downloaded again
        except OSError:
            os.rename(away, path)
            return None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(away)
        return None
