"""Space of the cache: a budget of bytes, a floor of free space, and bytes kept before they come.

The file `usage` holds how many bytes are entries or reserved, and is changed under a short lock.
Whatever is killed leaves it too high, never too low, and counting the entries again mends that; so
it is counted again before anything is evicted or refused, and never when an input is at hand.

A reservation is a file in a scratch folder: it holds the disk's blocks until they are needed, says
how many bytes are reserved, and goes with its process, as scratch folders do.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import glob
import os
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rootcellar.schemas.amount import Amount
from rootcellar.schemas.errors import CacheFull
from rootcellar.staging.host.epoch import is_mark, mark_ns
from rootcellar.staging.host.host_lock import LockableFile

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FREE_DISK",
    "MORE_ROOM",
    "NO_SPACE",
    "Account",
    "Ledger",
    "Reservation",
    "SpaceLimits",
    "has_reservations",
    "held_bytes",
    "no_space",
    "reserved_bytes",
]

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
MORE_ROOM = (
    "Set cache_budget (ROOTCELLAR_CACHE_BUDGET) to more, or cache_dir (ROOTCELLAR_CACHE_DIR) to a "
    "larger disk"
)
FREE_DISK = f"Free some of that disk. {MORE_ROOM}"
"""What helps."""

_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR | os.O_CLOEXEC
_PREFIX = "reserved-"
_WIDTH = 32
_LOW_WATER = 0.9
_BUDGET, _FLOOR = Amount(0, 0.8), Amount(0, 0.02)


@dataclass(frozen=True, slots=True)
class SpaceLimits:
    """How much of a disk the cache may use.

    Attributes:
        budget: Of entries and reservations together.
        floor: What stays free on the file system, for outputs and everybody else.
        wait_seconds: How long a download waits for runs to release what they hold.
    """

    budget: Amount = _BUDGET
    floor: Amount = _FLOOR
    wait_seconds: float = 60.0


class Account(LockableFile):
    """What the ledger says, and the disk; a block that ends with the ledger's lock.

    Attributes:
        counted_at: When they were last counted, in seconds since 1970.
        disk_bytes: Size of the file system.
        free_bytes: Of it.
    """

    counted_at: int
    disk_bytes: int
    free_bytes: int
    _used_bytes: int | None

    @property
    def used_bytes(self) -> int | None:
        """Entries and reservations; None if it must be counted first. Written when it is set."""
        return self._used_bytes

    @used_bytes.setter
    def used_bytes(self, size_bytes: int | None) -> None:
        self._used_bytes = size_bytes
        _write(self)

    def counted(self, used_bytes: int) -> None:
        """Write what was counted just now."""
        self.counted_at = now()
        self.used_bytes = used_bytes

    def look(self) -> None:
        """Read what is there."""
        status = os.fstatvfs(self.fileno())
        self.disk_bytes = status.f_blocks * status.f_frsize
        self.free_bytes = status.f_bavail * status.f_frsize
        try:
            used, self.counted_at, epoch = map(int, os.pread(self.fileno(), 3 * _WIDTH, 0).split())
        except ValueError:
            used, self.counted_at, epoch = -1, 0, 0
        # After a loss of power the file may be older than the entries.
        self._used_bytes = used if used >= 0 and epoch == mark_ns() else None


class Ledger:
    """The file `usage` below the root of a cache. Thread safe.

    Args:
        root: Of the cache.
        limits: What to keep to.
        in_memory: The file system is one in memory, where holding blocks means filling them.
    """

    def __init__(self, root: str, limits: SpaceLimits, *, in_memory: bool = False) -> None:
        self.limits = limits
        self.holds_blocks = not in_memory
        self._path = f"{root}/usage"

    def opened(self) -> Account:
        """Return the account, which holds the ledger's lock for the length of a block."""
        account = Account.opened(self._path)
        try:
            fcntl.flock(account, fcntl.LOCK_EX)
            account.look()
        except BaseException:
            account.close()
            raise
        return account

    def admit(self, account: Account, size_bytes: int) -> bool:
        """Count bytes that are on the disk if they fit, and tell whether they do.

        Make them an entry in the same block: who dies in it has counted too much, never too little.
        """
        fits = self.fits(account, size_bytes, written=True)
        if fits:
            account.used_bytes = (account.used_bytes or 0) + size_bytes
        return fits

    def budget_bytes(self, account: Account) -> int:
        """Return the most that entries and reservations may take."""
        return self.limits.budget.of(account.disk_bytes)

    def low_water_bytes(self, account: Account) -> int:
        """Return what eviction leaves used, so that not every download has to evict."""
        return int(self.budget_bytes(account) * _LOW_WATER)

    def floor_bytes(self, account: Account) -> int:
        """Return what stays free on the disk."""
        return self.limits.floor.of(account.disk_bytes)

    def fits(self, account: Account, size_bytes: int, *, written: bool = False) -> bool:
        """Tell whether so many bytes more keep to the budget and the floor.

        Args:
            account: As it is now; False where it must be counted first.
            size_bytes: Of what is to come.
            written: The bytes are on the disk already, as an output's are.
        """
        if account.used_bytes is None:
            return False
        if account.used_bytes + size_bytes > self.budget_bytes(account):
            return False
        return account.free_bytes - (0 if written else size_bytes) >= self.floor_bytes(account)

    def reserve(self, size_bytes: int, folder: str, *, written: bool = False) -> Reservation | None:
        """Reserve so many bytes if they fit.

        Args:
            size_bytes: Of what is to come.
            folder: A scratch folder of this process, for the reservation's file.
            written: The bytes are on the disk already, as an output's are.

        Raises:
            OSError: The disk is full though the numbers said that they fit.
        """
        with self.opened() as account:
            fits = self.fits(account, size_bytes, written=written)
            if not fits or account.used_bytes is None:
                return None
            holds_blocks = self.holds_blocks and not written
            made = Reservation(self, folder, size_bytes, holds_blocks=holds_blocks)
            try:
                account.used_bytes += size_bytes
            except BaseException:
                made.drop()
                raise
        return made

    def give_back(self, size_bytes: int) -> None:
        """Count so many bytes less."""
        if size_bytes:
            with self.opened() as account:
                if account.used_bytes is not None:
                    account.used_bytes = max(account.used_bytes - size_bytes, 0)


