"""Entering runs: one short transaction when a run starts, one when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from rootcellar.catalog.at_once import NotNewError, enter_at_once
from rootcellar.catalog.held import Held
from rootcellar.catalog.identities import Identities
from rootcellar.catalog.made_rows import products
from rootcellar.catalog.refs import remember
from rootcellar.catalog.table_facts import enter_statistics
from rootcellar.catalog.tables import run, run_error, run_input, run_output
from rootcellar.catalog.upserts import chunks, insert_missing, insert_new
from rootcellar.catalog.versioning import adopt, claim, ensure_versions, learn
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from rootcellar.catalog.engine import Database
    from rootcellar.catalog.held import Executes
    from rootcellar.schemas.record import (
        ErrorRecord,
        RunEnded,
        RunStarted,
        TypeRecord,
        VersionRecord,
    )

__all__ = ["Recorder"]


class Recorder:
    """Writes records into one database.

    Every method is safe to repeat: a record that was entered before changes nothing. Records of a
    run may arrive in any order.

    Args:
        known: Row ids of versions by uid, as far as this process has met them.
    """

    def __init__(self, database: Database, known: dict[str, int]) -> None:
        self._database = database
        self._identities = Identities(database)
        self._known = known

    def declare(self, types: Iterable[TypeRecord]) -> None:
        """Enter the current definitions of these types."""
        self._identities.declare(types)

    def start_run(self, record: RunStarted) -> None:
        """Enter a run as running, or complete one whose end came first."""
        row = self._start_row(record)
        self._database.record(lambda connection: _start(connection, row))

    def finish_run(self, record: RunEnded, started: RunStarted | None = None) -> bool:
        """Enter how a run ended, with everything it read and made; its start too, if given.

        Returns:
            Whether there were versions that this process had not met before, or not whole.
        """
        versions = _versions(record)
        # Another thread may clear what we remember at any moment.
        found = {uid: self._known.get(uid) for uid in versions}
        # What the run made may have been taken for another sighting, before it was known as made.
        made = {one.version.ref.version for one in record.outputs if one.mode == "created"}
        known = {
            uid: number for uid, number in found.items() if number is not None and uid not in made
        }
        missing = [version for uid, version in versions.items() if uid not in known]
        learned = [version for version in versions.values() if version.is_learned]
        types = self._identities.types({version.ref.type for version in missing})
        described = [version for version in missing if version.columns or version.statistics]
        if described:
            self._identities.schemas(described)
        row = None if started is None else {**self._start_row(started), **_end_row(record)}
        if (
            row is not None
            and missing
            and known.keys().isdisjoint(made)
            and len(missing) == len(made)
        ):
            entered = self._at_once(record, row, known, types)
            if entered:
                return True

        def work(connection: Executes) -> Mapping[str, int]:
            row_id = _enter_end(connection, record, row)
            if row_id is None:
                return {}
            ids = ensure_versions(connection, missing, types) if missing else {}
            if learned:
                learn(connection, learned, {**known, **ids})
            if described:
                enter_statistics(connection, described, ids)
            _finish(connection, row_id, record, {**known, **ids})
            return ids

        # Only what is committed may be remembered.
        remember(self._known, self._database.record(work))
        return bool(missing or learned)

    def _at_once(
        self,
        record: RunEnded,
        row: Mapping[str, Any],
        known: Mapping[str, int],
        types: Mapping[str, int],
    ) -> bool:
        """Enter a run whose inputs are known and whose products are new; False if it is none."""
        made = products(record, types)
        if not made:
            return False

        def edges(run_id: int, ids: Mapping[str, int]) -> dict[str, list[dict[str, Any]]]:
            return {
                "run_output": _output_rows(run_id, record, ids),
                "run_input": _input_rows(run_id, record, {**known, **ids}),
            }

        def work(connection: Executes) -> Mapping[str, int]:
            if not isinstance(connection, Held):
                raise NotNewError
            ids = enter_at_once(connection, row, made, edges)
            described = [one.record for one in made if one.record.statistics]
            if described:
                enter_statistics(connection, described, ids)
            return ids

        try:
            ids = self._database.record(work)
        except NotNewError:
            return False
        remember(self._known, ids)
        return True

    def adopt(self, record: RunEnded) -> None:
        """Make a run the producer of what was taken for foreign bytes while its record waited."""
        made = [one.version for one in record.outputs if one.mode == "created"]
        if made:
            self._database.record(lambda connection: adopt(connection, record.uid, made))

    def finish_runs(self, ended: Sequence[tuple[RunEnded, RunStarted]]) -> None:
        """Enter whole runs in one transaction, all of whose versions were met before.

        Raises:
            KeyError: One was not; see `has_all_of`. Nothing is entered.
        """
        rows = [
            (record, {**self._start_row(started), **_end_row(record)}) for record, started in ended
        ]

        def work(connection: Executes) -> None:
            for record, row in rows:
                row_id = _enter_end(connection, record, row)
                if row_id is not None:
                    _finish(connection, row_id, record, self._known)

        self._database.record(work)

    def has_all_of(self, versions: Iterable[str]) -> bool:
        """Tell whether all of these versions were met before; asked before many a run's result."""
        return self._known.keys() >= set(versions)

    def enter_versions(self, records: Sequence[VersionRecord]) -> None:
        """Enter versions apart from runs: sightings, and what runs name that `finish_runs` enters.

        A version whose run is not entered has no producer until it is.
        """
        types = self._identities.types({record.ref.type for record in records})
        learned = [record for record in records if record.is_learned]
        described = [record for record in records if record.columns or record.statistics]
        self._identities.schemas(described)

        def work(connection: Executes) -> Mapping[str, int]:
            ids = ensure_versions(connection, records, types)
            enter_statistics(connection, described, ids)
            if learned:
                learn(connection, learned, ids)
            return ids

        remember(self._known, self._database.record(work))

    def mark_lost(self, uids: Iterable[str], at: datetime) -> int:
        """Mark runs that are still running as lost; return how many were."""
        wanted = sorted(set(uids))
        return self._database.record(lambda connection: _mark_lost(connection, wanted, at))

    def _start_row(self, record: RunStarted) -> dict[str, Any]:
        return {
            **_NOT_ENDED,
            "uid": record.uid,
            "kind": record.kind,
            "task_id": self._identities.task(record.task),
            "celery_task_id": record.task_id,
            "root_id": record.root_id,
            "parent_id": record.parent_id,
            "group_id": record.group_id,
            "parent_run": record.parent_run,
            "retries": record.retries,
            "redelivered": record.redelivered,
            "queue": record.queue,
            "arguments": record.arguments,
            "code_id": self._identities.code(record.code),
            "environment_id": self._identities.environment(record.environment),
            "host": record.host,
            "pid": record.pid,
            "started_at": record.started_at,
        }


