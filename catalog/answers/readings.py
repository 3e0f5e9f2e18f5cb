"""Who read a version, and the further runs of one message."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from rootcellar.catalog import lineage, listing, lookup, runs
from rootcellar.catalog.answers.asking import cut_note
from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.resolving import resolve
from rootcellar.catalog.tables import run, run_input, task
from rootcellar.catalog.upserts import chunks
from rootcellar.catalog.values import Run, Version
from rootcellar.schemas.errors import NotInCatalog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from rootcellar.catalog.resolving import Subject
    from rootcellar.catalog.values import Owner

__all__ = ["attempts", "reached", "readers"]

_HOW = (Column("depth", "int"), Column("argument", "str"), Column("how", "str"))
_ATTEMPT = (Column("attempt", "int"), Column("redelivered", "bool"), Column("left", "json"))


class _Reading(NamedTuple):
    depth: int
    argument: str
    how: str


def reached(
    connection: Connection, one: Version, *, transitive: bool, max_nodes: int
) -> tuple[Mapping[int, int], str]:
    """Return how many steps away what carries a version on is, by row id; and why it was cut."""
    start = lookup.row_id(connection, one.uid)
    if not transitive:
        return {start: 0}, ""
    walk = lineage.walk(
        connection, start, direction="downstream", max_nodes=max_nodes, max_depth=None
    )
    return walk.depths, walk.truncated


def readers(
    connection: Connection,
    owner: Owner,
    depths: Mapping[int, int],
    *,
    since: datetime | None,
    limit: int,
    note: str,
) -> Table[Run]:
    """Return the runs that read any of some versions, the last started first.

    Args:
        depths: The versions by row id, with their distance from the one that was asked for.
        note: What else the table has to say.
    """
    ids = _reading_runs(connection, sorted(depths), since=since, limit=limit + 1)
    kept = ids[:limit]
    how = _readings(connection, kept, depths)
    known = runs.runs_by_id(connection, owner, kept)
    table = listing.run_table([known[row_id] for row_id in kept])
    rows = [(*how[row_id], *row) for row_id, row in zip(kept, table.rows, strict=True)]
    notes = [part for part in (cut_note(len(ids), limit), note) if part]
    return Table((*_HOW, *table.columns), rows, table.items, "; ".join(notes))


def _reading_runs(
    connection: Connection, versions: Sequence[int], *, since: datetime | None, limit: int
) -> list[int]:
    started: dict[int, datetime] = {}
    for some in chunks(versions):
        query = (
            select(run.c.id, run.c.started_at)
            .join(run_input, run_input.c.run_id == run.c.id)
            .where(run_input.c.version_id.in_(some))
            .distinct()
            .order_by(run.c.started_at.desc(), run.c.id.desc())
            .limit(limit)
        )
        if since is not None:
            query = query.where(run.c.started_at >= since)
        started.update((row.id, row.started_at) for row in connection.execute(query))
    return sorted(started, key=lambda row_id: (started[row_id], row_id), reverse=True)[:limit]


def _readings(
    connection: Connection, ids: Sequence[int], depths: Mapping[int, int]
) -> dict[int, _Reading]:
    """Return for each run its nearest reading; the arguments of equally near ones together."""
    found: dict[int, list[_Reading]] = {}
    for some in chunks(ids):
        query = (
            select(
                run_input.c.run_id, run_input.c.version_id, run_input.c.argument, run_input.c.cache
            )
            .where(run_input.c.run_id.in_(some), run_input.c.version_id.is_not(None))
            .order_by(run_input.c.run_id, run_input.c.argument, run_input.c.ordinal)
        )
        for row in connection.execute(query):
            if row.version_id in depths:
                one = _Reading(depths[row.version_id] + 1, row.argument, row.cache)
                found.setdefault(row.run_id, []).append(one)
    return {run_id: _nearest(readings) for run_id, readings in found.items()}


def _nearest(readings: Sequence[_Reading]) -> _Reading:
    depth = min(one.depth for one in readings)
    near = [one for one in readings if one.depth == depth]
    return _Reading(
        depth,
        ", ".join(dict.fromkeys(one.argument for one in near)),
        ", ".join(dict.fromkeys(one.how for one in near)),
    )


def attempts(connection: Connection, owner: Owner, x: Subject | Run, *, limit: int) -> Table[Run]:
    """Return all runs of one message, the first first, with what each left behind.

    Args:
        x: A run, its uid, a Celery task id, or what names a version: then of the run that made it.

    Raises:
        NotInCatalog: It names none of these, or a version that no run of ours made.
    """
    of_message = _same_message(connection, owner, x)
    query = select(run.c.id).where(*of_message).order_by(run.c.started_at, run.c.id)
    same = connection.execute(query.limit(limit + 1)).scalars().all()
    found = list(runs.runs_by_id(connection, owner, same[:limit]).values())
    found.sort(key=lambda one: (one.started_at, one.retries, one.uid))
    table = listing.run_table(found)
    rows = [
        (number, one.redelivered, _left(connection, owner, one), *row)
        for number, (one, row) in enumerate(zip(found, table.rows, strict=True), start=1)
    ]
    return Table((*_ATTEMPT, *table.columns), rows, found, cut_note(len(same), limit))


def _same_message(
    connection: Connection, owner: Owner, x: Subject | Run
) -> list[ColumnElement[bool]]:
    """Return what the rows of the runs fulfil."""
    one = None
    if isinstance(x, str) and "://" not in x:
        # A task's id was given by Celery, a run's uid by us; both look alike.
        one = runs.run(connection, owner, x)
        of_task = run.c.celery_task_id == x
        if one is None and connection.execute(select(run.c.id).where(of_task).limit(1)).first():
            return [of_task]
    if one is None:
        one = _maker(connection, owner, x)
    if not one.task_id:
        return [run.c.uid == one.uid]
    # By the task, too: so that the index on (task_id, started_at) narrows it.
    tasks = select(task.c.id).where(task.c.name == one.task)
    ids = connection.execute(tasks).scalars().all()
    return [run.c.task_id.in_(ids), run.c.celery_task_id == one.task_id]


def _maker(connection: Connection, owner: Owner, x: Subject | Run) -> Run:
    if isinstance(x, Run):
        return x
    one = resolve(connection, owner, x)
    made_by = runs.run(connection, owner, one.run_uid) if one.run_uid else None
    if made_by is None:
        raise NotInCatalog(
            "no run of ours made it", str(one), one.uri, "Ask for a run, its uid or a task id"
        )
    return made_by


def _left(connection: Connection, owner: Owner, one: Run) -> list[str]:
    """Return what the run made; what it only took over is not its own."""
    made = runs.outputs(connection, owner, one.uid)
    return [str(output.version) for output in made if output.mode == "created"]
