"""Message queues in a folder: what the embedded broker keeps, without a word of Celery or kombu.

    folder/
      queues/<queue>/<message>             ready, one file each, in the order of their names
      exchanges/<exchange>.json            which queues are bound to it
      holders/<holder>/lock                flocked as long as the connection that made it lives
      holders/<holder>/taken/<queue>/<message>   taken, not yet settled
      holders/<holder>/queues/<queue>      queues that go when this holder does
      incoming/                            messages being written
      refused/                             messages nobody could read
      lock                                 flocked around every change of an exchange

A message is in one place at any time and moves by rename only. So a reader sees it whole or not
at all, one reader gets it, and a reader that was killed leaves it where the next one finds it.
That holds for killed processes, not for a host that loses power: nothing is synced to the disk.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import shutil
import threading
import time
import uuid
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Binding", "QueueFolder", "TakenMessage"]

HIGHEST_PRIORITY = 9
_LONGEST_NAME = 150
_SWEEP_SECONDS = 1.0


class Binding(NamedTuple):
    """A row of an exchange's table, in the order kombu's exchange types expect."""

    routing_key: str
    pattern: str
    queue: str


@dataclass(frozen=True, slots=True)
class TakenMessage:
    """One delivery of a message.

    Attributes:
        tag: Names this delivery: to be settled or given back under it, once.
        redelivered: True if somebody had it before and did not settle it.
    """

    tag: str
    payload: bytes
    redelivered: bool


class QueueFolder:
    """One connection's view of the queues in a folder. Safe for threads, processes and forks.

    Args:
        folder: Made when first written to. On one host's disk: flock must hold between all users.
    """

    def __init__(self, folder: Path) -> None:
        self._queues = folder / "queues"
        self._exchanges = folder / "exchanges"
        self._holders = folder / "holders"
        self._incoming = folder / "incoming"
        self._refused = folder / "refused"
        self._lock_file = folder / "lock"
        self._holder: _Holder | None = None
        self._mutex = threading.Lock()
        self._last_time = 0
        self._sweep_due = 0.0

    def put(self, queue: str, payload: bytes, priority: int = 0) -> None:
        """Add a message. Atomic: it is there whole or not at all.

        Messages of one priority that one connection put are taken in the order it put them.
        """
        name = f"{HIGHEST_PRIORITY - priority}-{self._next_time():020d}-{uuid.uuid4().hex}.0"
        written = self._incoming / name
        try:
            written.write_bytes(payload)
        except FileNotFoundError:
            self._incoming.mkdir(parents=True, exist_ok=True)
            written.write_bytes(payload)
        _move(written, self._queues / _file_name(queue) / name)

    def take(self, queue: str) -> TakenMessage | None:
        """Take the first message, or None if there is none. Of many callers one gets it."""
        ready = self._queues / _file_name(queue)
        for name in _names(ready):
            taken = self._own_holder().taken / ready.name / name
            try:
                _move(ready / name, taken)
            except FileNotFoundError:
                continue  # another reader was quicker
            redelivered = taken.suffix != ".0"
            return TakenMessage(f"{ready.name}/{name}", taken.read_bytes(), redelivered)
        return None

    def settle(self, tag: str) -> None:
        """Forget a taken message: it is done. Nothing happens if it is no longer ours."""
        if self._holder is not None and self._holder.is_ours:
            (self._holder.taken / tag).unlink(missing_ok=True)

    def give_back(self, tag: str) -> None:
        """Return a taken message to its old place. Nothing happens if it is no longer ours."""
        if self._holder is not None and self._holder.is_ours:
            self._return_to_queue(self._holder.taken / tag)

    def refuse(self, tag: str) -> Path:
        """Put a taken message aside that cannot be read, and return where it lies now."""
        aside = self._refused / tag
        _move(self._own_holder().taken / tag, aside)
        return aside

    def create(self, queue: str, *, auto_delete: bool = False) -> None:
        """Make a queue. One with `auto_delete` goes when the last connection that made it does."""
        if auto_delete:
            self.sweep()  # what was sent to a dead namesake is not for us
            (self._own_holder().queues / _file_name(queue)).touch()
        (self._queues / _file_name(queue)).mkdir(parents=True, exist_ok=True)

    def exists(self, queue: str) -> bool:
        """Tell whether the queue was made and not deleted."""
        return (self._queues / _file_name(queue)).is_dir()

    def size(self, queue: str) -> int:
        """Return the number of messages that are ready."""
        return len(_names(self._queues / _file_name(queue)))

    def purge(self, queue: str) -> int:
        """Remove the messages that are ready and return how many."""
        ready = self._queues / _file_name(queue)
        removed = 0
        for name in _names(ready):
            with suppress(FileNotFoundError):
                (ready / name).unlink()
                removed += 1
        return removed

    def delete(self, queue: str) -> None:
        """Remove a queue, its ready messages and all that binds it."""
        with self._locked():
            self._delete_files(_file_name(queue))
            for table in self._exchanges.glob("*.json"):
                self._write_table(table, [row for row in _read_table(table) if row.queue != queue])
        if self._holder is not None and self._holder.is_ours:
            (self._holder.queues / _file_name(queue)).unlink(missing_ok=True)

    def bindings(self, exchange: str) -> list[Binding]:
        """Return the rows of an exchange's table."""
        return _read_table(self._table(exchange))

    def bind(self, exchange: str, binding: Binding) -> None:
        """Add a row. Safe to repeat."""
        with self._locked():
            rows = self.bindings(exchange)
            if binding not in rows:
                self._write_table(self._table(exchange), [*rows, binding])

    def unbind(self, exchange: str, binding: Binding) -> None:
        """Remove a row. Safe to repeat."""
        with self._locked():
            rows = [row for row in self.bindings(exchange) if row != binding]
            self._write_table(self._table(exchange), rows)

    def delete_exchange(self, exchange: str) -> None:
        """Remove an exchange's table."""
        with self._locked():
            self._table(exchange).unlink(missing_ok=True)

    def sweep_if_due(self) -> None:
        """Sweep, unless this connection did so within the last second."""
        if time.monotonic() >= self._sweep_due:
            self.sweep()

    def sweep(self) -> None:
        """Return to their queues the messages of connections that ended without a word."""
        self._sweep_due = time.monotonic() + _SWEEP_SECONDS
        own = self._holder.folder.name if self._holder is not None else ""
        for name in _names(self._holders):
            if name != own:
                self._bury(self._holders / name)

    def close(self) -> None:
        """Give back every message not settled and drop the queues that were for us alone."""
        with self._mutex:
            holder, self._holder = self._holder, None
        if holder is not None and holder.is_ours:
            holder.unlock()
            self._bury(holder.folder)

    def _bury(self, holder: Path) -> None:
        try:
            lock = os.open(holder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._return_all(holder)
        except BlockingIOError:
            return  # alive, or somebody else is burying it
        finally:
            os.close(lock)

    def _return_all(self, holder: Path) -> None:
        for queue in _names(holder / "taken"):
            for name in _names(holder / "taken" / queue):
                self._return_to_queue(holder / "taken" / queue / name)
        with self._locked():
            ended = set(_names(holder / "queues"))
            for other in _names(self._holders):
                if other != holder.name:
                    ended.difference_update(_names(self._holders / other / "queues"))
            for file_name in ended:
                self._delete_files(file_name)
            if ended:
                self._unbind_files(ended)
            shutil.rmtree(holder / "queues")
            shutil.rmtree(holder)  # the lock last: without it nobody would bury the rest

    def _return_to_queue(self, taken: Path) -> None:
        # The count is in the name so that the move back is one rename.
        deliveries = taken.suffix.removeprefix(".")
        again = int(deliveries) + 1 if deliveries.isdecimal() else 1
        ready = self._queues / taken.parent.name / f"{taken.stem}.{again}"
        with suppress(FileNotFoundError):
            _move(taken, ready)

    def _own_holder(self) -> _Holder:
        with self._mutex:
            if self._holder is None or not self._holder.is_ours:
                self._holder = _Holder(self._holders)
            return self._holder

    def _next_time(self) -> int:
        with self._mutex:
            self._last_time = max(self._last_time + 1, time.time_ns())
            return self._last_time

    def _table(self, exchange: str) -> Path:
        return self._exchanges / f"{_file_name(exchange)}.json"

    def _write_table(self, table: Path, rows: list[Binding]) -> None:
        if rows == _read_table(table):
            return
        written = self._incoming / uuid.uuid4().hex
        self._incoming.mkdir(parents=True, exist_ok=True)
        written.write_text(json.dumps(rows), encoding="utf-8")
        _move(written, table)

    def _unbind_files(self, queues: set[str]) -> None:
        for table in self._exchanges.glob("*.json"):
            kept = [row for row in _read_table(table) if _file_name(row.queue) not in queues]
            self._write_table(table, kept)

    def _delete_files(self, queue: str) -> None:
        ready = self._queues / queue
        for name in _names(ready):
            (ready / name).unlink(missing_ok=True)
        with suppress(OSError):  # gone, or somebody put a message: then it is a new queue
            ready.rmdir()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


class _Holder:
    """The folder of one living connection, and the lock that says it lives."""

    def __init__(self, holders: Path) -> None:
        _close_locks_after_fork()
        self._pid = os.getpid()
        self.folder = holders / uuid.uuid4().hex
        hidden = holders / f".{self.folder.name}"
        (hidden / "taken").mkdir(parents=True)
        (hidden / "queues").mkdir()
        self._lock = os.open(hidden / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        hidden.rename(self.folder)  # seen only once it is locked
        _living.add(self)

    @property
    def taken(self) -> Path:
        return self.folder / "taken"

    @property
    def queues(self) -> Path:
        return self.folder / "queues"

    @property
    def is_ours(self) -> bool:
        """False in a fork's child: what the parent took is the parent's to settle."""
        return self._pid == os.getpid()

    def unlock(self) -> None:
        os.close(self._lock)
        _living.discard(self)


_living: weakref.WeakSet[_Holder] = weakref.WeakSet()


@functools.cache
def _close_locks_after_fork() -> None:
    # A child that outlives its parent would otherwise keep the parent's lock, and its messages.
    def close() -> None:
        for holder in list(_living):
            holder.unlock()

    os.register_at_fork(after_in_child=close)


def _move(source: Path, target: Path) -> None:
    """Rename, and make the target's folder if that is what was missing.

    Raises:
        FileNotFoundError: There is no source.
    """
    while True:
        try:
            source.rename(target)
        except FileNotFoundError:
            if not source.exists():
                raise
            target.parent.mkdir(parents=True, exist_ok=True)
        else:
            return


def _names(folder: Path) -> list[str]:
    try:
        names = os.listdir(folder)  # noqa: PTH208  called at each poll: no Path per message
    except FileNotFoundError:
        return []
    return sorted(name for name in names if not name.startswith("."))


def _read_table(table: Path) -> list[Binding]:
    try:
        rows = json.loads(table.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [Binding(*row) for row in rows]


def _file_name(name: str) -> str:
    """Return a file name for any text: no two texts share one, none addresses another folder."""
    plain = quote(name, safe="@", errors="surrogatepass")
    if plain.startswith("."):
        plain = "%2E" + plain[1:]
    if not plain:
        return "%"
    if len(plain) <= _LONGEST_NAME:
        return plain
    # `%~` cannot come from quoting, so that a shortened name never meets a plain one.
    return f"{plain[:64]}%~{hashlib.sha256(plain.encode()).hexdigest()}"
