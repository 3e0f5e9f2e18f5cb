"""Runs that did the same and gave something else."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, true

from rootcellar.catalog import lookup
from rootcellar.catalog import tables as t
from rootcellar.catalog.answers.plain import is_partial, plain_arguments
from rootcellar.catalog.canonical import digest_of
from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from rootcellar.catalog.values import Owner, Version

__all__ = ["Divergence", "divergence_table", "find_divergences"]

_COLUMNS = (
    Column("task", "str"),
    Column("type", "str"),
    Column("key", "json"),
    Column("first_seq", "int"),
    Column("second_seq", "int"),
    Column("is_same_environment", "bool"),
    Column("first_at", "time"),
    Column("second_at", "time"),
    Column("first_run", "str"),
    Column("second_run", "str"),
    Column("first", "str"),
    Column("second", "str"),
)


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """Two versions of one artifact from the same code, plain arguments and input contents.

    Attributes:
        is_same_environment: Whether Python, platform, image and packages were the same, too; None
            if that is not recorded.
    """

    first: Version
    second: Version
    is_same_environment: bool | None

    def __str__(self) -> str:
        told = {True: "", False: ", in another environment", None: ", environment not recorded"}
        return (
            f"{self.second.task} made {self.second} with other content than version "
            f"{self.first.seq}{told[self.is_same_environment]}"
        )


@dataclass(frozen=True, slots=True)
class _Production:
    """A version and the run that made it, by row ids."""

    version_id: int
    content_id: int
    algorithm: str
    environment_id: int | None


def find_divergences(
    connection: Connection, owner: Owner, *, tasks: Sequence[str] | None, max_rows: int
) -> list[Divergence]:
    """Return pairs of versions that should be equal and are not, each with the one before it.

    Args:
        tasks: Of these only; None for all.
        max_rows: Stop after so many.
    """
    is_asked = _of_tasks(connection, tasks)
    pairs: list[tuple[_Production, _Production]] = []
    for some in chunks(_candidates(connection, is_asked)):
        for made in _alike(connection, some, is_asked):
            pairs += _unequal(made)
        if len(pairs) >= max_rows:
            break
    pairs = pairs[:max_rows]
    ids = {one.version_id for pair in pairs for one in pair}
    versions = lookup.versions_by_id(connection, owner, sorted(ids))
    return [
        Divergence(
            first=versions[first.version_id],
            second=versions[second.version_id],
            is_same_environment=None
            if None in {first.environment_id, second.environment_id}
            else first.environment_id == second.environment_id,
        )
        for first, second in pairs
    ]


def divergence_table(found: Sequence[Divergence], *, note: str) -> Table[Divergence]:
    """Return them as a table."""
    rows = [
        (
            one.second.task,
            one.second.type,
            one.second.key,
            one.first.seq,
            one.second.seq,
            one.is_same_environment,
            one.first.recorded_at,
            one.second.recorded_at,
            one.first.run_uid,
            one.second.run_uid,
            one.first.uid,
            one.second.uid,
        )
        for one in found
    ]
    return Table(_COLUMNS, rows, found, note)


def _of_tasks(connection: Connection, tasks: Sequence[str] | None) -> ColumnElement[bool]:
    """Return what the runs of these tasks fulfil."""
    if tasks is None:
        return true()
    named = select(t.task.c.id).where(t.task.c.name.in_(tasks))
    return t.run.c.task_id.in_(connection.execute(named).scalars().all())


def _candidates(connection: Connection, is_asked: ColumnElement[bool]) -> list[int]:
    """Return the artifacts that one code of one task made with several contents."""
    query = (
        select(t.version.c.artifact_id)
        .join(t.run, t.run.c.id == t.version.c.run_id)
        .join(t.code, t.code.c.id == t.run.c.code_id)
        .where(is_asked)
        .group_by(t.version.c.artifact_id, t.run.c.task_id, t.code.c.source_digest)
        .having(func.count(t.version.c.content_id.distinct()) > 1)
        .order_by(t.version.c.artifact_id)
    )
    return list(dict.fromkeys(connection.execute(query).scalars()))


def _alike(
    connection: Connection, artifacts: Sequence[int], is_asked: ColumnElement[bool]
) -> Iterator[list[_Production]]:
    """Yield the productions of each artifact by the same means, as they were recorded."""
    query: Select[Any] = (
        select(
            t.version.c.id,
            t.version.c.artifact_id,
            t.version.c.content_id,
            t.version.c.run_id,
            t.content.c.digest,
            *(t.run.c[name] for name in ("task_id", "environment_id", "arguments")),
            t.code.c.source_digest,
        )
        .join(t.content, t.content.c.id == t.version.c.content_id)
        .join(t.run, t.run.c.id == t.version.c.run_id)
        .join(t.code, t.code.c.id == t.run.c.code_id)
        .where(t.version.c.artifact_id.in_(artifacts), is_asked)
        .order_by(t.version.c.artifact_id, t.version.c.recorded_at, t.version.c.id)
    )
    rows = connection.execute(query).all()
    run_ids = sorted({row.run_id for row in rows})
    reads, writes = _reads(connection, run_ids), _writes(connection, run_ids)
    alike: dict[Any, list[_Production]] = defaultdict(list)
    for row in rows:
        read = reads.get(row.run_id, ())
        staged = {argument for argument, *_ in read} | writes.get(row.run_id, set())
        means = (row.artifact_id, row.task_id, row.source_digest, _plain(row, staged), read)
        algorithm = row.digest.partition(":")[0]
        alike[means].append(_Production(row.id, row.content_id, algorithm, row.environment_id))
    yield from alike.values()


def _unequal(made: Sequence[_Production]) -> Iterator[tuple[_Production, _Production]]:
    """Yield each production with the one before it, where their contents differ."""
    for first, second in pairwise(made):
        if first.content_id != second.content_id and first.algorithm == second.algorithm:
            yield first, second


def _plain(row: Row[Any], staged: set[str]) -> tuple[Any, ...]:
    """Return what stands for the arguments that are no files.

    Where a secret or something too long is among them, nothing is known to be equal.
    """
    plain = plain_arguments(row.arguments, staged)
    if is_partial(plain):
        return ("unknown", row.id)
    return (str(digest_of(plain)),)


def _reads(connection: Connection, run_ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    """Return which contents of which artifacts each run read, and as what."""
    found: dict[int, list[Any]] = defaultdict(list)
    for some in chunks(run_ids):
        query = (
            select(
                *(t.run_input.c[name] for name in ("run_id", "argument", "ordinal")),
                t.version.c.artifact_id,
                t.version.c.content_id,
            )
            .outerjoin(t.version, t.version.c.id == t.run_input.c.version_id)
            .where(t.run_input.c.run_id.in_(some))
            .order_by(t.run_input.c.run_id, t.run_input.c.argument, t.run_input.c.ordinal)
        )
        for row in connection.execute(query):
            found[row.run_id].append(tuple(row)[1:])
    return {run_id: tuple(read) for run_id, read in found.items()}


def _writes(connection: Connection, run_ids: Sequence[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for some in chunks(run_ids):
        query = select(t.run_output.c.run_id, t.run_output.c.argument).where(
            t.run_output.c.run_id.in_(some)
        )
        for run_id, argument in connection.execute(query):
            found[run_id].add(argument)
    return found
