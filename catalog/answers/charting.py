"""The map of a project: which types are made from which, by which task."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from rootcellar.catalog import names
from rootcellar.catalog.drawing.graph import Graph, GraphEdge, GraphNode
from rootcellar.catalog.ledger import Ledger
from rootcellar.catalog.tables import (
    artifact,
    artifact_type,
    run,
    run_input,
    run_output,
    task,
    version,
)
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Table

    from rootcellar.catalog.times import Moment

__all__ = ["Charting"]

_READS_ONLY = "pull"


class Charting(Ledger):
    """The project at one glance; see `Catalog`."""

    def map(self, since: Moment | None = None) -> Graph:
        """Return which types were made from which by which task, whatever the keys.

        It is drawn from the runs and not from code: a task that never ran is not on it. What was
        pushed or made in a session is on it, what was only pulled is not. Each type tells how many
        artifacts it has, each task how many runs.

        Args:
            since: Look at runs that started at or after a time, or within a span until now.
                Without, every run is read once, which takes its time in a large catalog.

        Raises:
            CatalogError: `since` has no time zone.
        """
        start = names.since(since)
        return self._read(lambda connection: _chart(connection, start))


class _Maker(NamedTuple):
    """Who makes something: a task, or one of the ways to do it by hand."""

    task: str
    kind: str

    @property
    def id(self) -> str:
        # The control character keeps these apart from the ids of types.
        return "\x1f".join(("made", *self))

    @property
    def title(self) -> str:
        return self.task or self.kind or "unknown task"


class _Arrow(NamedTuple):
    """A type that is read or made under one argument."""

    maker: _Maker
    type: str
    argument: str


def _chart(connection: Connection, since: datetime | None) -> Graph:
    conditions = [run.c.kind != _READS_ONLY]
    if since is not None:
        conditions.append(run.c.started_at >= since)
    read = _arrows(connection, run_input, conditions)
    made = _arrows(connection, run_output, conditions)
    runs = _runs(connection, conditions)
    members = _members(connection)
    touched = {arrow.type for arrow in (*read, *made)}
    types = [name for name in members if since is None or name in touched]
    makers = sorted({arrow.maker for arrow in (*read, *made)} | runs.keys())
    return Graph(
        (
            *(_type_node(name, members[name]) for name in types),
            *(_maker_node(one, runs[one]) for one in makers),
        ),
        (
            *(GraphEdge(one.type, one.maker.id, one.argument) for one in read),
            *(GraphEdge(one.maker.id, one.type, one.argument) for one in made),
        ),
    )


def _arrows(
    connection: Connection, table: Table, conditions: Iterable[ColumnElement[bool]]
) -> list[_Arrow]:
    """Return what tasks read or made, each once, in the order of names."""
    each = (
        select(run.c.task_id, run.c.kind, artifact.c.type_id, table.c.argument)
        .select_from(table)
        .join(run, run.c.id == table.c.run_id)
        .join(version, version.c.id == table.c.version_id)
        .join(artifact, artifact.c.id == version.c.artifact_id)
        .where(*conditions)
        .group_by(run.c.task_id, run.c.kind, artifact.c.type_id, table.c.argument)
        .subquery()
    )
    query = (
        select(task.c.name, each.c.kind, artifact_type.c.name.label("type"), each.c.argument)
        .select_from(each)
        .join(artifact_type, artifact_type.c.id == each.c.type_id)
        .outerjoin(task, task.c.id == each.c.task_id)
    )
    return sorted(
        _Arrow(_Maker(name or "", kind), type_name, argument)
        for name, kind, type_name, argument in connection.execute(query)
    )


def _runs(
    connection: Connection, conditions: Iterable[ColumnElement[bool]]
) -> Mapping[_Maker, Counter[str]]:
    """Return how many runs of each task ended how."""
    each = (
        select(run.c.task_id, run.c.kind, run.c.state, func.count().label("runs"))
        .where(*conditions)
        .group_by(run.c.task_id, run.c.kind, run.c.state)
        .subquery()
    )
    query = (
        select(task.c.name, each.c.kind, each.c.state, each.c.runs)
        .select_from(each)
        .outerjoin(task, task.c.id == each.c.task_id)
    )
    found: defaultdict[_Maker, Counter[str]] = defaultdict(Counter)
    for name, kind, state, count in connection.execute(query):
        found[_Maker(name or "", kind)][state] += count
    return found


def _members(connection: Connection) -> dict[str, int]:
    """Return all types by name, with how many artifacts each has."""
    query: Any = (
        select(artifact_type.c.name, func.count(artifact.c.id))
        .outerjoin(artifact, artifact.c.type_id == artifact_type.c.id)
        .group_by(artifact_type.c.name)
        .order_by(artifact_type.c.name)
    )
    return {name: count for name, count in connection.execute(query)}  # noqa: C416  rows are no pairs


def _type_node(name: str, members: int) -> GraphNode:
    detail = f"{members:,} artifact{'' if members == 1 else 's'}".replace(",", " ")
    return GraphNode(id=name, kind="version", title=name, detail=detail, count=max(members, 1))


def _maker_node(maker: _Maker, states: Mapping[str, int]) -> GraphNode:
    total = sum(states.values())
    told = [f"{total:,} run{'' if total == 1 else 's'}".replace(",", " ")]
    told += [
        f"{states[state]} {state}" for state in (RunState.FAILED, RunState.LOST) if state in states
    ]
    worked = any(state in states for state in (RunState.SUCCEEDED, RunState.REUSED))
    state = RunState.SUCCEEDED.value if worked else max(states, key=states.__getitem__, default="")
    return GraphNode(
        id=maker.id,
        kind="run",
        title=maker.title,
        detail=", ".join(told),
        state=state,
        count=total or 1,
    )
