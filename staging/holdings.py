"""What the cache holds, as people and programs ask: entries, who holds them, what may go."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from rootcellar.staging.cache.entries import EntryState
from rootcellar.staging.cache.root_folder import LAYOUT
from rootcellar.staging.host.host_lock import HostLock
from rootcellar.staging.workdir.workdir import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.cache.cache import Cache

__all__ = ["Holding", "Pruned", "Usage", "Verified", "holdings", "prune", "usage", "verify"]

Standing = Literal["good", "unverified", "damaged"]


@dataclass(frozen=True, slots=True)
class Holding:
    """One entry.

    Attributes:
        state: `unverified` is read before its next use; `damaged` is replaced then.
        leased_by: Uids of the runs that hold it.
        is_leased: Somebody holds it, be it no run that we can see.
        uris: What it was fetched or published as.
        released_at: When a run last let go of it, or when it came.
    """

    digest: Digest
    size_bytes: int
    state: Standing
    leased_by: tuple[str, ...]
    is_leased: bool
    uris: tuple[str, ...]
    released_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Where the bytes are.

    Attributes:
        used_bytes: Entries, reservations and quarantine together.
        leased_bytes: Of entries that runs hold.
        unverified: Entries from before the host was started.
    """

    budget_bytes: int
    used_bytes: int
    entries: int
    entry_bytes: int
    leased: int
    leased_bytes: int
    unverified: int
    reserved_bytes: int
    quarantined: int
    quarantined_bytes: int
    disk_bytes: int
    free_bytes: int
    floor_bytes: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What reading all entries found."""

    entries: int
    size_bytes: int
    bad: tuple[Digest, ...]


@dataclass(slots=True)
class Pruned:
    """What was removed: names of things to their count."""

    counts: dict[str, int] = field(default_factory=dict)


def holdings(cache: Cache) -> Iterator[Holding]:
    """Yield all entries with who holds them and what they were fetched as."""
    uris: dict[str, set[str]] = defaultdict(set)
    for digest, uri in cache.sources.walk():
        uris[digest].add(uri)
    leases = _leases(cache)
    for entry in cache.entries.walk():
        yield Holding(
            digest=entry.digest,
            size_bytes=entry.size_bytes,
            state=_STANDINGS[entry.state],
            leased_by=tuple(sorted(leases.get(entry.inode, ()))) if entry.is_leased else (),
            is_leased=entry.is_leased,
            uris=tuple(sorted(uris.get(entry.digest, ()))),
            released_at=datetime.fromtimestamp(entry.released_ns / 1e9, UTC),
        )


def usage(cache: Cache) -> Usage:
    """Count the entries, and return where the bytes are."""
    tally = cache.evictor.count()
    with cache.ledger.opened() as account:
        pass
    return Usage(
        budget_bytes=cache.ledger.budget_bytes(account),
        used_bytes=tally.used_bytes,
        entries=tally.entries,
        entry_bytes=tally.entry_bytes,
        leased=tally.leased,
        leased_bytes=tally.leased_bytes,
        unverified=tally.unverified,
        reserved_bytes=tally.reserved_bytes,
        quarantined=tally.quarantined,
        quarantined_bytes=tally.quarantined_bytes,
        disk_bytes=account.disk_bytes,
        free_bytes=account.free_bytes,
        floor_bytes=cache.ledger.floor_bytes(account),
    )


def verify(cache: Cache, seen: Callable[[int], object] | None = None) -> Verified:
    """Read all entries; bad ones go into quarantine, and the rest are known to be good.

    Args:
        cache: Of this host.
        seen: Hears the bytes of each entry.
    """
    entries, size_bytes, bad = 0, 0, []
    for entry in cache.entries.walk():
        name = f"cas-{entry.digest.hex}"
        with HostLock.take(cache.root / "locks" / name) as lock, lock.passing():
            try:
                # Whatever it was when it was listed: it may have been replaced since.
                is_good = cache.entries.verify(entry.digest)
            except FileNotFoundError:
                continue  # evicted meanwhile
            if not is_good:
                cache.forget(entry.digest, "its bytes were wrong when it was verified")
                bad.append(entry.digest)
        entries += 1
        size_bytes += entry.size_bytes
        if seen is not None:
            seen(entry.size_bytes)
    return Verified(entries, size_bytes, tuple(bad))


def prune(cache: Cache, lost: Callable[[str], object] | None = None) -> Pruned:
    """Remove what nobody needs: of dead processes, of old layouts, of quarantine, of no entry.

    Args:
        cache: Of this host.
        lost: Called with the uid of each run whose process died, see `workdir.sweep`.
    """
    pruned = Pruned()
    pruned.counts["downloads"] = cache.sweep()
    pruned.counts["workdirs"] = len(sweep(cache, lost))
    pruned.counts["sources"] = cache.prune_sources()
    pruned.counts["quarantined"] = len(cache.quarantine.listed())
    cache.ledger.give_back(cache.quarantine.empty())
    pruned.counts["layouts"] = _prune_layouts(cache)
    cache.evictor.count()
    return pruned


def _prune_layouts(cache: Cache) -> int:
    """Remove older layouts, which no process of this version reads, unless one of theirs lives."""
    count = 0
    for number in range(1, int(LAYOUT.removeprefix("v"))):
        old = cache.root.parent / f"v{number}"
        if old.is_dir() and not old.is_symlink() and not _is_in_use(old):
            shutil.rmtree(old, ignore_errors=True)
            count += 1
    return count


def _is_in_use(layout: Path) -> bool:
    """Tell whether a process holds a lock there: one of an older version, beside ours."""
    for area in ("work", "tmp", "locks"):
        for path in (layout / area).glob("*"):
            try:
                file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(file)
    return False


_STANDINGS: dict[EntryState, Standing] = {
    EntryState.GOOD: "good",
    EntryState.UNVERIFIED: "unverified",
    EntryState.DAMAGED: "damaged",
}


def _leases(cache: Cache) -> dict[int, set[str]]:
    """Return the runs that have a link to an inode."""
    leases: dict[int, set[str]] = defaultdict(set)
    work = cache.root / "work"
    for uid in os.listdir(work):
        for folder, _, names in os.walk(work / uid):
            for name in names:
                with contextlib.suppress(OSError):
                    leases[os.lstat(f"{folder}/{name}").st_ino].add(uid)
    return leases
