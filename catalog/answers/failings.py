"""Runs that failed or were lost, one by one and by error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from rootcellar.catalog import listing, runs
from rootcellar.catalog.answers.asking import cut_note, task_ids
from rootcellar.catalog.drawing.table import Column, Row, Table
from rootcellar.catalog.tables import is_not_done, run, run_error, task
from rootcellar.catalog.values import Run
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from rootcellar.catalog.values import Owner

__all__ = ["Failures", "failures"]

_CAUSE = (Column("cause", "str"), Column("phase", "str"))
_GROUPS = (
    Column("count", "int"),
    Column("task", "str"),
    Column("error", "str"),
    Column("cause", "str"),
    Column("first", "time"),
    Column("last", "time"),
    Column("state", "str"),
    Column("phase", "str"),
    Column("message", "str"),
    Column("run", "str"),
)
_FAILED = (RunState.FAILED, RunState.LOST)


@dataclass(frozen=True, repr=False)
class Failures(Table[Run]):
    """Runs that failed or were lost, the last started first.

    Attributes:
        groups: One row per task, error, cause and phase, the most frequent first: how often, first
            and last, and the last run with its message as an example. It counts all failures, also
            those that the limit left out of the table.
    """

    groups: Table[Row] = field(default_factory=lambda: Table(_GROUPS, ()))


def failures(
    connection: Connection, owner: Owner, *, name: str | None, since: datetime | None, limit: int
) -> Failures:
    """Return the failed and lost runs, and how often each error struck."""
    tasks = task_ids(connection, name)
    conditions: list[ColumnElement[bool]] = [run.c.state.in_(_FAILED), is_not_done]
    if tasks is not None:
        conditions.append(run.c.task_id.in_(tasks))
    if since is not None:
        conditions.append(run.c.started_at >= since)
    query = (
        select(run.c.id)
        .where(*conditions)
        .order_by(run.c.started_at.desc(), run.c.id.desc())
        .limit(limit + 1)
    )
    ids = connection.execute(query).scalars().all()
    known = runs.runs_by_id(connection, owner, ids[:limit])
    found = [known[row_id] for row_id in ids[:limit]]
    table = listing.run_table(found, note=cut_note(len(ids), limit))
    place = table.names.index("error") + 1
    columns = (*table.columns[:place], *_CAUSE, *table.columns[place:])
    rows = [
        (*row[:place], *_cause(one), *row[place:])
        for one, row in zip(found, table.rows, strict=True)
    ]
    return Failures(columns, rows, found, table.note, groups=_groups(connection, owner, conditions))


def _cause(one: Run) -> tuple[str | None, str | None]:
    return (None, None) if one.error is None else (one.error.cause, one.error.phase)


def _groups(
    connection: Connection, owner: Owner, conditions: list[ColumnElement[bool]]
) -> Table[Row]:
    kinds = (task.c.name, run.c.state, run_error.c.error, run_error.c.cause, run_error.c.phase)
    query = (
        select(
            *kinds,
            func.count().label("count"),
            func.min(run.c.started_at).label("first"),
            func.max(run.c.started_at).label("last"),
            func.max(run.c.id).label("example"),
        )
        .outerjoin(task, task.c.id == run.c.task_id)
        .outerjoin(run_error, run_error.c.run_id == run.c.id)
        .where(*conditions)
        .group_by(*kinds)
    )
    found = sorted(connection.execute(query), key=lambda row: (row.count, row.last), reverse=True)
    examples = runs.runs_by_id(connection, owner, [row.example for row in found])
    return Table(_GROUPS, [_group(row, examples[row.example]) for row in found])


def _group(row: Any, example: Run) -> tuple[Any, ...]:
    return (
        row.count,
        row.name or "",
        row.error,
        row.cause,
        row.first,
        row.last,
        row.state,
        row.phase,
        example.error.message if example.error else None,
        example.uid,
    )
