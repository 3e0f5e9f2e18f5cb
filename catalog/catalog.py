"""Catalog: what users and the front desk hold."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rootcellar.catalog import lineage, listing, lookup, migration, names, picture, runs
from rootcellar.catalog.engine import Database
from rootcellar.catalog.health import examine
from rootcellar.catalog.recording import Recorder
from rootcellar.catalog.refs import Refs
from rootcellar.catalog.resolving import Subject, resolve
from rootcellar.schemas.errors import NotInCatalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta
    from types import TracebackType

    from sqlalchemy import Connection

    from rootcellar.catalog.drawing.graph import Graph
    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.values import (
        ArtifactType,
        CatalogHealth,
        Direction,
        Reusable,
        Run,
        RunInput,
        RunOutput,
        Version,
    )
    from rootcellar.schemas.record import RunEnded, RunStarted, RunState, TypeRecord
    from rootcellar.schemas.ref import Pin, Ref

__all__ = ["Catalog"]

_T = TypeVar("_T")


class Catalog:
    """The record of what happened: runs, what they read and what they made.

    Opens, and if need be creates, its database on first use. One instance serves all threads of a
    process, and a forked child opens connections of its own. Every method raises
    `CatalogUnavailable` (transient) if the database cannot be reached, `CatalogTooNew` or
    `CatalogTooOld` if its tables do not fit.

    Where a method takes an `x`, that is a version, its uid, a ref, an artifact (its current
    version) or a logical URI (the newest version there); `NotInCatalog` is raised for what is not
    recorded.

    Args:
        url: `sqlite:////absolute/path.sqlite` or `postgresql://user:password@host/name`.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        known: dict[str, int] = {}
        self._recorder = Recorder(self._database, known)
        self._refs = Refs(self._database, self._ref, ids=known)
        self._guard = threading.Lock()
        self._is_ready = False

    def __repr__(self) -> str:
        return f"Catalog({self._database.shown_url!r})"

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

    def finish_runs(self, ended: Sequence[tuple[RunEnded, RunStarted]]) -> None:
        """Enter starts and ends of runs of which this `has_all_of`; all of them or none."""
        self._prepare()
        self._recorder.finish_runs(ended)

    def has_all_of(self, record: RunEnded) -> bool:
        """Tell whether this is a file of this host, and known to hold all versions of a run."""
        return self._database.is_sqlite and self._recorder.has_all_of(record)

    def mark_lost(self, uids: Iterable[str]) -> int:
        """Mark those of these runs that still count as running as lost; return how many."""
        self._prepare()
        return self._recorder.mark_lost(uids, datetime.now(UTC))

    # What staging decides by.

    def version(self, uid: str) -> Version | None:
        """Return the version with this uid, or None."""
        return self._read(lambda connection: lookup.version(connection, self, uid))

    def version_at(self, uri: str, pin: Pin) -> Version | None:
        """Return the newest version known to be at `uri` in the state `pin`, or None.

        None also where the store gives no change token: a size alone proves nothing.
        """
        return self._read(lambda connection: lookup.version_at(connection, self, uri=uri, pin=pin))

    def head(self, type_name: str, key: Mapping[str, Any]) -> Version | None:
        """Return an artifact's current version, or None."""
        return self._read(
            lambda connection: lookup.head(connection, self, type_name=type_name, key=key)
        )

    def ref_at(self, uri: str, pin: Pin) -> Ref | None:
        """Return the ref of what `version_at` returns, at a fraction of its cost."""
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
                    connection, self, type_name=type_name, constraints=constraints
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
        return self._read(lambda connection: runs.reusable(connection, self, reuse_key))

    # What people ask.

    def types(self) -> Table[ArtifactType]:
        """Return every artifact type as it was declared last."""
        return listing.type_table(self._read(lookup.types))

    def versions(
        self, type_name: str | None = None, /, *, max_rows: int = 10_000, **key: Any
    ) -> Table[Version]:
        """Return versions, newest first.

        Args:
            type_name: A type, or None for all.
            max_rows: The table's note says if there are more.
            **key: Values of key fields; a list allows each of its members.

        Raises:
            NotInCatalog: No such type, or its keys have no such field.
        """

        def find(connection: Connection) -> list[Version]:
            if type_name is None:
                names.refuse_key(key)
            else:
                names.check_type(type_name, lookup.type_names(connection))
                fields = lookup.key_fields(connection, type_name) if key else set()
                names.check_fields(type_name, key, fields)
            return lookup.find_versions(
                connection, self, type_name=type_name, constraints=key, max_rows=max_rows + 1
            )

        found = self._read(find)
        return listing.version_table(found[:max_rows], note=_note(found, max_rows))

    def runs(
        self,
        task: str | None = None,
        state: RunState | str | None = None,
        *,
        since: datetime | timedelta | None = None,
        limit: int = 1_000,
    ) -> Table[Run]:
        """Return runs, the last started first.

        Args:
            task: Of this task only: its whole name, or the end of it after a dot.
            state: In this state only, such as `failed`.
            since: Started at or after an aware time, or within a span until now.
            limit: The table's note says if there are more.

        Raises:
            NotInCatalog: No such task ran, or there is no such state.
            CatalogError: `since` has no time zone.
        """
        wanted, start = names.state(state), names.moment(since)

        def find(connection: Connection) -> list[Run]:
            tasks = None if task is None else names.tasks(task, runs.task_names(connection))
            return runs.find_runs(
                connection, self, tasks=tasks, state=wanted, since=start, limit=limit + 1
            )

        found = self._read(find)
        return listing.run_table(found[:limit], note=_note(found, limit))

    def run(self, uid: str) -> Run:
        """Return the run with this uid.

        Raises:
            NotInCatalog: No such run is recorded.
        """
        found = self._read(lambda connection: runs.run(connection, self, uid))
        if found is None:
            raise NotInCatalog(f"no run {uid} is recorded", remedy="See Catalog.runs()")
        return found

    def inputs(self, uid: str) -> Table[RunInput]:
        """Return what a run read: `RunInput` values.

        Raises:
            NotInCatalog: No such run is recorded.
        """
        found = self._read(lambda connection: runs.inputs(connection, self, uid))
        return listing.edge_table(found or self._none_of(uid))

    def outputs(self, uid: str) -> Table[RunOutput]:
        """Return what a run made or took over: `RunOutput` values.

        Raises:
            NotInCatalog: No such run is recorded.
        """
        found = self._read(lambda connection: runs.outputs(connection, self, uid))
        return listing.edge_table(found or self._none_of(uid))

    def _none_of(self, uid: str) -> list[Any]:
        """Return nothing, for a run that is recorded and read or made nothing."""
        self.run(uid)
        return []

    def find(self, x: Subject) -> Version:
        """Return the version that `x` means."""
        return self._read(lambda connection: resolve(connection, self, x))

    def produced(self, x: Subject) -> Run | None:
        """Return the run that made `x`; None for bytes that no run of ours made."""
        return self._read(lambda connection: resolve(connection, self, x)).run

    def upstream(
        self, x: Subject, /, *, max_nodes: int = 10_000, max_depth: int | None = None
    ) -> Table[Version]:
        """Return the versions `x` was made from, nearest first, with their depths.

        The table's note says so if a limit left some out.
        """
        return self._relatives(x, "upstream", max_nodes=max_nodes, max_depth=max_depth)

    def downstream(
        self, x: Subject, /, *, max_nodes: int = 10_000, max_depth: int | None = None
    ) -> Table[Version]:
        """Return the versions that were made from `x`, nearest first, with their depths.

        The table's note says so if a limit left some out.
        """
        return self._relatives(x, "downstream", max_nodes=max_nodes, max_depth=max_depth)

    def graph(
        self,
        x: Subject,
        /,
        direction: Direction = "upstream",
        *,
        max_nodes: int = 1_000,
        max_depth: int | None = None,
    ) -> Graph:
        """Return the picture of `x` and what is upstream or downstream of it."""

        def find(connection: Connection) -> Graph:
            walk = self._walk(connection, x, direction, max_nodes=max_nodes, max_depth=max_depth)
            between = runs.runs_by_id(connection, self, sorted(picture.runs_between(walk)))
            return picture.draw(
                walk, lookup.versions_by_id(connection, self, list(walk.depths)), between
            )

        return self._read(find)

    # Operating it.

    def check(self) -> CatalogHealth:
        """Return how the catalog is; changes nothing, and raises nothing if it is away."""
        return examine(self._database)

    def upgrade(self) -> None:
        """Bring an older catalog to this version's tables; safe to repeat.

        A SQLite file is copied beside itself first. Back up a Postgres database before.
        """
        migration.upgrade(self._database)

    def _relatives(
        self, x: Subject, direction: Direction, *, max_nodes: int, max_depth: int | None
    ) -> Table[Version]:
        def find(connection: Connection) -> Table[Version]:
            walk = self._walk(connection, x, direction, max_nodes=max_nodes, max_depth=max_depth)
            depths = {row_id: depth for row_id, depth in walk.depths.items() if depth}
            versions = lookup.versions_by_id(connection, self, list(depths))
            nearest = sorted(depths, key=lambda row_id: (depths[row_id], versions[row_id].order))
            return listing.version_table(
                [versions[row_id] for row_id in nearest],
                note=walk.truncated,
                depths={versions[row_id].uid: depth for row_id, depth in depths.items()},
            )

        return self._read(find)

    def _walk(
        self,
        connection: Connection,
        x: Subject,
        direction: Direction,
        *,
        max_nodes: int,
        max_depth: int | None,
    ) -> lineage.Walk:
        names.check_walk(direction, max_nodes=max_nodes)
        start = lookup.row_id(connection, resolve(connection, self, x).uid)
        return lineage.walk(
            connection, start, direction=direction, max_nodes=max_nodes, max_depth=max_depth
        )

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


def _note(found: list[Any], limit: int) -> str:
    return f"first {limit:,} of more".replace(",", " ") if len(found) > limit else ""
