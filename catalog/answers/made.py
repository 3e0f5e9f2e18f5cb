"""Runs with what they read, many in a few queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from rootcellar.catalog import lookup, runs
from rootcellar.catalog import tables as t
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Table

    from rootcellar.catalog.values import Owner, Run, Version

__all__ = ["Made", "Read", "made_by"]


@dataclass(frozen=True, slots=True)
class Read:
    """What stood at one place among a run's inputs or outputs; None if nothing was there."""

    argument: str
    ordinal: int
    version: Version | None


@dataclass(frozen=True, slots=True)
class Made:
    """A run, what it read and the names of the arguments that it wrote."""

    run: Run
    reads: tuple[Read, ...]
    writes: tuple[Read, ...]

    @property
    def staged(self) -> set[str]:
        """The arguments that are files."""
        return {one.argument for one in (*self.reads, *self.writes)}


def made_by(connection: Connection, owner: Owner, uids: Iterable[str]) -> dict[str, Made]:
    """Return runs by their uids; those that are not recorded are left out."""
    found: dict[int, Run] = {}
    for some in chunks(sorted(set(uids))):
        query = select(t.run.c.id).where(t.run.c.uid.in_(some))
        found |= runs.runs_by_id(connection, owner, connection.execute(query).scalars().all())
    reads = _edges(connection, owner, t.run_input, list(found))
    writes = _edges(connection, owner, t.run_output, list(found))
    return {
        one.uid: Made(one, tuple(reads.get(row_id, ())), tuple(writes.get(row_id, ())))
        for row_id, one in found.items()
    }


def _edges(
    connection: Connection, owner: Owner, table: Table, run_ids: list[int]
) -> dict[int, list[Read]]:
    rows = [
        row
        for some in chunks(run_ids)
        for row in connection.execute(
            select(table.c.run_id, table.c.argument, table.c.ordinal, table.c.version_id)
            .where(table.c.run_id.in_(some))
            .order_by(table.c.run_id, table.c.argument, table.c.ordinal)
        )
    ]
    ids = sorted({row.version_id for row in rows if row.version_id is not None})
    versions = lookup.versions_by_id(connection, owner, ids)
    edges: dict[int, list[Read]] = {}
    for row in rows:
        read = Read(row.argument, row.ordinal, versions.get(row.version_id))
        edges.setdefault(row.run_id, []).append(read)
    return edges