class Reservation:
    """Bytes that are kept for files about to be written. Thread safe.

    A file's bytes are drawn before it is written. Then they are kept, as an entry counts, or put
    back. What was neither drawn nor kept is given back at the end.
    """

    def __init__(self, ledger: Ledger, folder: str, size_bytes: int, *, holds_blocks: bool) -> None:
        self._ledger = ledger
        self._guard = threading.Lock()
        self._left = self._held = size_bytes
        self._path = f"{folder}/{_PREFIX}{secrets.token_hex(8)}"
        self._file = LockableFile.opened(self._path, _NEW)
        try:
            self._note()
            self._holds_blocks = holds_blocks and _allocate(self._file.fileno(), size_bytes)
        except BaseException:
            self.drop()
            raise

    def draw(self, size_bytes: int) -> bool:
        """Take bytes to write a file with; False if not so many are left."""
        with self._guard:
            if size_bytes > self._left or self._file.closed:
                return False
            self._left -= size_bytes
            if self._holds_blocks:
                # They go back to the disk, for the file to take them.
                os.ftruncate(self._file.fileno(), max(self._left, _WIDTH))
            return True

    def keep(self, size_bytes: int) -> None:
        """Note that bytes which were drawn are an entry, or are none after all if negative."""
        with self._guard:
            self._held -= size_bytes
            if not self._file.closed:
                self._note()

    def put_back(self, size_bytes: int) -> None:
        """Note that bytes which were drawn were not written, or were removed again."""
        with self._guard:
            self._left += size_bytes

    def close(self) -> None:
        """Give back what is not kept. Safe to repeat."""
        with self._guard:
            if self._file.closed:
                return
            self._file.close()
            held, self._held = self._held, 0
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        with contextlib.suppress(FileNotFoundError):
            self._ledger.give_back(held)

    def drop(self) -> None:
        """Take back what nothing counts yet."""
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def _note(self) -> None:
        os.pwrite(self._file.fileno(), str(self._held).ljust(_WIDTH).encode(), 0)


def reserved_bytes(root: str) -> int:
    """Return the bytes of all reservations whose folders are there."""
    total = 0
    for pattern in ("tmp/*", "work/*/aside"):
        for path in glob.iglob(f"{glob.escape(root)}/{pattern}/{_PREFIX}*"):
            with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
                total += int(file.read(_WIDTH))
    return total


def held_bytes(workdir: str) -> int:
    """Return the bytes of entries and reservations that a run holds in its workdir."""
    inodes, total = set(), 0
    for folder, _, names in os.walk(workdir):
        for name in names:
            with contextlib.suppress(OSError, ValueError):
                status = os.lstat(f"{folder}/{name}")
                if name.startswith(_PREFIX):
                    with open(f"{folder}/{name}", "rb") as file:
                        total += int(file.read(_WIDTH))
                elif status.st_nlink > 1 and is_mark(status.st_mtime_ns):
                    total += 0 if status.st_ino in inodes else status.st_size
                    inodes.add(status.st_ino)
    return total


def has_reservations(folder: str) -> bool:
    """Tell whether a scratch folder holds any."""
    return any(name.startswith(_PREFIX) for name in os.listdir(folder))


def no_space(error: OSError) -> CacheFull:
    """Return the error for a disk that was full though the ledger had room."""
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return CacheFull(f"the disk of the host's cache is full: {reason}", remedy=FREE_DISK)


def now() -> int:
    """Return the time of day in whole seconds."""
    return int(time.time())


def _write(account: Account) -> None:
    used = -1 if account.used_bytes is None else account.used_bytes
    line = f"{used} {account.counted_at} {mark_ns()}\n".ljust(3 * _WIDTH)
    os.pwrite(account.fileno(), line.encode(), 0)


@functools.cache
def _fallocate() -> Callable[..., int]:
    function = ctypes.CDLL(None, use_errno=True).fallocate
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return cast("Callable[..., int]", function)


def _allocate(file: int, size_bytes: int) -> bool:
    """Hold disk blocks, and tell whether they are; os.posix_fallocate would write them elsewhere.

    Raises:
        OSError: There are not so many.
    """
    if not size_bytes or _fallocate()(file, 0, 0, size_bytes) == 0:
        return bool(size_bytes)
    code = ctypes.get_errno()
    # A quota or a limit of this process is told by whoever writes the bytes.
    if code == errno.ENOSPC:
        raise OSError(code, os.strerror(code))
    return False
