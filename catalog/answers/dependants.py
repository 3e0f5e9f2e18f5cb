"""From an artifact to the current versions that depend on it, and to the runs that made them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rootcellar.catalog import lookup
from rootcellar.catalog import tables as t
from rootcellar.catalog.answers.current import edges_from
from rootcellar.catalog.answers.impact import Impact, Step
from rootcellar.catalog.upserts import chunks
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from rootcellar.catalog.values import Owner, Version

__all__ = ["impact"]

_PAST = 20
"""How many of a task's last runs tell what the next one will cost."""


@dataclass(slots=True)
class _Links:
    """What was found, by the row ids of artifacts, versions and runs.

    Attributes:
        depths: Steps from the start, by artifact, nearest first.
        heads: The current version of each artifact.
        makers: The run that made it.
        inputs: Which of the found artifacts it was made from; the start left out.
        is_cut: There is more.
    """

    depths: dict[int, int] = field(default_factory=dict)
    heads: dict[int, int] = field(default_factory=dict)
    makers: dict[int, int] = field(default_factory=dict)
    inputs: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one run of a task takes, from the last ones; `runs` is how many these were."""

    seconds: float | None = None
    downloaded_bytes: int | None = None
    uploaded_bytes: int | None = None
    runs: int = 0


def impact(connection: Connection, owner: Owner, x: Version, *, max_nodes: int) -> Impact:
    """Return what depends on any version of `x`'s artifact.

    Args:
        max_nodes: Stop after so many artifacts.
    """
    query = select(t.version.c.artifact_id).where(t.version.c.uid == x.uid)
    links = _links(connection, connection.execute(query).scalar_one(), max_nodes=max_nodes)
    levels = _levels(links)
    notes = [f"stopped after {max_nodes} artifacts; there are more"] * links.is_cut
    if 0 in levels.values():
        notes.append("runs that feed each other stand last, in no order")
    versions = lookup.versions_by_id(connection, owner, list(links.heads.values()))
    nearest = sorted(
        links.heads, key=lambda one: (links.depths[one], versions[links.heads[one]].order)
    )
    return Impact(
        version=x,
        versions=tuple(versions[links.heads[one]] for one in nearest),
        depths={versions[links.heads[one]].uid: links.depths[one] for one in nearest},
        steps=_steps(connection, links, levels, versions),
        note="; ".join(notes),
    )


def _links(connection: Connection, start: int, *, max_nodes: int) -> _Links:
    """Walk from inputs to what was made from them, breadth first."""
    links = _Links()
    level, depth = [start], 0
    while level:
        depth += 1
        following: list[int] = []
        for edge in edges_from(connection, level):
            found = edge.artifact_id
            if found == start:
                continue
            if found not in links.depths:
                if len(links.depths) == max_nodes:
                    links.is_cut = True
                    continue
                links.depths[found] = depth
                links.heads[found], links.makers[found] = edge.made_id, edge.run_id
                following.append(found)
            if edge.input_id != start:
                links.inputs[found].add(edge.input_id)
        level = sorted(following)
    return links


def _levels(links: _Links) -> dict[int, int]:
    """Return for each run the step it can be repeated in, from 1; 0 in circles and behind them."""
    needs: dict[int, set[int]] = {run_id: set() for run_id in links.makers.values()}
    for artifact, inputs in links.inputs.items():
        run_id = links.makers[artifact]
        needs[run_id] |= {links.makers[one] for one in inputs} - {run_id}
    feeds: dict[int, list[int]] = defaultdict(list)
    for run_id, before in needs.items():
        for one in before:
            feeds[one].append(run_id)
    waiting = {run_id: len(before) for run_id, before in needs.items()}
    levels: dict[int, int] = {}
    ready, number = [run_id for run_id, count in waiting.items() if not count], 0
    while ready:
        number += 1
        levels.update(dict.fromkeys(ready, number))
        following: list[int] = []
        for run_id in ready:
            for one in feeds[run_id]:
                waiting[one] -= 1
                if not waiting[one]:
                    following.append(one)
        ready = following
    return {run_id: levels.get(run_id, 0) for run_id in needs}


def _steps(
    connection: Connection,
    links: _Links,
    levels: Mapping[int, int],
    versions: Mapping[int, Version],
) -> tuple[Step, ...]:
    last = max(levels.values(), default=0) + 1
    types: dict[int, list[str]] = defaultdict(list)
    for artifact, run_id in links.makers.items():
        types[run_id].append(versions[links.heads[artifact]].type)
    groups: dict[tuple[int, str, str], list[Row[Any]]] = defaultdict(list)
    for run in _runs(connection, list(levels)):
        groups[levels[run.id] or last, run.task or "", run.kind].append(run)
    costs = {
        runs[0].task_id: _cost(connection, runs[0].task_id)
        for (_, _, kind), runs in groups.items()
        if kind == "task"
    }
    steps: list[Step] = []
    for (number, task, kind), runs in sorted(groups.items(), key=lambda one: one[0]):
        made_types = Counter(sorted(name for run in runs for name in types[run.id]))
        cost = costs[runs[0].task_id] if kind == "task" else _Cost()
        steps.append(
            Step(
                number=number,
                task=task,
                runs=tuple(run.uid for run in runs),
                types=dict(made_types),
                seconds=cost.seconds,
                downloaded_bytes=cost.downloaded_bytes,
                uploaded_bytes=cost.uploaded_bytes,
                past_runs=cost.runs,
                is_by_hand=kind not in {"task", ""},
            )
        )
    return tuple(steps)


def _runs(connection: Connection, ids: Sequence[int]) -> list[Row[Any]]:
    found: list[Row[Any]] = []
    for some in chunks(sorted(ids)):
        query = (
            select(
                t.run.c.id, t.run.c.uid, t.run.c.kind, t.run.c.task_id, t.task.c.name.label("task")
            )
            .outerjoin(t.task, t.task.c.id == t.run.c.task_id)
            .where(t.run.c.id.in_(some))
            .order_by(t.run.c.id)
        )
        found += connection.execute(query)
    return found


def _cost(connection: Connection, task_id: int) -> _Cost:
    """Return the medians of the task's last runs that succeeded."""
    query = (
        select(
            t.run.c.started_at, t.run.c.ended_at, t.run.c.downloaded_bytes, t.run.c.uploaded_bytes
        )
        .where(t.run.c.task_id == task_id, t.run.c.state == RunState.SUCCEEDED)
        .order_by(t.run.c.started_at.desc())
        .limit(_PAST)
    )
    rows = [row for row in connection.execute(query) if row.ended_at is not None]
    if not rows:
        return _Cost()
    return _Cost(
        seconds=median((row.ended_at - row.started_at).total_seconds() for row in rows),
        downloaded_bytes=round(median(row.downloaded_bytes for row in rows)),
        uploaded_bytes=round(median(row.uploaded_bytes for row in rows)),
        runs=len(rows),
    )
