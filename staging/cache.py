"""The host's cache: bytes that were downloaded or published here, by digest, for all processes.

    CACHEDIR.TAG                    backup programs leave the folder out
    v2/                             all below is of this layout
        cas/sha256/ab/<hex>         entries: read-only files whose digest is their name
        sources/<hex>               digest that a URI had under a pin; named by both
        locks/<what>-<name>         flocks: entries and sources being downloaded, scratch alive
        tmp/<random>/               other downloads; dead, as workdirs, when their lock is free
        work/<run uid>/             workdirs of runs, with the downloads they make
        ended/                      workdirs of runs that ended, while they are removed
        away/                       entries between being an entry and being removed
        quarantine/                 entries that were found bad, with a note why
        usage, eviction             how many bytes are in use; the evictor's lock

A file under `cas` is whole from its first moment, and bears the time that all entries of this boot
have. The file system is the index (docs/decisions/0012): a second link is a lease, the access time
is the last release. All processes of one user share the folder, and any of them may be killed at
any time. An older or newer layout has its own `v…` beside this one.
"""

from __future__ import annotations

import contextlib
import copy
import os
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import CacheUnusable, DigestMismatch, RootcellarError
from rootcellar.staging.admission import Admission, no_space
from rootcellar.staging.entries import Entries, EntryState
from rootcellar.staging.eviction import Evictor
from rootcellar.staging.host_lock import locked, locks_work
from rootcellar.staging.local_copy import copy_read_only
from rootcellar.staging.quarantine import Quarantine
from rootcellar.staging.root_folder import AREAS, LAYOUT, REMEDY, claim_root
from rootcellar.staging.scratch import Scratch, sweep_locks, sweep_scratch
from rootcellar.staging.sources import Sources, source_name
from rootcellar.staging.space import NO_SPACE, Ledger, Reservation, SpaceLimits, now
from rootcellar.staging.transfer import digest_file, download

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.stores.store import Address, Progress

    _Result = TypeVar("_Result")

__all__ = ["Cache", "Cached", "cache_errors"]

