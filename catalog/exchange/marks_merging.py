"""Merging of tags and aliases: all that was ever said; of what was said on both sides, the last."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import insert, select, update

from rootcellar.catalog.exchange.verifying import seen_as
from rootcellar.catalog.mark_tables import alias, tag
from rootcellar.catalog.tables import version
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from rootcellar.catalog.engine import Database

__all__ = ["ids_there", "merge_marks"]

_BATCH = 900


class _Said(NamedTuple):
    """One setting of a tag, without when it ended. It sorts by time."""

    version_id: int
    key: str
    set_at: datetime
    value: str


class _Named(NamedTuple):
    """One setting of an alias."""

    name: str
    set_at: datetime
    version_id: int | None


def merge_marks(source: Database, target: Database) -> int:
    """Enter the tags and aliases of one catalog into another; return how many rows were new.

    Safe to repeat, and the same whichever is merged into which. A version that is recorded while
    the catalogs are merged is left for the next time, with what is said of it.
    """
    new = last = 0
    while rows := source.read(partial(_tags_after, row_id=last)):
        last = rows[-1][0]
        ids = ids_there(source, target, [uid for _, uid, *_ in rows])
        said = {
            _Said(ids[uid], key, set_at, value): removed_at
            for _, uid, key, value, set_at, removed_at in rows
            if uid in ids
        }
        new += target.write(partial(_enter_tags, said=said))
    last = 0
    while names := source.read(partial(_aliases_after, row_id=last)):
        last = names[-1][0]
        ids = ids_there(source, target, [uid for _, uid, *_ in names if uid is not None])
        named = [
            _Named(name, set_at, None if uid is None else ids[uid])
            for _, uid, name, set_at in names
            if uid is None or uid in ids
        ]
        new += target.write(partial(_enter_aliases, named=named))
    return new


def _tags_after(
    connection: Connection, *, row_id: int
) -> list[tuple[int, str, str, str, datetime, datetime | None]]:
    query = (
        select(tag.c.id, version.c.uid, tag.c.key, tag.c.value, tag.c.set_at, tag.c.removed_at)
        .join(version, version.c.id == tag.c.version_id)
        .where(tag.c.id > row_id)
        .order_by(tag.c.id)
        .limit(_BATCH)
    )
    return [tuple(row) for row in connection.execute(query)]


def _aliases_after(
    connection: Connection, *, row_id: int
) -> list[tuple[int, str | None, str, datetime]]:
    query = (
        select(alias.c.id, version.c.uid, alias.c.name, alias.c.set_at)
        .outerjoin(version, version.c.id == alias.c.version_id)
        .where(alias.c.id > row_id)
        .order_by(alias.c.id)
        .limit(_BATCH)
    )
    return [tuple(row) for row in connection.execute(query)]


def ids_there(source: Database, target: Database, uids: Sequence[str]) -> dict[str, int]:
    """Return the other catalog's row ids of versions, also of sightings with another uid there."""
    wanted = sorted(set(uids))
    ids = target.read(partial(_ids, uids=wanted))
    missing = [uid for uid in wanted if uid not in ids]
    if missing:
        names = seen_as(source, target, missing)
        there = target.read(partial(_ids, uids=sorted(set(names.values()))))
        ids.update((uid, there[name]) for uid, name in names.items() if name in there)
    return ids


def _ids(connection: Connection, *, uids: Sequence[str]) -> dict[str, int]:
    query = select(version.c.uid, version.c.id).where(version.c.uid.in_(uids))
    return {uid: row_id for uid, row_id in connection.execute(query)}  # noqa: C416  rows are no pairs


def _enter_tags(connection: Connection, *, said: Mapping[_Said, datetime | None]) -> int:
    versions = sorted({one.version_id for one in said})
    # Who writes on these versions waits, and in this order.
    locked = select(version.c.id).where(version.c.id.in_(versions)).order_by(version.c.id)
    connection.execute(locked.with_for_update(key_share=True))
    query = select(tag).where(tag.c.version_id.in_(versions))
    here, ids = {}, {}
    for row in connection.execute(query):
        one = _Said(row.version_id, row.key, row.set_at, row.value)
        here[one], ids[one] = row.removed_at, row.id
    wanted = _settled({**said, **here}, said, here)
    # First what ends: a key has one value that stands.
    for one, removed_at in wanted.items():
        if one in here and here[one] != removed_at:
            connection.execute(
                update(tag).where(tag.c.id == ids[one]).values(removed_at=removed_at)
            )
    rows = [
        {**one._asdict(), "removed_at": removed_at}
        for one, removed_at in wanted.items()
        if one not in here
    ]
    if rows:
        connection.execute(insert(tag), rows)
    return len(rows)


def _settled(
    both: Mapping[_Said, datetime | None], *sides: Mapping[_Said, datetime | None]
) -> dict[_Said, datetime | None]:
    """Return when each setting ended: when either side says, or when the next one was made."""
    settled: dict[_Said, datetime | None] = {}
    following: _Said | None = None
    for one in sorted(both, reverse=True):
        ends = [at for side in sides if (at := side.get(one)) is not None]
        if following is not None and following[:2] == one[:2]:
            ends.append(following.set_at)
        settled[one] = min(ends, default=None)
        following = one
    return dict(reversed(settled.items()))


def _enter_aliases(connection: Connection, *, named: Sequence[_Named]) -> int:
    here: set[_Named] = set()
    for some in chunks(sorted({one.name for one in named})):
        query = select(alias.c.name, alias.c.set_at, alias.c.version_id)
        here.update(_Named(*row) for row in connection.execute(query.where(alias.c.name.in_(some))))
    rows = [one._asdict() for one in dict.fromkeys(named) if one not in here]
    if rows:
        connection.execute(insert(alias), rows)
    return len(rows)
