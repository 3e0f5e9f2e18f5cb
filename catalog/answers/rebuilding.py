"""What is gone, and whether the runs that made it could make it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from rootcellar.catalog import lookup
from rootcellar.catalog.tables import LocationState, code, location, run, run_input, task, version
from rootcellar.catalog.upserts import chunks
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Connection, Row

    from rootcellar.catalog.values import Owner

__all__ = ["Verdict", "verdicts"]

_MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a version that is gone could be made again.

    Attributes:
        task: What would make it; empty if nothing would.
        inputs: As they print, what it would be made from.
        reason: Why not, or what to be careful about.
    """

    is_rebuildable: bool
    task: str = ""
    inputs: tuple[str, ...] = ()
    reason: str = ""


@dataclass(slots=True)
class _Walk:
    """What was read: producers of versions, and the inputs of those."""

    producers: dict[int, Row[Any]]
    inputs: dict[int, list[int]]
    gone: set[int]


def verdicts(
    connection: Connection,
    owner: Owner,
    targets: Collection[int],
    *,
    going: AbstractSet[int] = frozenset(),
) -> dict[int, Verdict]:
    """Return for versions that are gone whether they could be made again, by row ids.

    Args:
        going: Versions to be taken for gone, though they are there.
    """
    walk = _walked(connection, targets, going)
    able: set[int] = set()
    changed = True
    # From nothing upwards: what could only be made from itself cannot be made.
    while changed:
        before = len(able)
        for one in reversed(list(walk.producers)):
            if one not in able and not _hindrance(walk, one, able):
                able.add(one)
        changed = len(able) > before
    wanted = set(targets)
    read = {i for one in wanted for i in _inputs_of(walk, one)}
    known = lookup.versions_by_id(connection, owner, sorted(read))
    names = {row_id: str(found) for row_id, found in known.items()}
    return {one: _verdict(walk, one, able, names) for one in wanted}


def _verdict(walk: _Walk, one: int, able: set[int], names: dict[int, str]) -> Verdict:
    hindrance = _hindrance(walk, one, able)
    producer = walk.producers.get(one)
    inputs = tuple(names[row_id] for row_id in _inputs_of(walk, one))
    if producer is None or hindrance:
        lost = [row_id for row_id in _inputs_of(walk, one) if _lacks(walk, row_id, able)]
        named = f"{names[lost[0]]} is gone and cannot be made again" if lost else ""
        return Verdict(is_rebuildable=False, inputs=inputs, reason=named or hindrance)
    caveat = "" if _is_in_commit(producer) else "its code is in no commit: known by digest only"
    return Verdict(is_rebuildable=True, task=producer.task, inputs=inputs, reason=caveat)


def _hindrance(walk: _Walk, one: int, able: set[int]) -> str:
    """Return why a version could not be made again; empty if it could."""
    producer = walk.producers.get(one)
    if producer is None or producer.run_id is None:
        return "no run of ours made it" if producer is not None else "too far upstream to tell"
    if producer.state != RunState.SUCCEEDED:
        return f"its run ended as {producer.state}"
    if producer.kind != "task":
        return "it was made by hand"
    if producer.code_id is None:
        return "its code is not known"
    if any(_lacks(walk, row_id, able) for row_id in _inputs_of(walk, one)):
        return "an input is gone and cannot be made again"
    return ""


def _lacks(walk: _Walk, row_id: int, able: set[int]) -> bool:
    return row_id in walk.gone and row_id not in able


def _inputs_of(walk: _Walk, one: int) -> list[int]:
    producer = walk.producers.get(one)
    return [] if producer is None else walk.inputs.get(producer.run_id, [])


def _is_in_commit(producer: Row[Any]) -> bool:
    return bool(producer.git_commit) and producer.git_dirty is False


def _walked(connection: Connection, targets: Collection[int], going: AbstractSet[int]) -> _Walk:
    """Read upstream from the targets as far as things are gone."""
    walk = _Walk({}, {}, set(targets))
    frontier = sorted(set(targets))
    while frontier and len(walk.producers) < _MOST:
        found = list(_producers(connection, frontier))
        walk.producers.update((row.id, row) for row in found)
        fresh = sorted({row.run_id for row in found if row.run_id} - walk.inputs.keys())
        read: set[int] = set()
        for run_id in fresh:
            walk.inputs[run_id] = []
        for run_id, version_id in _inputs(connection, fresh):
            walk.inputs[run_id].append(version_id)
            read.add(version_id)
        standing = _standing(connection, sorted(read - walk.gone), going)
        lost = read - walk.gone - standing
        walk.gone |= lost
        frontier = sorted(lost)
    return walk


def _producers(connection: Connection, ids: list[int]) -> Iterator[Any]:
    for some in chunks(ids):
        yield from connection.execute(
            select(
                version.c.id,
                version.c.run_id,
                run.c.state,
                run.c.kind,
                run.c.code_id,
                task.c.name.label("task"),
                code.c.git_commit,
                code.c.git_dirty,
            )
            .outerjoin(run, run.c.id == version.c.run_id)
            .outerjoin(task, task.c.id == run.c.task_id)
            .outerjoin(code, code.c.id == run.c.code_id)
            .where(version.c.id.in_(some))
        )


def _inputs(connection: Connection, runs: list[int]) -> Iterator[Any]:
    for some in chunks(runs):
        yield from connection.execute(
            select(run_input.c.run_id, run_input.c.version_id)
            .where(run_input.c.run_id.in_(some), run_input.c.version_id.is_not(None))
            .order_by(run_input.c.run_id, run_input.c.argument, run_input.c.ordinal)
        )


def _standing(connection: Connection, ids: list[int], going: AbstractSet[int]) -> set[int]:
    """Return those whose bytes are there: at their own place, or as another version."""
    found: set[int] = set()
    same = version.alias()
    is_there = or_(
        location.c.state == LocationState.PRESENT,
        (location.c.state == LocationState.SUPERSEDED) & (location.c.pin_version != ""),
    )
    for some in chunks(ids):
        query = (
            select(version.c.id, same.c.id.label("by"))
            .join(same, same.c.content_id == version.c.content_id)
            .join(location, location.c.version_id == same.c.id)
            .where(version.c.id.in_(some), is_there)
        )
        found.update(row.id for row in connection.execute(query) if row.by not in going)
    return found