_COUNT_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Cached:
    """An entry of the cache.

    Attributes:
        location: The path as a string.
        pin: The state of the object these are the bytes of: the one asked for, or a newer one if
            the object was replaced while it was downloaded.
        hit: The bytes were on the host.
    """

    digest: Digest
    location: str
    size_bytes: int
    pin: Pin
    hit: bool
    transferred_bytes: int
    seconds: float

    @property
    def path(self) -> Path:
        """Read-only; link or copy it, never write there. It may be evicted until it is linked."""
        return Path(self.location)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a fetch is after."""

    address: Address
    pin: Pin
    expected: Digest | None
    progress: Progress | None
    started: float

    def found(self, digest: Digest, path: str) -> Cached:
        seconds = time.monotonic() - self.started
        return Cached(digest, path, self.pin.size_bytes, self.pin, True, 0, seconds)  # noqa: FBT003


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
        self._aside: str | None = None
        self._pool: list[Reservation] = []
        with cache_errors():
            in_memory = claim_root(root)
            self.root = root / LAYOUT
            self.make_folders()
            if not os.access(self.root / "tmp", os.W_OK | os.X_OK):
                raise CacheUnusable("the cache folder may not be written", remedy=REMEDY)
            self._check_locks()
        top = str(self.root)
        self.entries = Entries(top)
        self.sources = Sources(top)
        self.quarantine = Quarantine(top)
        self.ledger = Ledger(top, limits or SpaceLimits(), in_memory=in_memory)
        self.evictor = Evictor(self.root, self.entries, self.ledger, self.quarantine)
        self._admission = Admission(top, self.ledger, self.evictor)

    def within(self, aside: Path) -> Cache:
        """Return this cache with its temporary files in a folder that the caller removes.

        The folder is made when it is needed. It spares each of a thousand files a folder and a
        lock of its own.
        """
        other = copy.copy(self)
        other._aside = str(aside)  # noqa: SLF001 (our own copy)
        other._pool = []  # noqa: SLF001
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
        wanted = _Wanted(address, pin, expected, progress, time.monotonic())
        with cache_errors():
            if cached := self._known(wanted):
                return cached
            return self._persist(lambda: self._fetch_alone(wanted), pin.size_bytes)

    def known(self, address: Address, pin: Pin, expected: Digest | None = None) -> Cached | None:
        """Return the entry for an object if the host has its bytes; download and read nothing."""
        with cache_errors():
            return self._known(_Wanted(address, pin, expected, None, time.monotonic()))

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
            with locked(self.root / "locks" / f"cas-{digest.hex}"):
                found = self._trusted(digest, size_bytes)
            return Path(found) if found else None

    def add(self, path: Path, digest: Digest) -> Path:
        """Take in a local file that has this digest, and return its entry.

        A file of a workdir is linked, and becomes read-only and old; any other, and one that has
        a second name somewhere, is copied.

        Raises:
            CacheFull: There is no room now.
            CacheUnusable: It is larger than the budget.
            DigestMismatch: The file that was copied has another digest.
        """
        with cache_errors():
            status = path.lstat()
            if entry := self.find(digest, status.st_size):
                return entry
            if status.st_nlink == 1 and path.is_relative_to(self.root / "work"):
                return self._persist(
                    lambda: self._enter_link(str(path), digest, status.st_size), status.st_size
                )
            return self._persist(lambda: self._enter_copy(path, digest), status.st_size)

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
            self.ledger.give_back(self.quarantine.take(self.entries, digest, reason))

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
        with self._scratch_folder() as folder:
            reservation = self._reserve(size_bytes, folder, uri)
            self._pool.append(reservation)
            try:
                yield self
            finally:
                self._pool.remove(reservation)
                reservation.close()

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

        def copied() -> Reservation:
            reservation = self._admission.reserve(cached.size_bytes, folder)
            try:
                reservation.draw(cached.size_bytes)
                copy_read_only(cached.location, target)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(target)
                reservation.close()
                raise
            return reservation

        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        return self._persist(copied, cached.size_bytes, again=())

    def sweep(self) -> int:
        """Remove what killed processes left of their downloads, and return of how many.

        Now and then the entries are counted, which corrects what killed processes had reserved.
        """
        with cache_errors():
            self._check_locks()
            for what in ("cas", "source"):
                sweep_locks(self.root, what)
            swept = len(sweep_scratch(self.root, "tmp"))
            with self.ledger.opened() as account:
                due = account.counted_at + _COUNT_SECONDS <= now()
            if swept or due:
                self.evictor.count(wait=False)
            return swept

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
        try:
            return action()
        except RootcellarError:
            raise
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            raise no_space(error) from error

    def _known(self, wanted: _Wanted) -> Cached | None:
        digest = wanted.expected or self.sources.digest(source_name(wanted.address, wanted.pin))
        if digest and self.entries.state(digest, wanted.pin.size_bytes) is EntryState.GOOD:
            return wanted.found(digest, self.entries.path(digest))
        return None

    def _fetch_alone(self, wanted: _Wanted) -> Cached:
        """Fetch while nobody else fetches the same."""
        name = source_name(wanted.address, wanted.pin)
        lock = f"cas-{wanted.expected.hex}" if wanted.expected else f"source-{name}"
        with locked(self.root / "locks" / lock):
            # Another process may have downloaded it while we waited.
            digest = wanted.expected or self.sources.digest(name)
            if digest and (path := self._trusted(digest, wanted.pin.size_bytes)):
                return wanted.found(digest, path)
            return self._download(wanted)

    def _trusted(self, digest: Digest, size_bytes: int) -> str | None:
        """Return the entry if its bytes are right; what is bad goes into quarantine."""
        state = self.entries.state(digest, size_bytes)
        if state is EntryState.UNVERIFIED:
            try:
                state = EntryState.GOOD if self.entries.verify(digest) else EntryState.DAMAGED
            except FileNotFoundError:
                return None
            reason = "its bytes were wrong after the host was started again"
        else:
            reason = "something wrote to it, or replaced it"
        if state is EntryState.DAMAGED:
            self.forget(digest, reason)
        return self.entries.path(digest) if state is EntryState.GOOD else None

    def _download(self, wanted: _Wanted) -> Cached:
        size_bytes = wanted.pin.size_bytes
        with self._scratch_folder() as folder, self._drawn(size_bytes, folder, wanted) as kept:
            temp = f"{folder}/{secrets.token_hex(8)}"
            try:
                done = download(
                    wanted.address,
                    Path(temp),
                    pin=wanted.pin,
                    expected=wanted.expected,
                    progress=wanted.progress,
                )
                path = self._enter(temp, done.digest, done.size_bytes, kept, folder)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temp)
        if not (self._pool and wanted.expected):
            # A folder's members are asked for by digest only, and may be a hundred thousand.
            with contextlib.suppress(OSError):
                self.remember(wanted.address, done.pin, done.digest)
        seconds = time.monotonic() - wanted.started
        moved = done.size_bytes
        return Cached(done.digest, path, moved, done.pin, False, moved, seconds)  # noqa: FBT003

    def _enter(self, temp: str, digest: Digest, size_bytes: int, drawn: _Drawn, folder: str) -> str:
        """Make a download an entry, unless the same bytes came under another name meanwhile."""
        if path := self._trusted(digest, size_bytes):
            return path
        more = size_bytes - drawn.size_bytes
        if more > 0:  # the object was replaced by a larger one
            extra = self._reserve(more, folder, "")
            path = self.entries.enter(temp, digest)
            extra.keep(more)
            extra.close()
        else:
            path = self.entries.enter(temp, digest)
        drawn.keep(min(size_bytes, drawn.size_bytes))
        return path

    def _enter_link(self, file: str, digest: Digest, size_bytes: int) -> Path:
        for pooled in tuple(self._pool):
            if pooled.draw(size_bytes):
                with contextlib.suppress(FileExistsError):
                    path = self.entries.enter_link(file, digest)
                    pooled.keep(size_bytes)
                    return Path(path)
                pooled.put_back(size_bytes)
                return Path(self.entries.path(digest))
        for is_last in (False, True):
            with self.ledger.entering(size_bytes) as fits:
                if fits:
                    with contextlib.suppress(FileExistsError):
                        return Path(self.entries.enter_link(file, digest))
                    return Path(self.entries.path(digest))
            if not is_last:
                self._admission.make_room(size_bytes)
        raise self._admission.full(size_bytes, "")

    def _enter_copy(self, file: Path, digest: Digest) -> Path:
        size_bytes = file.lstat().st_size
        with self._scratch_folder() as folder:
            reservation = self._reserve(size_bytes, folder, "")
            temp = f"{folder}/{secrets.token_hex(8)}"
            try:
                reservation.draw(size_bytes)
                copy_read_only(str(file), temp)
                _check_copy(Path(temp), digest)
                path = self.entries.enter(temp, digest)
                reservation.keep(size_bytes)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temp)
                reservation.close()
        return Path(path)

    def _reserve(self, size_bytes: int, folder: str, uri: str) -> Reservation:
        return self._admission.reserve(size_bytes, folder, uri)

    @contextmanager
    def _drawn(self, size_bytes: int, folder: str, wanted: _Wanted) -> Iterator[_Drawn]:
        """Yield bytes to download into, of a reservation of the block's or of an own one."""
        for pooled in tuple(self._pool):
            if pooled.draw(size_bytes):
                drawn = _Drawn(pooled, size_bytes)
                try:
                    yield drawn
                finally:
                    pooled.put_back(size_bytes - drawn.kept)
                return
        own = self._reserve(size_bytes, folder, wanted.address.uri)
        try:
            own.draw(size_bytes)
            yield _Drawn(own, size_bytes)
        finally:
            own.close()

    @contextmanager
    def _scratch_folder(self) -> Iterator[str]:
        """Yield a folder for files under way; what is there is removed in the end, or swept."""
        if self._aside is not None:
            # Not its parents: a workdir that somebody deleted must not come back without its lock.
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._aside, 0o700)
            yield self._aside
            return
        scratch = Scratch(self.root, "tmp", secrets.token_hex(8))
        try:
            yield str(scratch.path)
        finally:
            scratch.close()


class _Drawn:
    """Bytes of a reservation that a download may fill."""

    def __init__(self, reservation: Reservation, size_bytes: int) -> None:
        self._reservation = reservation
        self.size_bytes = size_bytes
        self.kept = 0

    def keep(self, size_bytes: int) -> None:
        """Note that they are an entry now."""
        self._reservation.keep(size_bytes)
        self.kept += size_bytes


@contextmanager
def cache_errors() -> Iterator[None]:
    """Turn the operating system's errors about the cache's folder into CacheUnusable."""
    try:
        yield
    except RootcellarError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise CacheUnusable(f"the cache folder failed: {reason}", remedy=REMEDY) from error


def _check_copy(temp: Path, digest: Digest) -> None:
    found = digest_file(temp)
    if found != digest:
        raise DigestMismatch(
            f"the local file's bytes are {found}, not {digest}",
            remedy="Let nothing write to a file while it is published",
        )
