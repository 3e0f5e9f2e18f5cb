"""What runs do while the catalog is away: they go on, and their records wait on this host's disk.

The catalog is away if it cannot be reached, or if its tables are of another version. What that
means for a run is in docs/howto/catalog-away.md, and why in docs/decisions/0020.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.refusal import is_refusal
from rootcellar.run_text import WaitingRun
from rootcellar.schemas.errors import (
    CatalogError,
    CatalogTooNew,
    CatalogTooOld,
    CatalogUnavailable,
)
from rootcellar.spool import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from rootcellar.schemas.record import RunEnded, RunStarted
    from rootcellar.schemas.ref import Pin, Ref
    from rootcellar.spool import Replayed, Spool

__all__ = ["Replayer", "RunsCatalog", "enter"]

logger = logging.getLogger("rootcellar.run")

_AWAY = (CatalogUnavailable, CatalogTooNew, CatalogTooOld)
_ASKS_FOR = 0.1
"""While the catalog is away, a process waits for it at most for this part of the time."""

_AT_ONCE_SECONDS = 0.1
"""What refuses at once may be asked by every run."""

_MOST_SECONDS = 300.0
_LOOK_SECONDS = 5.0
_SLOWEST_LOOK_SECONDS = 60.0
_LEAVE_SECONDS = 2.0


class RunsCatalog(Catalog):
    """The catalog as runs use it: one that is away keeps no run from its work.

    Args:
        url: As a `Catalog`'s.
        spool: Keeps records while it is away; None if runs shall fail then.
    """

    def __init__(self, url: str, spool: Spool | None) -> None:
        super().__init__(url)
        self._url = url
        self._spool = spool
        self._replayer = Replayer(spool, self.enter_waiting) if spool is not None else None
        self._away: CatalogError | None = None
        self._asks_again = 0.0
        self._asking = threading.Lock()

    @property
    def may_be_away(self) -> bool:
        """Whether runs go on without it."""
        return self._spool is not None

    def start_run(self, record: RunStarted) -> None:
        """Do as a `Catalog`; nothing is kept if it is away, see `spool_start`."""
        begun = time.monotonic()
        try:
            super().start_run(record)
        except CatalogError as error:
            self._notice(error, begun)
            raise

    def spool_start(self, record: RunStarted) -> bool:
        """Keep the start of a run on disk; tell whether it is kept."""
        return self._is_kept(WaitingRun(record, None))

    def finish_run(self, record: RunEnded, started: RunStarted | None = None) -> None:
        """Do as a `Catalog`; if it is away, the record waits on disk.

        Raises:
            CatalogError: It is away, and the record could not be kept.
        """
        begun = time.monotonic()
        try:
            super().finish_run(record, started)
        except CatalogError as error:
            self._notice(error, begun)
            if not self._is_kept(WaitingRun(started, record)):
                raise
            logger.info("run %s waits for the catalog: %s", record.uid, error.problem)

    def ref_at(self, uri: str, pin: Pin) -> Ref | None:
        """Do as a `Catalog`; while it is away, nothing is known to be anywhere."""
        try:
            self._prepare()
            return self._refs.at(uri, pin)
        except CatalogError as error:
            self._notice(error, time.monotonic())
            if self._spool is None:
                raise
            return None

    def enter_waiting(self, run: WaitingRun) -> None:
        """Enter a record that waited; asks the catalog, whether it is known to be away or not."""
        self._ask(insists=True)
        begun = time.monotonic()
        try:
            enter(super(), run)
        except Refused:
            # Of a database that was restored, this process may remember rows that are not there.
            with Catalog(self._url) as fresh:
                enter(fresh, run)
        except CatalogError as error:
            self._notice(error, begun)
            raise

    def look_after_waiting(self) -> None:
        """Have records entered that wait on this host, by a thread, if there are any."""
        if self._replayer is not None:
            self._replayer.wake()

    def close(self) -> None:
        """Close this process's connections for good; what waits stays on disk."""
        if self._replayer is not None:
            self._replayer.close()
        self.dispose()

    def _is_kept(self, run: WaitingRun) -> bool:
        if self._spool is None:
            return False
        try:
            self._spool.keep(run)
        except OSError as error:
            logger.warning("run %s cannot wait on this host: %s", run.uid, error.strerror or error)
            return False
        self.look_after_waiting()
        return True

    def _prepare(self) -> None:
        if self._is_ready:
            return
        if self._away is not None and (
            time.monotonic() < self._asks_again or self._asking.locked()
        ):
            self._raise_again()
        self._ask()

    def _ask(self, *, insists: bool = False) -> None:
        """Open the catalog, one thread after the other."""
        with self._asking:
            if self._is_ready:
                return
            if not insists and time.monotonic() < self._asks_again:
                self._raise_again()
            begun = time.monotonic()
            try:
                super()._prepare()
            except _AWAY as error:
                self._remember(error, begun)
                raise
            if self._away is not None:
                logger.info("the catalog answers again")
            self._away, self._asks_again = None, 0.0

    def _raise_again(self) -> None:
        away = self._away or CatalogUnavailable("the catalog is away")
        raise type(away)(*away.args)

    def _notice(self, error: CatalogError, begun: float) -> None:
        """Look again before the next use, if this was no refusal to ask."""
        if self._is_ready and isinstance(error, _AWAY):
            self._is_ready = False
            self._remember(error, begun)

    def _remember(self, error: CatalogError, begun: float) -> None:
        """Ask no more for a while: the longer, the longer the answer took."""
        if self._away is None and self._spool is not None:
            logger.warning("runs go on without the catalog, and are kept here: %s", error)
        now = time.monotonic()
        took = now - begun
        pause = min(took / _ASKS_FOR, _MOST_SECONDS) if took > _AT_ONCE_SECONDS else 0.0
        self._away, self._asks_again = error, now + pause


