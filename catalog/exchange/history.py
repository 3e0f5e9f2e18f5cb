"""History: a version with everything it was made from, as one value to write documents of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rootcellar.catalog import lineage, lookup, names, runs
from rootcellar.catalog import tables as t
from rootcellar.catalog.resolving import resolve
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Table

    from rootcellar.catalog.resolving import Subject
    from rootcellar.catalog.values import Owner, Run, Version

__all__ = ["History", "Step", "history"]


@dataclass(frozen=True, slots=True)
class Step:
    """A run's reading or making of one version, as the argument `argument`."""

    run: str
    version: str
    argument: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A version, and all that is upstream of it, by uids.

    Attributes:
        versions: By uid, the target first, then nearest first.
        runs: By uid: those that made the versions, in the order of their starts.
        cut: Uids of runs of which inputs were left out because of a limit.
        note: Why, as a sentence; empty if this is all.
    """

    target: Version
    versions: Mapping[str, Version]
    runs: Mapping[str, Run]
    read: tuple[Step, ...]
    made: tuple[Step, ...]
    cut: frozenset[str]
    note: str


def history(connection: Connection, owner: Owner, x: Subject, *, max_nodes: int) -> History:
    """Return the version that `x` means with everything upstream of it.

    Raises:
        NotInCatalog: `x` is not recorded.
        CatalogError: `max_nodes` leads nowhere.
    """
    names.check_walk("upstream", max_nodes=max_nodes)
    start = lookup.row_id(connection, resolve(connection, owner, x).uid)
    walk = lineage.walk(
        connection, start, direction="upstream", max_nodes=max_nodes, max_depth=None
    )
    versions = lookup.versions_by_id(connection, owner, list(walk.depths))
    between = runs.runs_by_id(connection, owner, sorted(set(walk.made_by.values())))
    read, is_cut = _read(connection, versions, between)
    nearest = sorted(versions, key=lambda one: (walk.depths[one], versions[one].order))
    started = sorted(between.values(), key=lambda run: (run.started_at, run.uid))
    return History(
        target=versions[start],
        versions={versions[one].uid: versions[one] for one in nearest},
        runs={run.uid: run for run in started},
        read=read,
        made=_made(connection, versions, between),
        cut=is_cut,
        note=walk.truncated,
    )


def _read(
    connection: Connection, versions: Mapping[int, Version], between: Mapping[int, Run]
) -> tuple[tuple[Step, ...], frozenset[str]]:
    """Return the readings of versions that were found, and the runs that read others as well."""
    steps: dict[Step, None] = {}
    cut: set[str] = set()
    for row in _edges(connection, t.run_input, sorted(between)):
        if row.version_id in versions:
            run, version = between[row.run_id].uid, versions[row.version_id].uid
            steps[Step(run, version, row.argument)] = None
        elif row.version_id is not None:
            cut.add(between[row.run_id].uid)
    return tuple(steps), frozenset(cut)


def _made(
    connection: Connection, versions: Mapping[int, Version], between: Mapping[int, Run]
) -> tuple[Step, ...]:
    return tuple(
        Step(between[row.run_id].uid, versions[row.version_id].uid, row.argument)
        for row in _edges(connection, t.run_output, sorted(between))
        if row.version_id in versions
        and versions[row.version_id].run_uid == between[row.run_id].uid
    )


def _edges(connection: Connection, table: Table, run_ids: Sequence[int]) -> list[Any]:
    found: list[Any] = []
    for some in chunks(run_ids):
        query = (
            select(table.c.run_id, table.c.argument, table.c.version_id)
            .where(table.c.run_id.in_(some))
            .order_by(table.c.run_id, table.c.argument, table.c.ordinal)
        )
        found += connection.execute(query)
    return found
