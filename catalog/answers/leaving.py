"""Which versions the retention of their types leaves over."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rootcellar.catalog import lookup
from rootcellar.catalog import tables as t
from rootcellar.catalog.aliases import last_settings
from rootcellar.catalog.mark_tables import alias
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from rootcellar.schemas.retention import Retention

__all__ = ["Leaving", "left_over"]

_DAY = timedelta(days=1)
_STANDING = (t.LocationState.PRESENT, t.LocationState.SUPERSEDED)
_Object = tuple[bytes, str]


@dataclass(slots=True)
class Leaving:
    """Versions that go, by row id, each with the object that it is."""

    objects: dict[int, _Object]
    types: dict[int, str]

    def drop(self, ids: Iterable[int]) -> None:
        """Keep these versions after all."""
        for one in ids:
            self.objects.pop(one, None)


def left_over(connection: Connection, policies: Mapping[str, Retention], now: datetime) -> Leaving:
    """Return the versions that nothing keeps: no rule of their type, no alias, no other version.

    Only what a run of ours made, and whose bytes were there when last heard of.
    """
    leaving = Leaving({}, {})
    for name in sorted(policies):
        for one in _beyond(connection, name, policies[name], now):
            leaving.objects[one.id] = _object_of(one)
            leaving.types[one.id] = name
    leaving.drop(_aliased(connection))
    used = {name for name, policy in policies.items() if policy.used}
    readers = _readers(connection, [one for one in leaving.objects if leaving.types[one] in used])
    made = _made_by(connection, {run for runs in readers.values() for run in runs})
    others = _sharing(connection, leaving)
    while kept := _kept(leaving, readers, made, others):
        leaving.drop(kept)
    return leaving


def _aliased(connection: Connection) -> list[int]:
    """Return the versions that an alias stands for now."""
    query = select(alias.c.version_id).where(
        alias.c.id.in_(last_settings()), alias.c.version_id.is_not(None)
    )
    return list(connection.execute(query).scalars())


def _kept(
    leaving: Leaving,
    readers: Mapping[int, set[int]],
    made: Mapping[int, set[int]],
    others: Mapping[_Object, set[int]],
) -> list[int]:
    """Return those that kept runs read, and those whose object another kept version is."""
    going = leaving.objects.keys()
    is_kept = {run for run, versions in made.items() if versions - going}
    return [
        one
        for one, place in leaving.objects.items()
        if readers.get(one, set()) & is_kept or others.get(place, set()) - going
    ]


def _beyond(
    connection: Connection, name: str, policy: Retention, now: datetime
) -> Iterable[Row[Any]]:
    """Yield the versions of a type that are neither among the newest nor young enough."""
    row_id = lookup.type_id(connection, name)
    if row_id is None:
        return
    query = (
        select(
            t.version.c.id,
            t.version.c.artifact_id,
            t.version.c.recorded_at,
            t.version.c.origin,
            t.content.c.kind,
            t.artifact_head.c.version_id.label("head"),
            *t.location.c,
        )
        .join(t.artifact, t.artifact.c.id == t.version.c.artifact_id)
        .join(t.artifact_head, t.artifact_head.c.artifact_id == t.artifact.c.id)
        .join(t.content, t.content.c.id == t.version.c.content_id)
        .join(t.location, t.location.c.version_id == t.version.c.id)
        .where(t.artifact.c.type_id == row_id, t.location.c.state.in_(_STANDING))
        .order_by(t.version.c.artifact_id, t.version.c.recorded_at.desc(), t.version.c.id.desc())
    )
    artifact, newer = None, 0
    for one in connection.execute(query):
        if not _has_bytes(one):
            continue
        newer = newer + 1 if one.artifact_id == artifact else 0
        artifact = one.artifact_id
        is_last = newer < policy.last or (policy.last > 0 and one.id == one.head)
        if one.origin == "run" and not is_last and not _is_young(one, policy, now):
            yield one


def _is_young(one: Row[Any], policy: Retention, now: datetime) -> bool:
    if policy.days is None:
        return False
    # Not the moment so many days ago, which no calendar may hold.
    age: timedelta = now - one.recorded_at
    return age / _DAY < policy.days


def _has_bytes(one: Row[Any]) -> bool:
    """Tell whether something of it is there beside what came after it.

    A file that was written over is gone, unless its store keeps versions; the members of a folder
    stay where they are.
    """
    is_over = one.state == t.LocationState.SUPERSEDED
    return not is_over or bool(one.pin_version) or one.kind == "folder"


def _object_of(one: Row[Any]) -> _Object:
    return bytes(one.uri_digest), one.pin_version or f"{one.pin_etag}/{one.pin_size}"


def _readers(connection: Connection, ids: list[int]) -> dict[int, set[int]]:
    """Return the runs that read versions."""
    found: dict[int, set[int]] = defaultdict(set)
    table = t.run_input
    for some in chunks(sorted(ids)):
        query = select(table.c.version_id, table.c.run_id).where(table.c.version_id.in_(some))
        for version_id, run_id in connection.execute(query):
            found[version_id].add(run_id)
    return found


def _made_by(connection: Connection, runs: set[int]) -> dict[int, set[int]]:
    """Return the versions that runs made or took over and that are there."""
    found: dict[int, set[int]] = defaultdict(set)
    for some in chunks(sorted(runs)):
        query = (
            select(t.run_output.c.run_id, t.content.c.kind, *t.location.c)
            .join(t.version, t.version.c.id == t.run_output.c.version_id)
            .join(t.content, t.content.c.id == t.version.c.content_id)
            .join(t.location, t.location.c.version_id == t.version.c.id)
            .where(t.run_output.c.run_id.in_(some), t.location.c.state.in_(_STANDING))
        )
        for one in connection.execute(query):
            if _has_bytes(one):
                found[one.run_id].add(one.version_id)
    return found


def _sharing(connection: Connection, leaving: Leaving) -> dict[_Object, set[int]]:
    """Return all versions that are the same objects as those that go."""
    wanted = set(leaving.objects.values())
    found: dict[_Object, set[int]] = defaultdict(set)
    for some in chunks(sorted({place for place, _ in wanted})):
        query = select(*t.location.c).where(
            t.location.c.uri_digest.in_(some), t.location.c.state.in_(_STANDING)
        )
        for one in connection.execute(query):
            if (place := _object_of(one)) in wanted:
                found[place].add(one.version_id)
    return found