def enter(catalog: Any, run: WaitingRun) -> None:
    """Enter a record that waited into a catalog. Safe to repeat, in any order.

    Raises:
        Refused: The catalog is there, and does not take it.
        CatalogError: The catalog takes none.
    """
    try:
        if run.end is not None:
            catalog.finish_late(run.end, run.start)
        elif run.start is not None:
            catalog.start_run(run.start)
    except CatalogError as error:
        if is_refusal(error):
            raise Refused(error.problem) from error
        raise


class Replayer:
    """A thread that enters what waits, as long as anything does."""

    def __init__(self, spool: Spool, enter_one: Callable[[WaitingRun], object]) -> None:
        self._spool = spool
        self._enter = enter_one
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self._closed = threading.Event()

    def wake(self) -> None:
        """Begin, if records wait and it does not run already."""
        if self._closed.is_set() or not self._spool.waits():
            return
        with self._guard:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="rootcellar-spool", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """End the thread; what waits stays."""
        self._closed.set()
        thread = self._thread
        if thread is not None:
            thread.join(_LEAVE_SECONDS)  # it may be waiting for an answer

    def _enter_one(self, run: WaitingRun) -> None:
        if self._closed.is_set():
            raise CatalogUnavailable("this process has closed its catalog")
        self._enter(run)

    def _run(self) -> None:
        pause = 0.0
        while not self._closed.wait(pause):
            done = self._spool.replay(self._enter_one)
            _tell(done)
            longer = min(pause * 2, _SLOWEST_LOOK_SECONDS)
            pause = _LOOK_SECONDS if done.entered else max(longer, _LOOK_SECONDS)
            with self._guard:
                if not self._spool.waits():
                    self._thread = None
                    return


def _tell(done: Replayed) -> None:
    if done.entered:
        logger.info("%d runs that waited on this host are in the catalog now", done.entered)
    if done.rejected:
        logger.warning(
            "%d records of runs were rejected; `rootcellar catalog spool` says why", done.rejected
        )
