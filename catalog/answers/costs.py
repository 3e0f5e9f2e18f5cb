"""What tasks cost: time by phase, bytes, and how often an input was on the host already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, select

from rootcellar.catalog.answers.asking import task_ids
from rootcellar.catalog.drawing.table import Column, Row, Table
from rootcellar.catalog.tables import run, task
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

__all__ = ["cost"]

_COLUMNS = (
    Column("task", "str"),
    Column("runs", "int"),
    Column("succeeded", "int"),
    Column("reused", "int"),
    Column("failed", "int"),
    Column("stage_in_seconds", "float"),
    Column("body_seconds", "float"),
    Column("stage_out_seconds", "float"),
    Column("download_seconds", "float"),
    Column("downloaded_bytes", "int"),
    Column("uploaded_bytes", "int"),
    Column("hits", "int"),
    Column("misses", "int"),
    Column("hit_ratio", "float"),
)


def cost(connection: Connection, *, name: str | None, since: datetime | None) -> Table[Row]:
    """Return one row per task, the one with the most seconds first.

    `failed` counts lost runs and those that were retried, too: their time was spent.
    """
    tasks = task_ids(connection, name)
    query = (
        select(
            task.c.name,
            func.count().label("runs"),
            _count(RunState.SUCCEEDED).label("succeeded"),
            _count(RunState.REUSED).label("reused"),
            _count(RunState.FAILED, RunState.RETRIED, RunState.LOST).label("failed"),
            *(
                func.sum(column).label(column.name)
                for column in (
                    run.c.stage_in_ms,
                    run.c.body_ms,
                    run.c.stage_out_ms,
                    run.c.download_ms,
                    run.c.downloaded_bytes,
                    run.c.uploaded_bytes,
                    run.c.hits,
                    run.c.misses,
                )
            ),
        )
        .outerjoin(task, task.c.id == run.c.task_id)
        .group_by(task.c.name)
    )
    if tasks is not None:
        query = query.where(run.c.task_id.in_(tasks))
    if since is not None:
        query = query.where(run.c.started_at >= since)
    found = sorted(connection.execute(query), key=_milliseconds, reverse=True)
    return Table(_COLUMNS, [_row(row) for row in found])


def _count(*states: RunState) -> Any:
    return func.sum(case((run.c.state.in_(states), 1), else_=0))


def _milliseconds(row: Any) -> int:
    return int(row.stage_in_ms + row.body_ms + row.stage_out_ms)


def _row(row: Any) -> tuple[Any, ...]:
    # Postgres sums bigints as decimals.
    hits, misses = int(row.hits), int(row.misses)
    return (
        row.name or "",
        int(row.runs),
        int(row.succeeded),
        int(row.reused),
        int(row.failed),
        int(row.stage_in_ms) / 1000,
        int(row.body_ms) / 1000,
        int(row.stage_out_ms) / 1000,
        int(row.download_ms) / 1000,
        int(row.downloaded_bytes),
        int(row.uploaded_bytes),
        hits,
        misses,
        hits / (hits + misses) if hits + misses else None,
    )
