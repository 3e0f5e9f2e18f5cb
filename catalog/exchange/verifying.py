"""Comparing two catalogs by counts: is all of one in the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from rootcellar.catalog import tables as t
from rootcellar.catalog.upserts import chunks
from rootcellar.schemas.errors import CatalogError
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Table

    from rootcellar.catalog.engine import Database

__all__ = ["verify"]

_BATCH = 900


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


def verify(source: Database, target: Database) -> int:
    """Return how many versions of `source` stand in `target` under another uid.

    Every run must be there with as many inputs, outputs and errors; every version by its uid or as
    the same sighting; every type by its name.

    Raises:
        CatalogError: Something is not.
    """
    names = {one for some in _pages(source, t.artifact_type, "name") for one in some}
    there = {one for some in _pages(target, t.artifact_type, "name") for one in some}
    _refuse("types", sorted(names - there))
    for uids in _pages(source, t.run, "uid"):
        ours, theirs = (side.read(partial(_tallies, uids=uids)) for side in (source, target))
        _refuse("runs", [uid for uid in uids if _is_less(ours.get(uid), theirs.get(uid))])
    joined = 0
    for uids in _pages(source, t.version, "uid"):
        known = target.read(partial(_known, uids=uids))
        missing = [uid for uid in uids if uid not in known]
        joined += len(missing)
        _refuse("versions", _unseen(source, target, missing))
    return joined


def _pages(database: Database, table: Table, column: str) -> Iterator[list[str]]:
    last = 0
    while True:
        query = (
            select(table.c.id, table.c[column])
            .where(table.c.id > last)
            .order_by(table.c.id)
            .limit(_BATCH)
        )
        rows = database.read(partial(_rows, query=query))
        if not rows:
            return
        yield [name for _, name in rows]
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
    ours = source.read(lambda connection: _sightings(connection, t.version.c.uid, uids))
    places = sorted({one.uri_digest for one in ours})
    theirs = target.read(lambda connection: _sightings(connection, t.location.c.uri_digest, places))
    return sorted(uid for one, uid in ours.items() if one not in theirs)


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


def _refuse(what: str, missing: Sequence[str]) -> None:
    if missing:
        raise CatalogError(
            f"after merging, {len(missing)} {what} are not in the other catalog as they are here, "
            f"such as {missing[0]}",
            remedy="Merge once more; if it stays so, report it",
        )
