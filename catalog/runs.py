"""Reading runs, what they read and what they made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, select, type_coerce

from rootcellar.catalog import tables as t
from rootcellar.catalog.among import among
from rootcellar.catalog.columns import moment
from rootcellar.catalog.columnwise import columns_of
from rootcellar.catalog.lookup import versions_by_id
from rootcellar.catalog.stored_runs import StoredRuns
from rootcellar.catalog.values import Reusable, Run, RunInput, RunOutput
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import (
    CodeIdentity,
    Environment,
    ErrorRecord,
    PhaseSeconds,
    RunState,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Column, Connection, Row, Select, Table

    from rootcellar.catalog.values import Owner

__all__ = ["find_runs", "inputs", "outputs", "reusable", "run", "runs_by_id", "task_names"]


def run(connection: Connection, owner: Owner, uid: str) -> Run | None:
    """Return the run with this uid."""
    found = _read(connection, owner, _stored().where(t.run.c.uid == uid))
    return found[0] if found else None


def find_runs(
    connection: Connection,
    owner: Owner,
    *,
    tasks: Sequence[str] | None,
    state: RunState | None,
    since: datetime | None,
    limit: int,
) -> StoredRuns:
    """Return runs, the last started first; of these tasks only, unless `tasks` is None."""
    query = _stored().order_by(t.run.c.started_at.desc(), t.run.c.id.desc()).limit(limit)
    if tasks is not None:
        # By id, so that the index on (task_id, started_at) serves filter and order.
        named = select(t.task.c.id).where(t.task.c.name.in_(tasks))
        query = query.where(t.run.c.task_id.in_(connection.execute(named).scalars().all()))
    if state is not None:
        query = query.where(t.run.c.state == state)
        if state is not RunState.SUCCEEDED:
            query = query.where(t.is_not_done)
    if since is not None:
        query = query.where(t.run.c.started_at >= since)
    return _read(connection, owner, query)


def _stored() -> Select[Any]:
    """Return the query for what `StoredRuns` is made of."""
    # Where no value is turned into another, columns are what the driver gives.
    stored: list[Any] = [type_coerce(column, Text).label(column.name) for column in t.run.c]
    return select(*stored, t.run_error.c.run_id.label("error_of")).outerjoin(
        t.run_error, t.run_error.c.run_id == t.run.c.id
    )


def _read(connection: Connection, owner: Owner, query: Select[Any]) -> StoredRuns:
    """Return the runs of a query; what many of them share is read once."""
    columns = columns_of(connection, query)

    def shared(table: Table, id_column: Column[int], named: str) -> Sequence[Row[Any]]:
        known = set(columns[named]) - {None}
        if not known:
            return []
        return connection.execute(select(table).where(among(connection, id_column, known))).all()

    tasks = {row.id: row.name for row in shared(t.task, t.task.c.id, "task_id")}
    codes = {row.id: _code(row) for row in shared(t.code, t.code.c.id, "code_id")}
    environments = {
        row.id: _environment(row)
        for row in shared(t.environment, t.environment.c.id, "environment_id")
    }
    errors = {
        row.run_id: _error(row) for row in shared(t.run_error, t.run_error.c.run_id, "error_of")
    }

    def make(row: Any) -> Run:
        return _run(
            row,
            owner,
            task=tasks.get(row.task_id, ""),
            code=codes.get(row.code_id),
            environment=environments.get(row.environment_id),
            error=errors.get(row.error_of),
        )

    return StoredRuns(columns, make, tasks=tasks, errors=errors)


def task_names(connection: Connection) -> set[str]:
    """Return the names of all tasks that ran."""
    return set(connection.execute(select(t.task.c.name)).scalars())


def runs_by_id(connection: Connection, owner: Owner, ids: Sequence[int]) -> dict[int, Run]:
    """Return runs by their row ids."""
    found = _read(connection, owner, _stored().where(among(connection, t.run.c.id, ids)))
    return dict(zip(found.column("id"), found, strict=True))


def inputs(connection: Connection, owner: Owner, uid: str) -> list[RunInput]:
    """Return what a run read, by argument and position."""
    rows = _edges(connection, t.run_input, uid)
    found = versions_by_id(
        connection, owner, [r.version_id for r in rows if r.version_id is not None]
    )
    return [
        RunInput(
            argument=row.argument,
            ordinal=row.ordinal,
            version=found.get(row.version_id),
            cache=row.cache,
            transferred_bytes=row.transferred_bytes,
            seconds=row.duration_ms / 1000,
            hits=row.hits,
            misses=row.misses,
            requests=row.requests,
        )
        for row in rows
    ]


def outputs(connection: Connection, owner: Owner, uid: str) -> list[RunOutput]:
    """Return what a run made or took over, by argument and position."""
    rows = _edges(connection, t.run_output, uid)
    found = versions_by_id(connection, owner, [row.version_id for row in rows])
    return [
        RunOutput(
            argument=row.argument,
            ordinal=row.ordinal,
            version=found[row.version_id],
            mode=row.mode,
            transferred_bytes=row.transferred_bytes,
            seconds=row.duration_ms / 1000,
        )
        for row in rows
    ]


def reusable(connection: Connection, owner: Owner, reuse_key: str) -> Reusable | None:
    """Return the outputs of the newest succeeded run with this reuse key."""
    if not reuse_key:
        return None
    query = (
        select(t.run.c.uid)
        .where(t.run.c.reuse_key == reuse_key, t.run.c.state == RunState.SUCCEEDED)
        .order_by(t.run.c.ended_at.desc(), t.run.c.id.desc())
        .limit(1)
    )
    uid = connection.execute(query).scalar()
    if uid is None:
        return None
    return Reusable(run_uid=uid, outputs=tuple(outputs(connection, owner, uid)))


def _edges(connection: Connection, table: Any, uid: str) -> list[Row[Any]]:
    query = (
        select(table)
        .join(t.run, t.run.c.id == table.c.run_id)
        .where(t.run.c.uid == uid)
        .order_by(table.c.argument, table.c.ordinal)
    )
    return list(connection.execute(query))


def _run(
    row: Any,
    owner: Owner,
    *,
    task: str,
    code: CodeIdentity | None,
    environment: Environment | None,
    error: ErrorRecord | None,
) -> Run:
    return Run(
        uid=row.uid,
        kind=row.kind,
        task=task,
        state=RunState(row.state),
        started_at=moment(row.started_at),
        ended_at=None if row.ended_at is None else moment(row.ended_at),
        task_id=row.celery_task_id,
        root_id=row.root_id,
        parent_id=row.parent_id,
        group_id=row.group_id,
        parent_run=row.parent_run,
        retries=row.retries,
        redelivered=bool(row.redelivered),
        queue=row.queue,
        arguments=_arguments(row.arguments),
        code=code,
        environment=environment,
        host=row.host,
        pid=row.pid,
        phases=PhaseSeconds(
            stage_in=row.stage_in_ms / 1000,
            body=row.body_ms / 1000,
            stage_out=row.stage_out_ms / 1000,
        ),
        downloaded_bytes=row.downloaded_bytes,
        uploaded_bytes=row.uploaded_bytes,
        hits=row.hits,
        misses=row.misses,
        download_seconds=row.download_ms / 1000,
        reuse_key=row.reuse_key or "",
        reused_run=row.reused_run or "",
        error=error,
        catalog=owner,
    )


def _arguments(stored: Any) -> dict[str, Any]:
    """Return what SQLite keeps as text, and Postgres as itself."""
    arguments: dict[str, Any] = json.loads(stored) if isinstance(stored, str) else stored
    return arguments


def _code(row: Row[Any]) -> CodeIdentity:
    return CodeIdentity(
        qualname=row.qualname,
        source_digest=Digest(row.source_digest),
        git_commit=row.git_commit,
        git_dirty=row.git_dirty,
    )


def _environment(row: Row[Any]) -> Environment:
    return Environment(
        python=row.python, platform=row.platform, packages=row.packages, image=row.image
    )


def _error(row: Row[Any]) -> ErrorRecord:
    return ErrorRecord(
        phase=row.phase,
        error=row.error,
        message=row.message,
        traceback=row.traceback,
        cause=row.cause,
        transient=bool(row.transient),
    )
