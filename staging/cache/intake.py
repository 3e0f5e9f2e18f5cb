"""Intake: how bytes become entries, with their space reserved before the first of them comes."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import DigestMismatch
from rootcellar.staging.cache.lot import Lot
from rootcellar.staging.engine.hashing import algorithm_of, digest_file
from rootcellar.staging.host.epoch import mark_open
from rootcellar.staging.host.local_copy import NO_LINK, copy_read_only
from rootcellar.staging.host.scratch import Scratch
from rootcellar.staging.host.writers import hold_still
from rootcellar.staging.stores.transfer import download

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.cache.admission import Admission
    from rootcellar.staging.cache.entries import Entries
    from rootcellar.staging.cache.quarantine import Vetting
    from rootcellar.staging.cache.space import Reservation
    from rootcellar.staging.stores.store import Address, Progress

__all__ = ["Cached", "Intake", "Wanted"]


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
class Wanted:
    """What a fetch is after."""

    address: Address
    pin: Pin
    expected: Digest | None
    progress: Progress | None
    started: float

    def found(self, digest: Digest, path: str) -> Cached:
        """Return the entry that was there."""
        seconds = time.monotonic() - self.started
        return Cached(digest, path, self.pin.size_bytes, self.pin, True, 0, seconds)  # noqa: FBT003


class Intake:
    """Takes bytes in. Thread safe.

    Args:
        root: Of the cache.
        entries: Where they go.
        vetting: Who knows whether an entry is there already.
        admission: Who lets them.
        aside: A folder that the caller removes, made when needed, for files under way; without it
            each has a scratch folder of its own.
    """

    def __init__(
        self,
        root: Path,
        entries: Entries,
        vetting: Vetting,
        admission: Admission,
        *,
        aside: Path | None = None,
    ) -> None:
        self._root = root
        self._entries = entries
        self._vetting = vetting
        self._admission = admission
        self._aside = None if aside is None else str(aside)
        self._pool: list[Reservation] = []

    @property
    def is_bulk(self) -> bool:
        """Whether space for many is reserved, as for the members of a folder."""
        return bool(self._pool)

    def within(self, aside: Path) -> Intake:
        """Return one that keeps files under way in that folder."""
        return Intake(self._root, self._entries, self._vetting, self._admission, aside=aside)

    @contextmanager
    def reserved(self, size_bytes: int, uri: str) -> Iterator[None]:
        """Reserve space that downloads in the block draw from."""
        with (
            self._scratch_folder() as folder,
            self._pooled(self._admission.reserve(size_bytes, folder, uri)),
        ):
            yield

    @contextmanager
    def spared(self, size_bytes: int, *, written: bool) -> Iterator[None]:
        """Reserve as `reserved` does, or nothing where there is no room now."""
        with self._scratch_folder() as folder:
            reservation = self._admission.reserve_now(size_bytes, folder, written=written)
            with nullcontext() if reservation is None else self._pooled(reservation):
                yield

    @contextmanager
    def _pooled(self, reservation: Reservation) -> Iterator[None]:
        try:
            self._pool.append(reservation)
            yield
        finally:
            with suppress(ValueError):
                self._pool.remove(reservation)
            reservation.close()

    @contextmanager
    def lot(self) -> Iterator[Lot | None]:
        """Yield what many small files draw from, of what is reserved for many; None without."""
        pooled = self._pool[-1] if self._pool else None
        if pooled is None:
            yield None
            return
        lot = Lot(pooled)
        try:
            yield lot
        finally:
            lot.close()

    def link_one(self, file: str, digest: Digest, size_bytes: int, lot: Lot) -> bool:
        """Do as `link_marked` for a file that was just written, in a workdir and nowhere else."""
        status = os.lstat(file)
        if not file.startswith(os.path.join(self._root, "work", "")) or status.st_nlink > 1:
            return False
        with hold_still(file, status) as held:
            os.fchmod(held.fileno(), 0o444)
            mark_open(held.fileno())
            return self.link_marked(file, digest, size_bytes, lot)

    def link_marked(self, file: str, digest: Digest, size_bytes: int, lot: Lot) -> bool:
        """Make a file of a workdir, which bears the mark, an entry; tell whether it is one now.

        If not, such as where there is an entry already, `link` knows what to do.
        """
        if not lot.take(size_bytes):
            return False
        entered = False
        with suppress(OSError):
            entered = self._entries.enter_marked(file, digest) is not None
        if not entered:
            lot.put_back(size_bytes)
        return entered

    def download(self, wanted: Wanted) -> Cached:
        """Download an object and make it an entry."""
        with self._scratch_folder() as folder, self._drawn(folder, wanted) as drawn:
            temp = f"{folder}/{secrets.token_hex(8)}"
            try:
                done = download(
                    wanted.address,
                    Path(temp),
                    pin=wanted.pin,
                    expected=wanted.expected,
                    make_room=drawn.make_room,
                    progress=wanted.progress,
                )
                path = self._enter(temp, done.digest, done.size_bytes, drawn)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temp)
        seconds = time.monotonic() - wanted.started
        moved = done.size_bytes
        return Cached(done.digest, path, moved, done.pin, False, moved, seconds)  # noqa: FBT003

    def _enter(self, temp: str, digest: Digest, size_bytes: int, drawn: _Drawn) -> str:
        """Make a download an entry, unless the same bytes came under another name meanwhile."""
        if path := self._vetting.trusted(digest, size_bytes):
            return path
        with _counted(drawn.keep, size_bytes):
            return self._entries.enter(temp, digest)

    def link(self, file: str, digest: Digest, size_bytes: int) -> str:
        """Make a file of a workdir an entry without moving it; a copy where no link can be made."""
        try:
            return self._link(file, digest, size_bytes)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
        return self.copy(Path(file), digest)

    def _link(self, file: str, digest: Digest, size_bytes: int) -> str:
        ledger = self._admission.ledger
        for pooled in tuple(self._pool):
            if pooled.draw(size_bytes):
                with _counted(pooled.keep, size_bytes):
                    path = self._entries.enter_link(file, digest)
                if path is None:  # another one made it an entry meanwhile
                    pooled.keep(-size_bytes)
                    pooled.put_back(size_bytes)
                return path or self._entries.path(digest)
        for is_last in (False, True):
            with ledger.opened() as account:
                fits = ledger.admit(account, size_bytes)
                try:
                    path = self._entries.enter_link(file, digest) if fits else None
                except OSError:
                    account.used_bytes = (account.used_bytes or size_bytes) - size_bytes
                    raise
            if path is not None:
                return path
            if fits:  # another one made it an entry meanwhile
                ledger.give_back(size_bytes)
                return self._entries.path(digest)
            if not is_last:
                self._admission.make_room(size_bytes)
        raise self._admission.full(size_bytes, "")

    def copy(self, file: Path, digest: Digest) -> str:
        """Make a copy of a file an entry."""
        size_bytes = file.lstat().st_size
        with self._scratch_folder() as folder:
            temp = f"{folder}/{secrets.token_hex(8)}"
            with self._writing(size_bytes, folder, temp) as reservation:
                copy_read_only(str(file), temp)
                _check_copy(Path(temp), digest)
                with _counted(reservation.keep, size_bytes):
                    return self._entries.enter(temp, digest)

    def copy_out(self, source: str, target: str, size_bytes: int, folder: str) -> Reservation:
        """Copy an entry to where no link can be made, and return what holds the copy's bytes."""
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        reservation = self._admission.reserve(size_bytes, folder)
        try:
            reservation.draw(size_bytes)
            copy_read_only(source, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(target)
            reservation.close()
            raise
        return reservation

    @contextmanager
    def _writing(self, size_bytes: int, folder: str, temp: str) -> Iterator[Reservation]:
        reservation = self._admission.reserve(size_bytes, folder)
        try:
            reservation.draw(size_bytes)
            yield reservation
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temp)
            reservation.close()

    @contextmanager
    def _drawn(self, folder: str, wanted: Wanted) -> Iterator[_Drawn]:
        """Yield bytes to download into, of a reservation of the block's or of an own one."""
        drawn = _Drawn(self._admission, self._pool, folder, wanted.address.uri)
        try:
            drawn.take(wanted.pin.size_bytes, since=wanted.started)
            yield drawn
        finally:
            drawn.give_back()

    @contextmanager
    def _scratch_folder(self) -> Iterator[str]:
        """Yield a folder for files under way; what is there is removed in the end, or swept."""
        if self._aside is not None:
            # Not its parents: a workdir that somebody deleted must not come back without its lock.
            with suppress(FileExistsError):
                os.mkdir(self._aside, 0o700)
            yield self._aside
            return
        scratch = Scratch(str(self._root), "tmp", secrets.token_hex(8))
        try:
            yield str(scratch.path)
        finally:
            scratch.close()


