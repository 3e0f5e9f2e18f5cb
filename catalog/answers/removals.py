"""Versions whose bytes go or are gone: announced, done, and told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from rootcellar.catalog import lookup
from rootcellar.catalog import tables as t
from rootcellar.catalog.answers.asking import cut_note, type_conditions
from rootcellar.catalog.answers.leaving import left_over
from rootcellar.catalog.answers.rebuilding import Verdict, verdicts
from rootcellar.catalog.drawing.table import Column, Row, Table
from rootcellar.catalog.upserts import chunks, insert_missing
from rootcellar.catalog.values import Version
from rootcellar.catalog.wording import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from rootcellar.catalog.values import Owner
    from rootcellar.schemas.retention import Retention

__all__ = ["Deleted", "Retiring", "announce", "deleted", "finish", "retiring", "withdraw"]

_GOES = (
    Column("artifact", "str"),
    Column("seq", "int"),
    Column("recorded_at", "time"),
    Column("size_bytes", "int"),
    Column("policy", "str"),
    Column("is_rebuildable", "bool"),
    Column("task", "str"),
    Column("inputs", "json"),
    Column("reason", "str"),
    Column("uri", "str"),
    Column("version", "str"),
)
_GONE = (
    Column("artifact", "str"),
    Column("seq", "int"),
    Column("state", "str"),
    Column("at", "time"),
    Column("policy", "str"),
    Column("freed_bytes", "int"),
    Column("uri", "str"),
    Column("version", "str"),
)
_REBUILDABLE = (
    Column("artifact", "str"),
    Column("seq", "int"),
    Column("is_rebuildable", "bool"),
    Column("task", "str"),
    Column("inputs", "json"),
    Column("reason", "str"),
    Column("version", "str"),
)


@dataclass(frozen=True, repr=False)
class Retiring(Table[Version]):
    """What the retention of the types leaves over: nothing is deleted yet.

    The columns `is_rebuildable`, `task`, `inputs` and `reason` tell whether each could be made
    again once all of them are gone, by what and from what, or why not.

    Attributes:
        freed_bytes: That deleting all of them would free.
        policies: By which each type is judged.
    """

    freed_bytes: int = 0
    policies: Mapping[str, Retention] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Deleted(Table[Version]):
    """Versions whose bytes were deleted, or found missing, the last first."""

    verdicts: Sequence[Verdict] = ()

    def rebuildable(self) -> Table[Row]:
        """Return for each whether it could be made again: by which task, from what, or why not.

        Its run succeeded, its code is known, and what it read is there or rebuildable itself.
        """
        rows: list[tuple[object, ...]] = []
        for one, verdict in zip(self.items, self.verdicts, strict=True):
            told = _told(verdict)
            rows.append((one.artifact, one.seq, *told, one.uid))
        able = sum(verdict.is_rebuildable for verdict in self.verdicts)
        return Table(_REBUILDABLE, rows, note=f"{able} of {len(rows)} can be made again")


def _told(verdict: Verdict) -> tuple[object, ...]:
    return (
        verdict.is_rebuildable,
        verdict.task or None,
        list(verdict.inputs),
        verdict.reason or None,
    )


def retiring(
    connection: Connection, owner: Owner, policies: Mapping[str, Retention], now: datetime
) -> Retiring:
    """Return what the policies leave over, the largest first."""
    leaving = left_over(connection, policies, now)
    ids = sorted(leaving.objects)
    found = lookup.versions_by_id(connection, owner, ids)
    judged = verdicts(connection, owner, ids, going=set(ids))
    ordered = sorted(ids, key=lambda one: (-found[one].size_bytes, found[one].order))
    once = {leaving.objects[one]: found[one].size_bytes for one in ids}
    freed = sum(once.values())
    able = sum(verdict.is_rebuildable for verdict in judged.values())
    rows: list[tuple[object, ...]] = [
        (
            found[one].artifact,
            found[one].seq,
            found[one].recorded_at,
            found[one].size_bytes,
            str(policies[leaving.types[one]]),
            *_told(judged[one]),
            found[one].uri,
            found[one].uid,
        )
        for one in ordered
    ]
    counted = f"{len(ids)} version{'' if len(ids) == 1 else 's'}"
    note = f"{counted}, {size(freed)}; {able} of them could be made again"
    return Retiring(
        _GOES,
        rows,
        [found[one] for one in ordered],
        note=note,
        freed_bytes=freed,
        policies=dict(policies),
    )


def announce(connection: Any, uids: Mapping[str, str], at: datetime) -> set[str]:
    """Enter that versions are about to be deleted, each by its policy.

    Returns:
        Those of which that was entered before.
    """
    ids = _ids(connection, uids)
    names = {row_id: uid for uid, row_id in ids.items()}
    before: set[str] = set()
    for some in chunks(sorted(names)):
        query = select(t.removal.c.version_id).where(t.removal.c.version_id.in_(some))
        before.update(names[row_id] for row_id in connection.execute(query).scalars())
    rows = [
        {"version_id": ids[uid], "policy": policy, "asked_at": at, "freed_bytes": 0}
        for uid, policy in sorted(uids.items(), key=lambda item: ids.get(item[0], 0))
        if uid in ids
    ]
    insert_missing(connection, t.removal, rows)
    return before


def finish(
    connection: Any, gone: Mapping[str, int | None], policies: Mapping[str, str], at: datetime
) -> None:
    """Enter that versions are gone: how many bytes were deleted, or None if they were missing."""
    ids = _ids(connection, gone)
    for uid in sorted(ids, key=lambda uid: ids[uid]):
        freed, row_id = gone[uid], ids[uid]
        standing = t.location.c.state.in_([t.LocationState.PRESENT, t.LocationState.SUPERSEDED])
        state = t.LocationState.MISSING if freed is None else t.LocationState.DELETED
        changed = connection.execute(
            update(t.location)
            .where(t.location.c.version_id == row_id, standing)
            .values(state=state)
        )
        if not changed.rowcount:
            continue
        policy = policies.get(uid, "")
        row = {"version_id": row_id, "policy": policy, "asked_at": at, "freed_bytes": 0}
        insert_missing(connection, t.removal, [row])
        done = {"done_at": at, "freed_bytes": freed or 0}
        connection.execute(update(t.removal).where(t.removal.c.version_id == row_id).values(done))


def withdraw(connection: Any, kept: Iterable[str]) -> int:
    """Take back what was announced and not done, but for these versions; return how many."""
    uids = set(kept)
    query = select(t.removal.c.version_id, t.version.c.uid).join(
        t.version, t.version.c.id == t.removal.c.version_id
    )
    open_ = connection.execute(query.where(t.removal.c.done_at.is_(None))).all()
    stale = sorted(row.version_id for row in open_ if row.uid not in uids)
    for some in chunks(stale):
        connection.execute(
            delete(t.removal).where(t.removal.c.version_id.in_(some), t.removal.c.done_at.is_(None))
        )
    return len(stale)


def deleted(connection: Connection, owner: Owner, *, type_name: str | None, limit: int) -> Deleted:
    """Return versions whose bytes were deleted or found missing, the last first."""
    query = (
        select(t.removal, t.location.c.state)
        .join(t.version, t.version.c.id == t.removal.c.version_id)
        .join(t.artifact, t.artifact.c.id == t.version.c.artifact_id)
        .join(t.location, t.location.c.version_id == t.version.c.id)
        .where(t.removal.c.done_at.is_not(None), *type_conditions(connection, type_name, {}))
        .order_by(t.removal.c.done_at.desc(), t.removal.c.version_id)
        .limit(limit + 1)
    )
    found = connection.execute(query).all()
    shown = found[:limit]
    ids = [one.version_id for one in shown]
    versions = lookup.versions_by_id(connection, owner, ids)
    judged = verdicts(connection, owner, ids)
    rows: list[tuple[object, ...]] = [
        (
            versions[one.version_id].artifact,
            versions[one.version_id].seq,
            str(one.state),
            one.done_at,
            one.policy or None,
            one.freed_bytes,
            versions[one.version_id].uri,
            versions[one.version_id].uid,
        )
        for one in shown
    ]
    return Deleted(
        _GONE,
        rows,
        [versions[one] for one in ids],
        note=cut_note(len(found), limit),
        verdicts=[judged[one] for one in ids],
    )


def _ids(connection: Any, uids: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(sorted(uids)):
        query = select(t.version.c.uid, t.version.c.id).where(t.version.c.uid.in_(some))
        found.update((row.uid, row.id) for row in connection.execute(query))
    return found
