"""Comparing two catalogs by counts: is all of one in the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from rootcellar.catalog import tables as t
from rootcellar.catalog.upserts import chunks
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Table

    from rootcellar.catalog.engine import Database

__all__ = ["Bounds", "Comparison", "bounds", "seen_as", "verify"]

_BATCH = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The last run and version of a catalog at some moment, by row id."""

    run: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What one catalog has and the other has not, or less of.

    Attributes:
        joined: Versions that the other has under another uid.
    """

    joined: int
    types: tuple[str, ...]
    runs: tuple[str, ...]
    versions: tuple[str, ...]

    @property
    def differences(self) -> str:
        """What is missing, as words; empty if nothing is."""
        parts = {"types": self.types, "runs": self.runs, "versions": self.versions}
        return ", ".join(
            f"{len(missing)} {name} such as {missing[0]}"
            for name, missing in parts.items()
            if missing
        )


class _Tally(NamedTuple):
    """How much of a run is recorded."""

    state: str
    inputs: int = 0
    outputs: int = 0
    errors: int = 0


class _Sighting(NamedTuple):
    """Which bytes of which artifact stood where in which state."""

    type: str
    key_digest: bytes
    digest: str
    uri_digest: bytes
    etag: str
    version_id: str


def bounds(connection: Connection) -> Bounds:
    """Return up to where a catalog is recorded at present."""
    last = (connection.execute(select(func.max(one.c.id))).scalar() for one in (t.run, t.version))
    run, version = last
    return Bounds(run=run or 0, version=version or 0)


def verify(source: Database, target: Database, upto: Bounds) -> Comparison:
    """Compare what `source` had at some moment with what `target` has now.

    Every run must be there with as many inputs, outputs and errors; every version by its uid or as
    the same sighting; every type by its name.
    """
    runs: list[str] = []
    for uids in _pages(source, t.run, upto.run):
        ours, theirs = (side.read(partial(_tallies, uids=uids)) for side in (source, target))
        runs += [uid for uid in uids if _is_less(ours.get(uid), theirs.get(uid))]
    joined, versions = 0, []
    for uids in _pages(source, t.version, upto.version):
        known = target.read(partial(_known, uids=uids))
        missing = [uid for uid in uids if uid not in known]
        joined += len(missing)
        versions += _unseen(source, target, missing)
    names = source.read(_types) - target.read(_types)
    return Comparison(
        joined=joined, types=tuple(sorted(names)), runs=tuple(runs), versions=tuple(versions)
    )


def _types(connection: Connection) -> set[str]:
    return set(connection.execute(select(t.artifact_type.c.name)).scalars())


def _pages(database: Database, table: Table, upto: int) -> Iterator[list[str]]:
    last = 0
    while True:
        query = (
            select(table.c.id, table.c.uid)
            .where(table.c.id > last, table.c.id <= upto)
            .order_by(table.c.id)
            .limit(_BATCH)
        )
        rows = database.read(partial(_rows, query=query))
        if not rows:
            return
        yield [uid for _, uid in rows]
        last = rows[-1][0]


def _tallies(connection: Connection, uids: Sequence[str]) -> dict[str, _Tally]:
    query = select(t.run.c.uid, t.run.c.state).where(t.run.c.uid.in_(uids))
    found = {uid: _Tally(state) for uid, state in connection.execute(query)}
    parts = {"inputs": t.run_input, "outputs": t.run_output, "errors": t.run_error}
    for name, table in parts.items():
        counts = (
            select(t.run.c.uid, func.count())
            .join(table, table.c.run_id == t.run.c.id)
            .where(t.run.c.uid.in_(uids))
            .group_by(t.run.c.uid)
        )
        for uid, count in connection.execute(counts):
            found[uid] = found[uid]._replace(**{name: count})
    return found


def _is_less(ours: _Tally | None, theirs: _Tally | None) -> bool:
    """Tell whether the other catalog knows less; it may know a later state of the run."""
    if ours is None:
        return False
    if theirs is None:
        return True
    is_open = ours.state in {RunState.RUNNING, RunState.LOST}
    return theirs != ours and not (is_open and theirs.state != ours.state)


def _known(connection: Connection, uids: Sequence[str]) -> set[str]:
    query = select(t.version.c.uid).where(t.version.c.uid.in_(uids))
    return set(connection.execute(query).scalars())


def _rows(connection: Connection, query: Any) -> Sequence[Any]:
    return connection.execute(query).all()


def _unseen(source: Database, target: Database, uids: Sequence[str]) -> list[str]:
    """Return those of these versions that the other catalog has in no shape."""
    if not uids:
        return []
    return sorted(set(uids) - seen_as(source, target, uids).keys())


def seen_as(source: Database, target: Database, uids: Sequence[str]) -> dict[str, str]:
    """Return under which uids the other catalog has these sightings, as far as it has."""
    ours = source.read(lambda connection: _sightings(connection, t.version.c.uid, uids))
    places = sorted({one.uri_digest for one in ours})
    theirs = target.read(lambda connection: _sightings(connection, t.location.c.uri_digest, places))
    return {uid: theirs[one] for one, uid in ours.items() if one in theirs}


def _sightings(connection: Connection, column: Any, values: Sequence[Any]) -> dict[_Sighting, str]:
    found: dict[_Sighting, str] = {}
    for some in chunks(values):
        query = (
            select(
                t.artifact_type.c.name,
                t.artifact.c.key_digest,
                t.content.c.digest,
                t.location.c.uri_digest,
                t.location.c.pin_etag,
                t.location.c.pin_version,
                t.version.c.uid,
            )
            .select_from(t.version)
            .join(t.artifact, t.artifact.c.id == t.version.c.artifact_id)
            .join(t.artifact_type, t.artifact_type.c.id == t.artifact.c.type_id)
            .join(t.content, t.content.c.id == t.version.c.content_id)
            .join(t.location, t.location.c.version_id == t.version.c.id)
            .where(column.in_(some))
        )
        for name, key, digest, place, etag, version_id, uid in connection.execute(query):
            found[_Sighting(name, bytes(key), digest, bytes(place), etag, version_id)] = uid
    return found
