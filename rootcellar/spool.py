"""Spool: runs that wait on this host's disk until the catalog takes them.

One file per record, complete in itself, written beside, synced and renamed. Its name begins with
the time at which the run ended, or if that is not known started, so that names sort by time; the
rest is the run's uid, so that a record that is kept twice is one file. Whoever enters records
removes their files afterwards; entering one twice changes nothing.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rootcellar.run_text import NewerRecord, WaitingRun, read_run, run_text
from rootcellar.schemas.errors import CatalogError
from rootcellar.staging.host.temp_file import create_temp, is_temp_name, temp_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Refused", "Replayed", "Spool", "Waiting"]

_END, _START = "end", "start"
_SUFFIX = ".json"
_REASON = ".reason"
_TIME = "%Y%m%dT%H%M%S.%fZ"
_LEFT_SECONDS = 3600.0
"""A file that is being written for longer has a dead writer."""


class Refused(Exception):  # noqa: N818  # said of a record, and raised by whoever enters it
    """The catalog is there, and does not take this record."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that waits.

    Attributes:
        since: When the run ended, or started if its end is not known.
    """

    name: str
    run: str
    what: str
    since: datetime
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the records that waited.

    Attributes:
        entered: The catalog has them now.
        rejected: It refused them, or they are damaged; they lie in the reject folder.
        left: They still wait.
        problem: Why; empty if none waits.
    """

    entered: int = 0
    rejected: int = 0
    left: int = 0
    problem: str = ""


class Spool:
    """The records that wait in one folder; any number of processes may share it.

    Args:
        folder: Made on first use, for this user only. On a disk that outlives the process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def reject_folder(self) -> Path:
        """Where records go that no catalog takes, each beside a file with the reason."""
        return self.folder / "rejected"

    def keep(self, run: WaitingRun) -> None:
        """Keep a record; it is on the disk, whole, when this returns. Safe to repeat.

        Raises:
            OSError: It is not kept.
        """
        target = self.folder / _name_of(run)
        if target.exists():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = target.with_name(temp_name(target.name))
        try:
            with create_temp(aside) as file:
                file.write(run_text(run))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        _sync_folder(self.folder)

    def waits(self) -> bool:
        """Tell whether any record waits."""
        try:
            with os.scandir(self.folder) as entries:
                return any(_is_record(entry.name) for entry in entries)
        except OSError:
            return False

    def waiting(self) -> list[Waiting]:
        """Return the records that wait, the oldest first."""
        found = []
        for name in self._names(self.folder):
            with suppress(OSError):  # entered meanwhile
                found.append(_waiting(name, (self.folder / name).stat().st_size))
        return found

    def rejected(self) -> dict[str, str]:
        """Return why each record was rejected, by its file's name."""
        reasons = {}
        for name in self._names(self.reject_folder):
            try:
                reasons[name] = (self.reject_folder / (name + _REASON)).read_text("utf-8").strip()
            except OSError:
                reasons[name] = ""
        return reasons

    def take_back(self) -> int:
        """Let what was rejected wait again; return how many records."""
        names = self._names(self.reject_folder)
        for name in names:
            (self.reject_folder / name).replace(self.folder / name)
            (self.reject_folder / (name + _REASON)).unlink(missing_ok=True)
        return len(names)

    def replay(self, enter: Callable[[WaitingRun], object]) -> Replayed:
        """Enter all records, the oldest first, and remove each after it was entered.

        One process does it at a time; others find that all are left. Killed anywhere, it loses
        nothing: what was entered and not removed is entered again, which changes nothing.

        Args:
            enter: Enters one; raises `Refused` for one that is never taken, and `CatalogError`
                while the catalog takes none. Safe to repeat.
        """
        if not self.waits():
            return Replayed()
        try:
            with self._only_one() as is_free:
                if is_free:
                    return self._replay(enter)
        except OSError as error:
            problem = f"the spool folder cannot be used: {error.strerror or error}"
            return Replayed(left=len(self._names(self.folder)), problem=problem)
        left = len(self._names(self.folder))
        return Replayed(left=left, problem="another process enters them" if left else "")

    def _replay(self, enter: Callable[[WaitingRun], object]) -> Replayed:
        entered = rejected = newer = 0
        problem = ""
        self._drop_unfinished()
        for name in self._names(self.folder):
            path = self.folder / name
            try:
                enter(read_run(path.read_bytes()))
            except CatalogError as error:
                problem = error.problem
                break
            except NewerRecord:
                newer, problem = newer + 1, "a newer rootcellar wrote them"
            except FileNotFoundError:
                pass  # removed by hand
            except (Refused, ValueError, TypeError, LookupError, ArithmeticError) as error:
                self._reject(name, f"{type(error).__name__}: {error}")
                rejected += 1
            else:
                path.unlink(missing_ok=True)
                entered += 1
        left = len(self._names(self.folder))
        return Replayed(entered, rejected, left, problem if left else "")

    def _reject(self, name: str, reason: str) -> None:
        self.reject_folder.mkdir(mode=0o700, exist_ok=True)
        text = reason.encode("utf-8", "backslashreplace")
        (self.reject_folder / (name + _REASON)).write_bytes(text + b"\n")
        (self.folder / name).replace(self.reject_folder / name)

    def _drop_unfinished(self) -> None:
        """Remove what writers left that died: their runs are lost, and have notes of their own."""
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):
                age = time.time() - path.stat().st_mtime
                if is_temp_name(path.name) and age > _LEFT_SECONDS:
                    path.unlink()

    @contextmanager
    def _only_one(self) -> Iterator[bool]:
        """Yield whether this process is the one that may replay now."""
        lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    @staticmethod
    def _names(folder: Path) -> list[str]:
        try:
            return sorted(path.name for path in folder.iterdir() if _is_record(path.name))
        except OSError:
            return []


def _name_of(run: WaitingRun) -> str:
    if run.end is not None:
        what, at = _END, run.end.ended_at
    elif run.start is not None:
        what, at = _START, run.start.started_at
    else:
        msg = "neither a start nor an end"
        raise ValueError(msg)
    return f"{at.astimezone(UTC).strftime(_TIME)}-{run.uid}-{what}{_SUFFIX}"


def _is_record(name: str) -> bool:
    return name.endswith(_SUFFIX) and not name.startswith(".")


def _waiting(name: str, size_bytes: int) -> Waiting:
    moment, _, rest = name.removesuffix(_SUFFIX).partition("-")
    uid, _, what = rest.rpartition("-")
    try:
        since = datetime.strptime(moment, _TIME).replace(tzinfo=UTC)
    except ValueError:  # put there by hand
        since = datetime.now(UTC)
    return Waiting(name, uid, what, since, size_bytes)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
