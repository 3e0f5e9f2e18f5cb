"""Starts: the first rows of runs, which short runs hand over together with their last.

Each transaction costs a good part of what a staged task may, so a run of a moment gets one. What
happens if its process dies in that moment is in docs/decisions/0014.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from celery.signals import worker_process_shutdown

from rootcellar.note_text import read_note
from rootcellar.run_notes import RunNotes
from rootcellar.schemas.errors import CatalogError
from rootcellar.schemas.record import VersionRecord
from rootcellar.staging.host.host_note import sweep_notes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rootcellar.catalog.catalog import Catalog
    from rootcellar.note_text import Noted
    from rootcellar.run_bounds import RunEnd, RunStart
    from rootcellar.schemas.record import RunEnded, RunStarted

__all__ = ["Starts"]

logger = logging.getLogger("rootcellar.run")

_SHORT_SECONDS = 1.0
"""A run that lasts longer gets its first row while it runs."""

_FRESH_SECONDS = 10.0
"""Who reached the catalog so long ago may rely on it; others ask before anything is moved."""

_LOOK_SECONDS = 0.1
"""For so long a run that ended may wait to be entered with others."""

_AT_ONCE = 32
_IDLE_LOOKS = 50
_AGAIN_SECONDS = 5.0


@dataclass(slots=True)
class _Kept:
    """A run of which the catalog does not know all.

    Attributes:
        due: When its start is entered, or its end if it has one.
    """

    start: RunStart
    due: float = float("inf")
    end: RunEnd | None = None


class Starts:
    """The runs of one process that the catalog does not know yet.

    Args:
        catalog: Where runs are entered.
        folder: Gives where notes are kept on this host.
        spool_start: Keeps a start on disk while the catalog is away, and tells whether it did; if
            left out, no run begins then.
    """

    def __init__(
        self,
        catalog: Catalog,
        folder: Callable[[], Path],
        *,
        spool_start: Callable[[RunStarted], bool] | None = None,
    ) -> None:
        self._catalog = catalog
        self._folder = folder
        self._spool_start = spool_start
        self._kept: dict[str, _Kept] = {}
        self._notes = RunNotes(folder)
        self._reached = float("-inf")
        self._watcher: threading.Thread | None = None
        self._is_watched = False
        self._is_asleep = False
        self._wake = threading.Event()
        self._entering = threading.Lock()
        self._waiting: dict[str, _Kept] = {}
        self._pid = os.getpid()

    def begin(self, start: RunStart) -> None:
        """Enter the run as running, or keep its start on this host for a moment.

        Raises:
            CatalogUnavailable: Nothing has happened yet.
        """
        now = time.monotonic()
        # First of all: wherever a soft limit strikes from here on, `finish` enters the start too.
        kept = self._kept[start.uid] = _Kept(start)
        self._notes.begin(start.uid, start.text, start.environment)
        if now - self._reached < _FRESH_SECONDS and self._notes.has(start.uid):
            self._enter_later(kept, now)
            return
        try:
            self._catalog.start_run(start.record)
        except CatalogError:
            if not self._may_be_away(start):
                self._ended(start.uid)
                raise
            self._enter_later(kept, time.monotonic())
            return
        self._reached = now
        self._kept.pop(start.uid, None)  # its note stays until it ends

    def has_note(self, uid: str) -> bool:
        """Tell whether a run that has not ended is found by its note if this process dies."""
        return self._notes.has(uid)

    def _enter_later(self, kept: _Kept, now: float) -> None:
        kept.due = now + _SHORT_SECONDS
        if self._is_asleep or not self._is_watched:
            self._watch()

    def _may_be_away(self, start: RunStart) -> bool:
        """Tell whether a run may begin while the catalog is away; its start is kept then."""
        if self._spool_start is None:
            return False
        # The note tells whether the run died, which a record on disk does not.
        return self._notes.has(start.uid) or self._spool_start(start.record)

    def finish(self, record: RunEnded) -> None:
        """Enter how the run ended, and its start if that is still here.

        Raises:
            CatalogUnavailable: Its start is still entered, once the catalog answers.
        """
        kept = self._kept.get(record.uid)
        try:
            self._catalog.finish_run(record, None if kept is None else kept.start.record)
        except BaseException:
            self._reached = float("-inf")
            if kept is not None:
                kept.due = min(kept.due, time.monotonic() + _AGAIN_SECONDS)
                self._watch()
            raise
        self._reached = time.monotonic()
        self._ended(record.uid)

    def postpone(self, end: RunEnd) -> bool:
        """Note on this host how a run ended; tell whether `settle` may enter it later.

        It may if the note is as lasting as the row would be: docs/decisions/0014.
        """
        kept = self._kept.get(end.uid)
        if kept is None or not self._notes.has(end.uid):
            return False
        if not self._catalog.has_all_of(end.versions):
            return False
        if not self._entering.acquire(blocking=False):
            return False
        try:
            if end.uid not in self._kept:
                return False
            self._notes.end(end.uid, end.text)
            kept.end = end
        except OSError:
            return False
        finally:
            self._entering.release()
        return True

    def settle(self, uid: str, *, at_once: bool) -> None:
        """Enter the end of a run that was postponed, with others a moment later or at once.

        Args:
            uid: Of the run.
            at_once: Not a moment later.
        """
        kept = self._kept.get(uid)
        if kept is None or kept.end is None:  # the thread has entered it meanwhile, with its end
            return
        self._notes.wait(uid, kept.start.text + kept.end.text)
        self._waiting[uid] = kept
        if at_once or len(self._waiting) >= _AT_ONCE:
            self.enter_waiting()

    def enter_waiting(self) -> None:
        """Enter all runs that ended and wait for that; what fails, is tried again."""
        with self._entering:
            # Before one looks who waits: all others stand in the next log.
            self._notes.turn()
            waiting = dict(self._waiting)
            if not waiting:
                return
            kept = [(one.end, one.start) for one in waiting.values()]
            ended = [(end.record, start.record) for end, start in kept if end is not None]
            try:
                self._catalog.finish_runs(ended)
            except CatalogError as error:
                self._fall_behind(waiting, error)
            else:
                self._reached = time.monotonic()
                for uid in waiting:
                    self._waiting.pop(uid, None)
                    self._ended(uid)

    def _fall_behind(self, waiting: Mapping[str, _Kept], error: CatalogError) -> None:
        self._reached = float("-inf")
        due = time.monotonic() + _AGAIN_SECONDS
        for uid, kept in waiting.items():
            # From now on each by itself: one of them may be what the catalog refuses.
            self._waiting.pop(uid, None)
            kept.due = due
        logger.warning("%d runs are not in the catalog yet: %s", len(waiting), error)

    def sweep(self) -> tuple[str, ...]:
        """Enter the runs that died on this host before the catalog knew them.

        Returns:
            The uids of those that are lost, sorted.

        Raises:
            CatalogUnavailable: Those that could not be entered stay for the next sweep.
            CacheUnusable: There is no place for notes.
        """
        lost: list[str] = []

        def found(head: bytes, line: bytes) -> None:
            noted = read_note(head, line)
            if noted is not None and self._enter_noted(noted):
                lost.append(noted.start.uid)

        sweep_notes(self._folder(), found)
        return tuple(sorted(lost))

    def _enter_noted(self, noted: Noted) -> bool:
        """Enter a dead process's run; tell whether it is lost."""
        ended = noted.ended(self._version)
        if ended is not None:
            self._catalog.finish_run(ended, noted.start)
            return False
        self._catalog.start_run(noted.start)
        return self._catalog.mark_lost([noted.start.uid]) > 0

    def _version(self, uid: str) -> VersionRecord | None:
        found = self._catalog.version(uid)
        if found is None:
            return None
        # The catalog has it: only its uid counts.
        return VersionRecord(
            ref=found.ref, origin="observed", media_type="", recorded_at=found.recorded_at
        )

    def close(self) -> None:
        """Enter what waits, remove this process's notes that say nothing, and end the thread."""
        self.enter_waiting()
        self._notes.close()
        if self._watcher is not None:
            worker_process_shutdown.disconnect(self._leave)
            atexit.unregister(self._leave)
            self._watcher = None  # it sees that, and ends
            self._is_watched = False
            self._wake.set()

    def _ended(self, uid: str) -> None:
        self._kept.pop(uid, None)
        self._notes.forget(uid)

    def _watch(self) -> None:
        if not self._is_watched:
            # Of a pool's child, and of any other process; neither when it is killed.
            worker_process_shutdown.connect(self._leave, weak=False)
            atexit.register(self._leave)
            self._is_watched = True
            self._watcher = threading.Thread(target=self._look, name="rootcellar", daemon=True)
            self._watcher.start()
        elif self._is_asleep:
            self._is_asleep = False
            self._wake.set()

    def _leave(self, **_: object) -> None:
        if self._pid == os.getpid():
            self.enter_waiting()

    def _look(self) -> None:
        """Enter what has run for longer than a moment; sleep when nothing runs."""
        try:
            self._watch_runs()
        finally:
            if self._watcher is threading.current_thread():  # by an error: the next run starts one
                self._is_watched = False

    def _watch_runs(self) -> None:
        quiet = 0
        while self._watcher is threading.current_thread():
            time.sleep(_LOOK_SECONDS)
            quiet = 0 if self._kept else quiet + 1
            if self._waiting:
                self.enter_waiting()
            for uid, kept in list(self._kept.items()):
                self._enter_if_due(uid, kept)
            if quiet >= _IDLE_LOOKS:
                self._wake.clear()
                self._is_asleep = True
                if not self._kept:  # else one began meanwhile
                    self._wake.wait()
                quiet = 0

    def _enter_if_due(self, uid: str, kept: _Kept) -> None:
        now = time.monotonic()
        if now < kept.due or uid in self._waiting:
            return
        with self._entering:
            try:
                if kept.end is None:
                    self._catalog.start_run(kept.start.record)
                    self._kept.pop(uid, None)
                else:
                    self._catalog.finish_run(kept.end.record, kept.start.record)
                    self._ended(uid)
            except CatalogError as error:
                kept.due = now + _AGAIN_SECONDS
                if kept.end is None and self._spool_start is not None:
                    self._spool_start(kept.start.record)
                    return
                logger.warning("run %s is not in the catalog yet: %s", uid, error)
