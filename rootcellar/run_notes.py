"""Run notes: what the runs of a process say on its host's disk until the catalog knows all of them.

A run that is under way has a note of its own, which the next run writes over: one file again and
again. Those that have ended and wait for their rows stand one behind the other in a log, of which
there is a second for what ends while the first is entered.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import CacheUnusable
from rootcellar.staging.host.host_note import HostNote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rootcellar.schemas.record import Environment

__all__ = ["RunNotes"]


@dataclass(slots=True, eq=False)
class _Log:
    """Runs that have ended.

    Attributes:
        environment: Of all of them.
        count: Of those that the catalog does not know yet.
    """

    note: HostNote | None = None
    environment: Environment | None = None
    count: int = 0

    def drop(self) -> None:
        """Remove the note, which says nothing."""
        if self.note is not None:
            self.note.close()
            self.note = None


class RunNotes:
    """The notes of one process. Thread safe.

    Args:
        folder: Gives where they are kept on this host.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._environment: Environment | None = None
        self._own: dict[str, HostNote] = {}
        self._free: list[HostNote] = []
        self._guard = threading.Lock()
        self._log, self._other = _Log(), _Log()
        self._logged: dict[str, _Log] = {}

    def begin(self, uid: str, text: bytes, environment: Environment | None) -> None:
        """Note that a run begins, if this host can keep that.

        Args:
            uid: Of the run.
            text: Of its start.
            environment: Stands in the note's head.
        """
        if environment is not self._environment:
            self._drop_free()
            self._environment = environment
        try:
            while True:
                # Taken by one call, and it is the run's from then on: a soft limit may strike.
                note = self._own[uid] = self._free.pop() if self._free else self._new()
                if note.write(text):
                    return
                note.close()
        except (OSError, CacheUnusable):
            unusable = self._own.pop(uid, None)
            if unusable is not None:
                unusable.close()

    def has(self, uid: str) -> bool:
        """Tell whether the run will be found if this process dies."""
        return uid in self._own or uid in self._logged

    def end(self, uid: str, text: bytes) -> None:
        """Add to a run's note how it ended.

        Raises:
            OSError: There is no space; the note is as it was.
        """
        self._own[uid].extend(text)

    def wait(self, uid: str, text: bytes) -> None:
        """Put a run that has ended with those that wait for their rows, so that its note is free.

        Args:
            uid: Of the run.
            text: Of its start and its end.
        """
        try:
            with self._guard:
                if not self._is_logged(text):
                    return
                self._logged[uid] = self._log
        except (OSError, CacheUnusable):
            return  # its own note says the same
        self._let_go(uid)

    def turn(self) -> None:
        """Have runs that end from now on stand in the other log."""
        with self._guard:
            if self._log.count:
                self._log, self._other = self._other, self._log

    def forget(self, uid: str) -> None:
        """Note nothing more of a run, as the catalog knows it. Safe to repeat."""
        self._let_go(uid)
        log = self._logged.pop(uid, None)
        if log is None:
            return
        with self._guard:
            log.count -= 1
            if log.note is not None and not log.count:
                log.note.clear()

    def close(self) -> None:
        """Remove the notes that say nothing."""
        self._drop_free()
        with self._guard:
            for log in (self._log, self._other):
                if not log.count:
                    log.drop()

    def _is_logged(self, text: bytes) -> bool:
        """Write on the present log, and tell whether that will be found."""
        log = self._log
        if log.note is None or log.environment is not self._environment:
            if log.count:
                return False
            log.drop()
            log.note, log.environment = self._new(), self._environment
        if log.note.append(text):
            log.count += 1
            return True
        if not log.count:
            log.drop()  # somebody deleted it with the cache
        return False

    def _let_go(self, uid: str) -> None:
        note = self._own.pop(uid, None)
        if note is not None:
            note.clear()
            self._free.append(note)

    def _drop_free(self) -> None:
        while self._free:
            self._free.pop().close()

    def _new(self) -> HostNote:
        head = None if self._environment is None else asdict(self._environment)
        return HostNote(self._folder(), json.dumps(head).encode())