_NOT_ENDED: dict[str, Any] = {
    "state": RunState.RUNNING,
    "stage_in_ms": 0,
    "body_ms": 0,
    "stage_out_ms": 0,
    "downloaded_bytes": 0,
    "uploaded_bytes": 0,
    "hits": 0,
    "misses": 0,
    "download_ms": 0,
}
_NOT_STARTED: dict[str, Any] = {
    **_NOT_ENDED,
    "kind": "",
    "celery_task_id": "",
    "root_id": "",
    "parent_id": "",
    "group_id": "",
    "parent_run": "",
    "retries": 0,
    "redelivered": False,
    "queue": "",
    "arguments": {},
    "host": "",
    "pid": 0,
}


_LOCKED = select(run.c.id, run.c.state).where(run.c.uid == bindparam("of_uid")).with_for_update()
_ENDED = (
    *("state", "ended_at", "stage_in_ms", "body_ms", "stage_out_ms"),
    *("downloaded_bytes", "uploaded_bytes", "reuse_key", "reused_run"),
    *("hits", "misses", "download_ms"),
)
# A run taken for lost may still report its end: the report knows better.
_END = (
    update(run)
    .where(run.c.uid == bindparam("of_uid"), run.c.state.in_([RunState.RUNNING, RunState.LOST]))
    .values({name: bindparam(f"new_{name}") for name in _ENDED})
    .returning(run.c.id)
)


