"""Reading a catalog back into the records it was made of: what merging replays elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import func, select

from rootcellar.catalog import table_facts
from rootcellar.catalog import tables as t
from rootcellar.catalog.lookup import versions_by_id
from rootcellar.catalog.runs import runs_by_id
from rootcellar.catalog.upserts import chunks
from rootcellar.schemas.record import (
    InputRecord,
    OutputRecord,
    RunEnded,
    RunStarted,
    RunState,
    VersionRecord,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

    from rootcellar.catalog.values import Owner, Run, Version

__all__ = [
    "RunMark",
    "WholeRun",
    "orphans_after",
    "run_marks",
    "run_marks_after",
    "version_records",
    "weights",
    "whole_runs",
]

_T = TypeVar("_T", InputRecord, OutputRecord)
_K = TypeVar("_K")

# Whether a version is learned is for the other side to say.
_NOT_OWN = {"is_learned", "columns", "statistics"}
_OWN = [one.name for one in fields(VersionRecord) if one.name not in _NOT_OWN]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMark:
    """How far a run is recorded.

    Attributes:
        is_started: Its start is recorded, and not its end alone.
    """

    row_id: int
    uid: str
    state: RunState
    is_started: bool

    def adds_to(self, other: RunMark | None) -> bool:
        """Tell whether a catalog that has `other` of the run learns from one that has this."""
        if other is None or (self.is_started and not other.is_started):
            return True
        if self.state is RunState.RUNNING or other.state is self.state:
            return False
        return other.state in {RunState.RUNNING, RunState.LOST} and (
            self.state is not RunState.LOST or other.state is RunState.RUNNING
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRun:
    """A run as its two records; either may be missing."""

    start: RunStarted | None
    end: RunEnded | None

    @property
    def versions(self) -> Iterator[VersionRecord]:
        """All versions it read or made."""
        if self.end is not None:
            items: tuple[InputRecord | OutputRecord, ...] = (*self.end.inputs, *self.end.outputs)
            yield from (item.version for item in items if item.version is not None)


def run_marks_after(connection: Connection, *, row_id: int, limit: int) -> list[RunMark]:
    """Return the next runs in the order in which they were entered."""
    query = _marks().where(t.run.c.id > row_id).order_by(t.run.c.id).limit(limit)
    return [_mark(row) for row in connection.execute(query)]


def run_marks(connection: Connection, uids: Sequence[str]) -> dict[str, RunMark]:
    """Return those of these runs that are recorded, by uid."""
    found: dict[str, RunMark] = {}
    for some in chunks(uids):
        rows = connection.execute(_marks().where(t.run.c.uid.in_(some)))
        found.update((row.uid, _mark(row)) for row in rows)
    return found


def weights(connection: Connection, row_ids: Sequence[int]) -> dict[int, int]:
    """Return how many versions runs read and made, by row id; runs without any are missing."""
    found: dict[int, int] = {}
    for table in (t.run_input, t.run_output):
        for some in chunks(row_ids):
            query = (
                select(table.c.run_id, func.count())
                .where(table.c.run_id.in_(some))
                .group_by(table.c.run_id)
            )
            for row_id, count in connection.execute(query):
                found[row_id] = found.get(row_id, 0) + count
    return found


def whole_runs(connection: Connection, owner: Owner, row_ids: Sequence[int]) -> list[WholeRun]:
    """Return runs as the records they were made of, in the order of `row_ids`."""
    runs = runs_by_id(connection, owner, row_ids)
    read = _edges(connection, t.run_input, row_ids)
    made = _edges(connection, t.run_output, row_ids)
    ids = {row.version_id for rows in (*read.values(), *made.values()) for row in rows} - {None}
    found = versions_by_id(connection, owner, sorted(ids))
    versions = version_records(connection, found)
    for row_id in _adopted(connection, sorted(ids)):
        versions[row_id] = replace(versions[row_id], origin="observed")
    return [
        WholeRun(
            start=_start(runs[row_id]),
            end=_end(
                runs[row_id],
                inputs=_items(InputRecord, read.get(row_id, ()), versions),
                outputs=_items(OutputRecord, made.get(row_id, ()), versions),
            ),
        )
        for row_id in row_ids
    ]


def orphans_after(
    connection: Connection, owner: Owner, *, row_id: int, limit: int
) -> dict[int, VersionRecord]:
    """Return the next versions that no recorded run made, by row id."""
    query = (
        select(t.version.c.id)
        .where(t.version.c.id > row_id, t.version.c.run_id.is_(None))
        .order_by(t.version.c.id)
        .limit(limit)
    )
    ids = connection.execute(query).scalars().all()
    found = versions_by_id(connection, owner, ids)
    return version_records(connection, {one: found[one] for one in ids})


def version_records(
    connection: Connection, versions: Mapping[_K, Version]
) -> dict[_K, VersionRecord]:
    """Return versions as the records they were made of."""
    prints = {one.schema_fingerprint for one in versions.values() if one.schema_fingerprint}
    schemas = table_facts.schemas(connection, prints) if prints else {}
    tables = [one.uid for one in versions.values() if one.schema_fingerprint]
    told = table_facts.statistics(connection, tables) if tables else {}
    return {
        name: VersionRecord(
            **{field: getattr(one, field) for field in _OWN},
            columns=schemas.get(one.schema_fingerprint or "", ()),
            statistics=told.get(one.uid, ()),
        )
        for name, one in versions.items()
    }


def _adopted(connection: Connection, ids: Sequence[int]) -> Sequence[int]:
    """Return those of these versions that were seen, and known only later to be of a run.

    Elsewhere they are sightings again: of what that run made, if it is there, or else of foreign
    bytes until it is.
    """
    found: list[int] = []
    for some in chunks(ids):
        made = select(t.run_output.c.version_id).where(
            t.run_output.c.run_id == t.version.c.run_id,
            t.run_output.c.version_id == t.version.c.id,
        )
        query = select(t.version.c.id).where(
            t.version.c.id.in_(some), t.version.c.run_id.is_not(None), ~made.exists()
        )
        found += connection.execute(query).scalars()
    return found


def _start(run: Run) -> RunStarted | None:
    if not run.kind:
        return None
    return RunStarted(**{one.name: getattr(run, one.name) for one in fields(RunStarted)})


def _end(
    run: Run, *, inputs: tuple[InputRecord, ...], outputs: tuple[OutputRecord, ...]
) -> RunEnded | None:
    if run.ended_at is None:
        return None
    own = {"inputs", "outputs"}
    named = {one.name: getattr(run, one.name) for one in fields(RunEnded) if one.name not in own}
    return RunEnded(**named, inputs=inputs, outputs=outputs)


def _items(
    kind: type[_T], rows: Sequence[Any], versions: Mapping[int, VersionRecord]
) -> tuple[_T, ...]:
    own = {"version", "seconds"}
    names = [one.name for one in fields(kind) if one.name not in own]
    found: list[_T] = []
    for row in rows:
        fitting: dict[str, Any] = {name: getattr(row, name) for name in names}
        fitting["version"] = versions.get(row.version_id)
        found.append(kind(**fitting, seconds=row.duration_ms / 1000))
    return tuple(found)


def _edges(connection: Connection, table: Table, row_ids: Sequence[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for some in chunks(row_ids):
        query = (
            select(table)
            .where(table.c.run_id.in_(some))
            .order_by(table.c.run_id, table.c.argument, table.c.ordinal)
        )
        for row in connection.execute(query):
            found.setdefault(row.run_id, []).append(row)
    return found


def _marks() -> Any:
    return select(t.run.c.id, t.run.c.uid, t.run.c.state, (t.run.c.kind != "").label("is_started"))


def _mark(row: Any) -> RunMark:
    return RunMark(
        row_id=row.id, uid=row.uid, state=RunState(row.state), is_started=bool(row.is_started)
    )
