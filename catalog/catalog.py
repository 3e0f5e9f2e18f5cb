"""Catalog: what users and the front desk hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rootcellar.catalog import lineage, listing, lookup, names, picture, runs
from rootcellar.catalog.answers.asking import check_limit, cut_note
from rootcellar.catalog.answers.charting import Charting
from rootcellar.catalog.answers.comparing import Comparing
from rootcellar.catalog.answers.describing import Describing
from rootcellar.catalog.answers.keeping import Keeping
from rootcellar.catalog.answers.marking import Marking
from rootcellar.catalog.answers.surveying import Surveying
from rootcellar.catalog.answers.tracing import Tracing
from rootcellar.catalog.drawing.deferred import Deferred
from rootcellar.catalog.exchange.exchanging import Exchanging
from rootcellar.catalog.resolving import Subject, resolve
from rootcellar.schemas.errors import NotInCatalog

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rootcellar.catalog.drawing.graph import Graph
    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.names import TypeName
    from rootcellar.catalog.stored_runs import StoredRuns
    from rootcellar.catalog.times import Moment
    from rootcellar.catalog.values import (
        ArtifactType,
        Direction,
        Owner,
        Run,
        RunInput,
        RunOutput,
        Version,
    )
    from rootcellar.schemas.record import RunState

__all__ = ["Catalog"]


class Catalog(Charting, Comparing, Describing, Marking, Surveying, Tracing, Exchanging, Keeping):
    """The record of what happened: runs, what they read and what they made.

    Opens, and if need be creates, its database on first use. One instance serves all threads of a
    process, and a forked child opens connections of its own. Every method raises
    `CatalogUnavailable` (transient) if the database cannot be reached, `CatalogTooNew` or
    `CatalogTooOld` if its tables do not fit.

    Where a method takes an `x`, that is a version, its uid, an alias, a ref, an artifact (its
    current version) or a logical URI (the newest version there); `NotInCatalog` is raised for what
    is not recorded.

    Args:
        url: `sqlite:////absolute/path.sqlite` or `postgresql://user:password@host/name`.
    """

    def types(self) -> Table[ArtifactType]:
        """Return every artifact type as it was declared last."""
        return listing.type_table(self._read(lookup.types))

    def versions(
        self, type_name: TypeName | None = None, /, *, max_rows: int = 10_000, **key: Any
    ) -> Table[Version]:
        """Return versions, newest first.

        Args:
            type_name: A type, by its name or its class, or None for all.
            max_rows: The table's note says if there are more.
            **key: Values of key fields; a list allows each of its members.

        Raises:
            NotInCatalog: No such type, or its keys have no such field.
        """
        check_limit("max_rows", max_rows)
        name = names.optional_type(type_name)

        def find(connection: Connection) -> list[Version]:
            if name is None:
                names.refuse_key(key)
            else:
                names.check_type(name, lookup.type_names(connection))
                fields = lookup.key_fields(connection, name) if key else set()
                names.check_fields(name, key, fields)
            return lookup.find_versions(
                connection, self, type_name=name, constraints=key, max_rows=max_rows + 1
            )

        found = self._read(find)
        return listing.version_table(found[:max_rows], note=cut_note(len(found), max_rows))

    def runs(
        self,
        task: str | None = None,
        state: RunState | str | None = None,
        *,
        since: Moment | None = None,
        limit: int = 1_000,
    ) -> Table[Run]:
        """Return runs, the last started first.

        Args:
            task: Of this task only: its whole name, or the end of it after a dot.
            state: In this state only, such as `failed`.
            since: Started at or after a time, or within a span until now, such as `"7d"`; as `at`.
            limit: The table's note says if there are more.

        Raises:
            NotInCatalog: No such task ran, or there is no such state.
            CatalogError: `since` has no time zone.
        """
        check_limit("limit", limit)
        wanted, start = names.state(state), names.since(since)

        def find(connection: Connection) -> StoredRuns:
            tasks = None if task is None else names.tasks(task, runs.task_names(connection))
            return runs.find_runs(
                connection, self, tasks=tasks, state=wanted, since=start, limit=limit + 1
            )

        found = self._read(find)
        return listing.run_table(found.first(limit), note=cut_note(len(found), limit))

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
            walk = self._walk(
                connection, x, direction, max_nodes=max_nodes, max_depth=max_depth, is_drawn=True
            )
            between = runs.runs_by_id(connection, self, sorted(picture.runs_between(walk)))
            return picture.draw(
                walk, lookup.versions_by_id(connection, self, list(walk.depths)), between
            )

        return self._read(find)

    @property
    def _owner(self) -> Owner:
        return self

    def _relatives(
        self, x: Subject, direction: Direction, *, max_nodes: int, max_depth: int | None
    ) -> Table[Version]:
        def find(connection: Connection) -> Table[Version]:
            walk = self._walk(connection, x, direction, max_nodes=max_nodes, max_depth=max_depth)
            depths = {row_id: depth for row_id, depth in walk.depths.items() if depth}
            rows = lookup.version_rows(connection, depths)
            nearest = lookup.in_order(rows, depths)
            versions = Deferred(
                [rows[row_id] for row_id in nearest], lambda row: lookup.version_of(row, self)
            )
            return listing.version_table(
                versions,
                note=walk.truncated,
                depths={rows[row_id].uid: depth for row_id, depth in depths.items()},
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
        is_drawn: bool = False,
    ) -> lineage.Walk:
        names.check_walk(direction, max_nodes=max_nodes)
        start = lookup.row_id(connection, resolve(connection, self, x).uid)
        return lineage.walk(
            connection,
            start,
            direction=direction,
            max_nodes=max_nodes,
            max_depth=max_depth,
            is_drawn=is_drawn,
        )