class _Drawn:
    """Bytes that one download may fill, of a reservation for many or of its own."""

    def __init__(
        self, admission: Admission, pool: list[Reservation], folder: str, uri: str
    ) -> None:
        self._admission = admission
        self._pool = pool
        self._folder = folder
        self._uri = uri
        self._own: Reservation | None = None
        self._pooled: Reservation | None = None
        self._left = 0

    def take(self, size_bytes: int, *, since: float | None = None) -> None:
        """Take so many bytes, and wait for them if need be: see `Admission.reserve`."""
        for pooled in tuple(self._pool):
            if pooled.draw(size_bytes):
                self._pooled, self._left = pooled, size_bytes
                return
        own = self._own = self._admission.reserve(size_bytes, self._folder, self._uri, since=since)
        own.draw(size_bytes)
        self._left = size_bytes

    def make_room(self, size_bytes: int) -> None:
        """Have so many bytes, as the object was replaced by a larger one; what came is gone."""
        if size_bytes > self._left:
            # Not the difference: whether it may ever fit is asked of the whole.
            self.give_back()
            self.take(size_bytes)

    def keep(self, size_bytes: int) -> None:
        """Note that so many are an entry now."""
        reservation = self._own or self._pooled
        if reservation is not None:
            reservation.keep(size_bytes)
            self._left -= size_bytes

    def give_back(self) -> None:
        """Give back what is not kept. Safe to repeat."""
        if self._own is not None:
            self._own.close()
        elif self._pooled is not None:
            self._pooled.put_back(self._left)
        self._own = self._pooled = None
        self._left = 0


@contextmanager
def _counted(keep: Callable[[int], object], size_bytes: int) -> Iterator[None]:
    """Count bytes as an entry's before they are: who is struck between has counted too much.

    Unless an error of the disk says that they are none.
    """
    keep(size_bytes)
    try:
        yield
    except OSError:
        keep(-size_bytes)
        raise


def _check_copy(temp: Path, digest: Digest) -> None:
    found = digest_file(temp, algorithm_of(digest))
    if found != digest:
        raise DigestMismatch(
            f"the local file's bytes are {found}, not {digest}",
            remedy="Let nothing write to a file while it is published",
        )
