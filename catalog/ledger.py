"""Ledger: the catalog as the front desk writes and reads it, and what all questions stand on."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rootcellar.catalog import listing, lookup, migration, runs
from rootcellar.catalog.engine import Database
from rootcellar.catalog.health import examine
from rootcellar.catalog.recording import Recorder
from rootcellar.catalog.refs import Refs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from sqlalchemy import Connection

    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.values import CatalogHealth, Owner, Reusable, Version
    from rootcellar.schemas.record import RunEnded, RunStarted, TypeRecord
    from rootcellar.schemas.ref import Pin, Ref

__all__ = ["Ledger"]

_T = TypeVar("_T")


class Ledger(ABC):
    """What is written during runs, and what staging decides by; see `Catalog`.

    Args:
        url: As a `Catalog`'s.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        known: dict[str, int] = {}
        self._recorder = Recorder(self._database, known)
        self._refs = Refs(self._database, self._ref, see=self._recorder.enter_versions, ids=known)
        self._guard = threading.Lock()
        self._is_ready = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._database.shown_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.dispose()

    def dispose(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        self._database.dispose()

    # Recording: every method is safe to repeat, and runs may be recorded in any order.

    def declare(self, types: Iterable[TypeRecord]) -> None:
        """Enter the current definitions of these types."""
        self._prepare()
        self._recorder.declare(types)

    def start_run(self, record: RunStarted) -> None:
        """Enter a run as running."""
        self._prepare()
        self._recorder.start_run(record)

    def finish_run(self, record: RunEnded, started: RunStarted | None = None) -> None:
        """Enter how a run ended, with everything it read and made; all of it or nothing.

        With `started` the run's start is entered in the same transaction, if it is not there yet.
        """
        self._prepare()
        if self._recorder.finish_run(record, started):
            self._refs.forget()

    def finish_late(self, record: RunEnded, started: RunStarted | None = None) -> None:
        """Do as `finish_run` for a run whose record waited elsewhere while others went on."""
        # Not a subclass's, which may do something else with a record that cannot be entered.
        Ledger.finish_run(self, record, started)
        self._recorder.adopt(record)

    def finish_runs(self, ended: Sequence[tuple[RunEnded, RunStarted]]) -> None:
        """Enter starts and ends of runs whose versions this `has_all_of`; all of them or none."""
        self._prepare()
        self._recorder.finish_runs(ended)

    def has_all_of(self, versions: Iterable[str]) -> bool:
        """Tell whether this is a file of this host, and known to hold these versions, by uid."""
        return self._database.is_sqlite and self._recorder.has_all_of(versions)

    def mark_lost(self, uids: Iterable[str]) -> int:
        """Mark those of these runs that still count as running as lost; return how many."""
        self._prepare()
        return self._recorder.mark_lost(uids, datetime.now(UTC))

    # What staging decides by.

    def version(self, uid: str) -> Version | None:
        """Return the version with this uid, or None."""
        return self._read(lambda connection: lookup.version(connection, self._owner, uid))

    def version_at(self, uri: str, pin: Pin) -> Version | None:
        """Return the newest version known to be at `uri` in the state `pin`, or None.

        None also where the store gives no change token: a size alone proves nothing.
        """
        return self._read(
            lambda connection: lookup.version_at(connection, self._owner, uri=uri, pin=pin)
        )

    def head(self, type_name: str, key: Mapping[str, Any]) -> Version | None:
        """Return an artifact's current version, or None."""
        return self._read(
            lambda connection: lookup.head(connection, self._owner, type_name=type_name, key=key)
        )

    def ref_at(self, uri: str, pin: Pin) -> Ref | None:
        """Return the ref of what `version_at` returns, at a fraction of its cost.

        For who has just seen the object in that state: if something else should stand there by what
        is recorded, it is entered that the store went back, as a new version.
        """
        self._prepare()
        return self._refs.at(uri, pin)

    def head_ref(self, type_name: str, key: Mapping[str, Any]) -> Ref | None:
        """Return the ref of what `head` returns, at a fraction of its cost."""
        self._prepare()
        return self._refs.head(type_name, key)

    def _ref(self, uid: str) -> Ref | None:
        found = self.version(uid)
        return None if found is None else found.ref

    def heads(self, type_name: str, /, **constraints: Any) -> Table[Version]:
        """Return the current versions of the artifacts whose keys fit, sorted by key.

        Args:
            type_name: A type; one that is not recorded has no artifacts.
            **constraints: Values of key fields; a list allows each of its members.
        """
        return listing.version_table(
            self._read(
                lambda connection: lookup.heads(
                    connection, self._owner, type_name=type_name, constraints=constraints
                )
            )
        )

    def keys(self, type_name: str, /, **constraints: Any) -> list[dict[str, Any]]:
        """Return the keys of current artifacts that fit, sorted; constraints as in `heads`."""
        return self._read(
            lambda connection: lookup.keys(connection, type_name=type_name, constraints=constraints)
        )

    def reusable(self, reuse_key: str) -> Reusable | None:
        """Return the outputs of the newest succeeded run with this reuse key, or None.

        Whether they still stand is the caller's to find out: see `Version.is_present`.
        """
        return self._read(lambda connection: runs.reusable(connection, self._owner, reuse_key))

    # Operating it.

    def check(self) -> CatalogHealth:
        """Return how the catalog is; changes nothing, and raises nothing if it is away."""
        return examine(self._database)

    def upgrade(self) -> None:
        """Bring an older catalog to this version's tables; safe to repeat.

        A SQLite file is copied beside itself first. Back up a Postgres database before.
        """
        migration.upgrade(self._database)

    @property
    @abstractmethod
    def _owner(self) -> Owner:
        """What the values that are returned ask for more."""

    def _read(self, work: Callable[[Connection], _T]) -> _T:
        self._prepare()
        return self._database.read(work)

    def _prepare(self) -> None:
        if self._is_ready:
            return
        with self._guard:
            if not self._is_ready:
                migration.ensure(self._database)
                self._is_ready = True