def _start(connection: Executes, row: Mapping[str, Any]) -> None:
    if insert_new(connection, run, [row], run.c.id):
        return
    started = {name: value for name, value in row.items() if name not in _NOT_ENDED}
    stub = (run.c.uid == row["uid"]) & run.c.task_id.is_(None)
    connection.execute(update(run).where(stub).values(started))


def _finish(connection: Executes, row_id: int, record: RunEnded, ids: Mapping[str, int]) -> None:
    if record.outputs:
        made = [item.version for item in record.outputs if item.mode == "created"]
        claim(connection, row_id, made)
        insert_missing(connection, run_output, _output_rows(row_id, record, ids))
    insert_missing(connection, run_input, _input_rows(row_id, record, ids))
    if record.error is not None:
        insert_missing(connection, run_error, [_error_row(row_id, record.error)])


def _enter_end(connection: Executes, record: RunEnded, row: Mapping[str, Any] | None) -> int | None:
    """Lock the run's row and enter its end; return its id, or None if it has ended before.

    Args:
        row: The whole row, if the run's start was handed over with its end.
    """
    if row is not None and (inserted := insert_new(connection, run, [row], run.c.id)):
        return int(inserted[0].id)
    end = {f"new_{name}": value for name, value in _end_row(record).items()}
    end["of_uid"] = record.uid
    ended: int | None = connection.execute(_END, end).scalar()
    if ended is None and connection.execute(_LOCKED, {"of_uid": record.uid}).first() is None:
        # Its start is still on its way.
        stub = {**_NOT_STARTED, "uid": record.uid, "started_at": record.ended_at}
        insert_missing(connection, run, [stub])
        ended = connection.execute(_END, end).scalar()
    return ended


def _versions(record: RunEnded) -> dict[str, VersionRecord]:
    found = {
        item.version.ref.version: item.version for item in record.inputs if item.version is not None
    }
    for item in record.outputs:
        found[item.version.ref.version] = item.version
    return found


def _input_rows(run_id: int, record: RunEnded, ids: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run_id,
            "argument": item.argument,
            "ordinal": item.ordinal,
            "version_id": None if item.version is None else ids[item.version.ref.version],
            "cache": item.cache,
            "transferred_bytes": item.transferred_bytes,
            "duration_ms": _ms(item.seconds),
            "hits": item.hits,
            "misses": item.misses,
            "requests": item.requests,
        }
        for item in sorted(record.inputs, key=lambda item: (item.argument, item.ordinal))
    ]


def _output_rows(run_id: int, record: RunEnded, ids: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run_id,
            "argument": item.argument,
            "ordinal": item.ordinal,
            "version_id": ids[item.version.ref.version],
            "mode": item.mode,
            "transferred_bytes": item.transferred_bytes,
            "duration_ms": _ms(item.seconds),
        }
        for item in sorted(record.outputs, key=lambda item: (item.argument, item.ordinal))
    ]


def _error_row(run_id: int, error: ErrorRecord) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "phase": error.phase,
        "error": error.error,
        "message": error.message,
        "traceback": error.traceback,
        "cause": error.cause,
        "transient": error.transient,
    }


def _end_row(record: RunEnded) -> dict[str, Any]:
    return {
        "state": record.state,
        "ended_at": record.ended_at,
        "stage_in_ms": _ms(record.phases.stage_in),
        "body_ms": _ms(record.phases.body),
        "stage_out_ms": _ms(record.phases.stage_out),
        "downloaded_bytes": record.downloaded_bytes,
        "uploaded_bytes": record.uploaded_bytes,
        "reuse_key": record.reuse_key or None,
        "reused_run": record.reused_run or None,
        "hits": record.hits,
        "misses": record.misses,
        "download_ms": _ms(record.download_seconds),
    }


def _mark_lost(connection: Executes, uids: Sequence[str], at: datetime) -> int:
    lost = 0
    for some in chunks(uids):
        running = run.c.uid.in_(some) & (run.c.state == RunState.RUNNING)
        query = select(run.c.id).where(running).order_by(run.c.id).with_for_update()
        ids = connection.execute(query).scalars().all()
        connection.execute(
            update(run).where(run.c.id.in_(ids)).values(state=RunState.LOST, ended_at=at)
        )
        lost += len(ids)
    return lost


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
