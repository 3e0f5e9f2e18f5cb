"""Admission: bytes are reserved before the first of them comes, or refused with the numbers."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from rootcellar.schemas.amount import spelled
from rootcellar.schemas.errors import CacheFull, CacheUnusable
from rootcellar.staging.cache.space import (
    FREE_DISK,
    MORE_ROOM,
    has_reservations,
    held_bytes,
    no_space,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rootcellar.staging.cache.eviction import Evictor, Tally
    from rootcellar.staging.cache.space import Ledger, Reservation

__all__ = ["Admission", "no_space"]

_LOOK_SECONDS = 0.05
_TRY_SECONDS = 1.0
_BUSY_SHARE = 4
_REMEDY_LARGE = f"{MORE_ROOM}; or read it without staging: Annotated[Staged[T], STREAMED]"
_REMEDY_LATER = f"Try again when runs on this host have ended. {MORE_ROOM}"


class Admission:
    """Lets bytes into the cache below one root."""

    def __init__(self, root: Path, ledger: Ledger, evictor: Evictor) -> None:
        self._root = root
        self.ledger = ledger
        self._evictor = evictor

    def reserve(
        self, size_bytes: int, folder: str, uri: str = "", *, since: float | None = None
    ) -> Reservation:
        """Reserve bytes, evicting what has to go and waiting for runs to release what may not.

        Args:
            size_bytes: Of what is to come.
            folder: A scratch folder of this process.
            uri: What it is for, for errors.
            since: When the waiting began, by the monotonic clock; now unless given. Who had to wait
                for another one's download, which waited for room, shall not wait twice.

        Raises:
            CacheFull: Runs held too much for as long as we waited; or nobody here holds anything,
                and what is full is the disk.
            CacheUnusable: It is more than the whole budget, alone or with what the same run holds,
                which it lets go of only at its end.
        """
        begun = time.monotonic() if since is None else since
        end = begun + self.ledger.limits.wait_seconds
        is_hopeful = False
        while True:
            reservation = self.ledger.reserve(size_bytes, folder)
            if reservation is not None:
                return reservation
            self._refuse_larger(size_bytes, uri)
            started = time.monotonic()
            tally = self._evictor.make_room(size_bytes)
            if tally is None:
                continue
            if not is_hopeful:
                self._refuse_hopeless(size_bytes, folder, uri)
                is_hopeful = True
            ended = time.monotonic()
            if ended >= end or not self._has_others(folder):
                raise self.full(size_bytes, uri, tally)
            # Counting a million entries takes seconds: then look less often.
            self._wait_for_release(min(end, ended + _TRY_SECONDS + _BUSY_SHARE * (ended - started)))

    def reserve_now(self, size_bytes: int, folder: str, *, written: bool) -> Reservation | None:
        """Reserve bytes as `reserve` does, but wait for nobody; None if they do not fit.

        Args:
            size_bytes: Of what is to come.
            folder: A scratch folder of this process.
            written: They are on the disk already.
        """
        reservation = self.ledger.reserve(size_bytes, folder, written=written)
        if reservation is None and self._evictor.make_room(size_bytes, written=written) is None:
            reservation = self.ledger.reserve(size_bytes, folder, written=written)
        return reservation

    def make_room(self, size_bytes: int) -> None:
        """Evict for bytes that are on the disk already.

        Raises:
            CacheFull: There is no room now; nobody waits for any.
            CacheUnusable: They are more than the whole budget.
        """
        self._refuse_larger(size_bytes, "")
        tally = self._evictor.make_room(size_bytes, written=True)
        if tally is not None:
            raise self.full(size_bytes, "", tally)

    def full(self, size_bytes: int, uri: str, tally: Tally | None = None) -> CacheFull:
        """Return the error that says what is needed, what is there, and who has it."""
        with self.ledger.opened() as account:
            budget = self.ledger.budget_bytes(account)
            floor = self.ledger.floor_bytes(account)
        parts = [f"it needs {spelled(size_bytes)}", f"the budget is {spelled(budget)}"]
        if tally is not None:
            parts.append(f"{spelled(tally.leased_bytes)} of it are in use by runs")
            parts.append(f"{spelled(tally.reserved_bytes)} are reserved")
        parts.append(
            f"{spelled(account.free_bytes)} of the disk are free, of which "
            f"{spelled(floor)} stay free"
        )
        problem = f"the host's cache has no room now: {', '.join(parts)}"
        is_held = tally is None or tally.leased_bytes or tally.reserved_bytes
        return CacheFull(problem, "", uri, _REMEDY_LATER if is_held else FREE_DISK)

    def _refuse_larger(self, size_bytes: int, uri: str) -> None:
        most = self._most_bytes()
        if size_bytes > most:
            raise CacheUnusable(
                f"it has {spelled(size_bytes)}, and the cache's budget is {spelled(most)}",
                "",
                uri,
                _REMEDY_LARGE,
            )

    def _refuse_hopeless(self, size_bytes: int, folder: str, uri: str) -> None:
        """Refuse what the run's own inputs leave no room for: no waiting and no retry helps."""
        work = os.path.join(self._root, "work", "")
        # A copy, which has no URI, is made where no link can be: that may pass.
        if not uri or not folder.startswith(work):
            return
        held = held_bytes(work + folder.removeprefix(work).partition("/")[0])
        most = self._most_bytes()
        if held + size_bytes > most:
            raise CacheUnusable(
                f"it needs {spelled(size_bytes)}, other inputs of the same run hold "
                f"{spelled(held)}, and the cache's budget is {spelled(most)}",
                "",
                uri,
                _REMEDY_LARGE,
            )

    def _most_bytes(self) -> int:
        with self.ledger.opened() as account:
            budget = self.ledger.budget_bytes(account)
            return min(budget, account.disk_bytes - self.ledger.floor_bytes(account))

    def _has_others(self, folder: str) -> bool:
        """Tell whether another run or download is here, whose end may give room."""
        for area in ("work", "tmp"):
            top = self._root / area
            own = folder.removeprefix(f"{top}/").partition("/")[0]
            if any(path.name != own and not _is_empty(path) for path in top.iterdir()):
                return True
        # Another thread of this run may hold more than it will need.
        return has_reservations(folder)

    def _wait_for_release(self, end: float) -> None:
        """Return when a workdir was removed or bytes were given back, or at the end."""
        before = self._changes()
        while time.monotonic() < end and self._changes() == before:
            time.sleep(_LOOK_SECONDS)

    def _changes(self) -> tuple[int, int]:
        ended, usage = (self._root / name for name in ("ended", "usage"))
        return ended.stat().st_mtime_ns, usage.stat().st_mtime_ns


def _is_empty(path: Path) -> bool:
    """Tell whether the end of whose folder it is gives no room: it holds no file.

    It waits for the next run, or its run died and left it for a sweep to tell of.
    """
    unseen: list[OSError] = []
    return not any(files for _, _, files in os.walk(path, onerror=unseen.append)) and not unseen
