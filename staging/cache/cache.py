"""The host's cache: bytes that were downloaded or published here, by digest, for all processes.

    CACHEDIR.TAG                    backup programs leave the folder out
    v2/                             all below is of this layout
        cas/sha256/ab/<hex>         entries: read-only files whose digest is their name
        sources/<hex>               digest that a URI had under a pin; named by both
        sources/<hex>.folder        the same of the members of a folder without manifest
        locks/<what>-<name>         flocks: entries and sources being downloaded, scratch alive
        tmp/<random>/               other downloads; dead, as workdirs, when they are not locked
        work/<run uid>/             workdirs of runs, with the downloads they make
        work/~<random>/             the same of runs that have a note; or empty, for the next such
        spare/                      racks of empty folders, each kept by its process
        runs/                       notes of runs that have not ended
        ended/                      workdirs of runs that ended, while they are removed
        away/                       entries between being an entry and being removed
        quarantine/                 entries that were found bad, with a note why
        usage, eviction             how many bytes are in use; the evictor's lock
        digests                     digests of local files, by inode, size and time

A file under `cas` is whole from its first moment, and bears the time that all entries of this boot
have. The file system is the index (docs/decisions/0012): a second link is a lease, the access time
is the last release. All processes of one user share the folder, and any of them may be killed at
any time. An older or newer layout has its own `v…` beside this one.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import CacheUnusable, DigestMismatch, RootcellarError
from rootcellar.staging.cache.admission import Admission, no_space
from rootcellar.staging.cache.entries import Entries, EntryState
from rootcellar.staging.cache.eviction import Evictor
from rootcellar.staging.cache.intake import Cached, Intake, Wanted
from rootcellar.staging.cache.quarantine import Quarantine, Vetting
from rootcellar.staging.cache.root_folder import (
    AREAS,
    LAYOUT,
    REMEDY,
    cache_error,
    cache_errors,
    claim_root,
)
from rootcellar.staging.cache.sources import Sources, source_name
from rootcellar.staging.cache.space import NO_SPACE, Ledger, SpaceLimits, now
from rootcellar.staging.host.epoch import note_release
from rootcellar.staging.host.host_lock import HostLock, locks_work, made_once
from rootcellar.staging.host.scratch import sweep_locks, sweep_scratch
from rootcellar.staging.host.writers import hold_still

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.cache.lot import Lot
    from rootcellar.staging.cache.space import Reservation
    from rootcellar.staging.stores.store import Address, Progress

    _Result = TypeVar("_Result")

__all__ = ["Cache", "Cached", "cache_errors"]

_COUNT_SECONDS = 900


class Cache:
    """The cache below one folder; made when missing, with mode 0700. Thread safe.

    Args:
        root: The folder, on a local disk.
        limits: How much of the disk to use.

    Raises:
        CacheUnusable: The folder cannot be written, is another user's, others may write there, or
            it is on a file system that cannot be shared safely.
    """

    def __init__(self, root: Path, limits: SpaceLimits | None = None) -> None:
        with cache_errors():
            # A body may change the directory that a relative path begins at.
            self.root = root.absolute() / LAYOUT
            in_memory = claim_root(self.root.parent)
            self.make_folders()
            if not os.access(self.root / "tmp", os.W_OK | os.X_OK):
                raise CacheUnusable("the cache folder may not be written", remedy=REMEDY)
            self._check_locks()
        top = self.top = str(self.root)
        self.entries = Entries(top)
        self.sources = Sources(top)
        self.quarantine = Quarantine(top)
        self.ledger = Ledger(top, limits or SpaceLimits(), in_memory=in_memory)
        self.evictor = Evictor(self.root, self.entries, self.ledger, self.quarantine)
        admission = Admission(self.root, self.ledger, self.evictor)
        self._vetting = Vetting(self.entries, self.quarantine, self.ledger)
        self._intake = Intake(self.root, self.entries, self._vetting, admission)

    def within(self, aside: Path) -> Cache:
        """Return this cache with its temporary files in a folder that the caller removes.

        The folder is made when it is needed. It spares each of a thousand files a folder and a
        lock of its own.
        """
        other = copy.copy(self)
        other._intake = self._intake.within(aside)  # noqa: SLF001 (our own copy)
        return other

    def make_folders(self) -> None:
        """Make the folders that are missing: people delete caches while no task runs."""
        for folder in (self.root, *(self.root / area for area in AREAS)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def fetch(
        self,
        address: Address,
        pin: Pin,
        *,
        expected: Digest | None = None,
        progress: Progress | None = None,
    ) -> Cached:
        """Return the entry for an object, downloading it unless the host has its bytes.

        Of several processes that want the same object one downloads and the others wait for it.

        Args:
            address: Of the object.
            pin: Its state that is wanted.
            expected: Digest of the bytes, if known; then they are found whatever they are called.
            progress: Hears of a download.

        Raises:
            CacheFull: Runs held too much of the budget for as long as we waited.
            CacheUnusable: It is larger than the budget, or the folder was damaged.
            StoreError: See `download`.
        """
        wanted = Wanted(address, pin, expected, progress, time.monotonic())
        with cache_errors():
            if cached := self._known(address, pin, expected):
                return cached
            return self._persist(lambda: self._fetched(wanted), pin.size_bytes)

    def known(self, address: Address, pin: Pin, expected: Digest | None = None) -> Cached | None:
        """Return the entry for an object if the host has its bytes; download and read nothing."""
        try:
            digest = expected or self.sources.digest(address, pin)
            # As `_known` does, in one call less: this is most of what a run waits for.
            if digest and (path := self.entries.good(digest, pin.size_bytes)):
                return Cached(digest, path, pin.size_bytes, pin, True, 0, 0.0)  # noqa: FBT003
            digest = None if expected else self.sources.digest_in_folder(address, pin)
            return self._known(address, pin, digest) if digest else None
        except RootcellarError:
            raise
        except OSError as error:
            raise cache_error(error) from error

    def known_member(self, address: Address, pin: Pin, digest: Digest | None) -> Cached | None:
        """Do as `known` for the member of a folder, by the digest that its folder's notes have.

        Without a digest, by what was noted of it alone.
        """
        with cache_errors():
            return self._known(address, pin, digest)

    def find(self, digest: Digest, size_bytes: int) -> Path | None:
        """Return the entry of that digest, or None; one that was changed since is dropped.

        One from before the host was started is read first.
        """
        with cache_errors():
            state = self.entries.state(digest, size_bytes)
            if state is EntryState.GOOD:
                return Path(self.entries.path(digest))
            if state is EntryState.ABSENT:
                return None
            with self._alone(f"cas-{digest.hex}") as lock, lock.passing():
                found = self._vetting.trusted(digest, size_bytes)
            return Path(found) if found else None

    def add(self, path: Path, digest: Digest) -> Path:
        """Take in a local file that has this digest, and return its entry.

        A file of a workdir is linked, and becomes read-only and old; any other, and one that has
        a second name somewhere, is copied.

        Raises:
            CacheFull: There is no room now.
            CacheUnusable: It is larger than the budget.
            DigestMismatch: The file that was copied has another digest, or something still writes
                to the one that was to be linked.
        """
        with cache_errors():
            status = path.lstat()
            if entry := self.find(digest, status.st_size):
                note_release(os.fspath(entry))  # or what was made once more would go first
                return entry
            size_bytes = status.st_size
            if status.st_nlink == 1 and path.is_relative_to(self.root / "work"):
                link = functools.partial(self._intake.link, str(path), digest, size_bytes)
                # Its times, which would tell of a writer, are about to become an entry's.
                with hold_still(str(path), status):
                    return Path(self._persist(link, size_bytes))
            make = functools.partial(self._intake.copy, path, digest)
            return Path(self._persist(make, size_bytes))

    def add_many(self, files: Sequence[tuple[str, Digest, int]]) -> None:
        """Take in, as `add` does, many files of a workdir: their paths, digests and sizes.

        For a cache that `within` gave, which nobody else uses.

        Raises:
            CacheFull, CacheUnusable: See `add`.
            DigestMismatch: Something still writes to one of them. The others were taken in.
        """
        size_bytes = sum(size for _, _, size in files)
        written: DigestMismatch | None = None
        with cache_errors(), self.spare(size_bytes, written=True), self.lot() as lot:
            for path, digest, size in files:
                try:
                    if lot is None or not self._intake.link_one(path, digest, size, lot):
                        self.add(Path(path), digest)
                except DigestMismatch as error:
                    written = error
        if written is not None:
            raise written

    def add_marked(self, path: str, digest: Digest, size_bytes: int, lot: Lot) -> bool:
        """Take in, as `add` does, a file of a workdir that is read-only and bears the mark.

        Return whether it is the entry now; else `add` knows what to do.
        """
        return self._intake.link_marked(path, digest, size_bytes, lot)

    def remember(self, address: Address, pin: Pin, digest: Digest) -> None:
        """Note that the object in this state has these bytes.

        A pin that knows a size only proves too little and is not noted.
        """
        if pin.etag or pin.version_id:
            with cache_errors():
                self.sources.note(address, pin, digest)

    def forget(self, digest: Digest, reason: str = "a task changed it through its link") -> None:
        """Quarantine an entry, such as one that was found modified. Links in workdirs remain."""
        with cache_errors():
            self._vetting.condemn(digest, reason)

    @contextmanager
    def reserve(self, size_bytes: int, uri: str = "") -> Iterator[Cache]:
        """Reserve space for the downloads of a block, such as those of a folder's members.

        What is fetched from this cache in the block, by any thread, draws from it; what does not
        fit into it is reserved on its own. The rest is given back at the end.

        Args:
            size_bytes: Of all that will be downloaded.
            uri: What it is for, for errors.

        Raises:
            CacheFull: Runs held too much of the budget for as long as we waited.
            CacheUnusable: It is larger than the budget.
        """

        def entered() -> contextlib.ExitStack:
            with contextlib.ExitStack() as stack:
                stack.enter_context(self._intake.reserved(size_bytes, uri))
                return stack.pop_all()

        with cache_errors():
            reserved = self._persist(entered, size_bytes)
        with reserved:
            yield self

    @contextmanager
    def spare(self, size_bytes: int, *, written: bool = False) -> Iterator[None]:
        """Reserve space for a block as `reserve` does, or none if there is no room now.

        Args:
            size_bytes: Of all that comes in.
            written: It is on the disk already.
        """
        with contextlib.ExitStack() as stack:
            if size_bytes:
                with contextlib.suppress(OSError):  # a full disk: whoever writes the bytes tells
                    stack.enter_context(self._intake.spared(size_bytes, written=written))
            yield

    @contextmanager
    def lot(self) -> Iterator[Lot | None]:
        """Yield, in a block that reserved space, what many small files draw from."""
        with self._intake.lot() as lot:
            yield lot

    def copy_out(self, cached: Cached, target: str, folder: str) -> Reservation:
        """Copy an entry to where no link can be made, and return what reserves the copy's bytes.

        Args:
            cached: What to copy.
            target: Where to; nothing may be there.
            folder: A scratch folder, for the reservation's file.

        Raises:
            FileNotFoundError: It was evicted meanwhile.
            CacheFull: There is no room for the copy.
        """
        size_bytes = cached.size_bytes
        make = functools.partial(self._intake.copy_out, cached.location, target, size_bytes, folder)
        return self._persist(make, size_bytes, again=())

    def sweep(self) -> int:
        """Remove what killed processes left of their downloads, and return of how many.

        Now and then the entries are counted, which corrects what killed processes had reserved.
        """
        with cache_errors():
            self.make_folders()
            self._check_locks()
            for what in ("cas", "source"):
                sweep_locks(self.root, what)
            swept = len(sweep_scratch(self.root, "tmp"))
            sweep_scratch(self.root, "spare")
            with self.ledger.opened() as account:
                due = account.counted_at + _COUNT_SECONDS <= now()
            if (swept or due) and self.evictor.count_if_free() and due:
                self.prune_sources()
            return swept

    def prune_sources(self) -> int:
        """Remove the notes of URIs whose bytes are not here any more; return of how many."""
        with cache_errors():
            return self.sources.prune({entry.digest for entry in self.entries.walk()})

    def _alone(self, what: str) -> HostLock:
        return HostLock.take(self.root / "locks" / what)

    def _check_locks(self) -> None:
        if not locks_work(f"{self.root}/eviction"):
            raise CacheUnusable("file locks do nothing in the cache folder", remedy=REMEDY)

    def _persist(
        self,
        action: Callable[[], _Result],
        size_bytes: int,
        again: tuple[type[OSError], ...] = (FileNotFoundError,),
    ) -> _Result:
        """Do something once more after a full disk, or after somebody deleted the folder."""
        try:
            return action()
        except RootcellarError:
            raise
        except again:
            self.make_folders()
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            self.evictor.evict(size_bytes)
            self.prune_sources()
        try:
            return action()
        except RootcellarError:
            raise
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            raise no_space(error) from error

    def _known(self, address: Address, pin: Pin, expected: Digest | None) -> Cached | None:
        digest = expected or self.sources.digest(address, pin)
        if digest and (path := self.entries.good(digest, pin.size_bytes)):
            return Cached(digest, path, pin.size_bytes, pin, True, 0, 0.0)  # noqa: FBT003
        return None

    def _fetched(self, wanted: Wanted) -> Cached:
        """Fetch while nobody else fetches the same, or return what another one fetched."""
        address, pin, expected = wanted.address, wanted.pin, wanted.expected
        lock = f"cas-{expected.hex}" if expected else f"source-{source_name(address, pin)}"
        return made_once(
            self.root / "locks" / lock,
            lambda: self._known(address, pin, expected),
            lambda: self._fetch_alone(wanted),
        )

    def _fetch_alone(self, wanted: Wanted) -> Cached:
        # Another process may have downloaded it just now.
        digest = wanted.expected or self.sources.digest(wanted.address, wanted.pin)
        if digest and (path := self._vetting.trusted(digest, wanted.pin.size_bytes)):
            return wanted.found(digest, path)
        cached = self._intake.download(wanted)
        if not (self._intake.is_bulk and wanted.expected):
            # A folder's members are asked for by digest only, and may be a hundred thousand.
            with contextlib.suppress(OSError):
                self.remember(wanted.address, cached.pin, cached.digest)
        return cached
