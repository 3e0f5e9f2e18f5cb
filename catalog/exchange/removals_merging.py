"""Merging of what was deleted, or found to be gone: what is gone on one side is gone on both."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select, update

from rootcellar.catalog.exchange.marks_merging import ids_there
from rootcellar.catalog.tables import LocationState, location, removal, version
from rootcellar.catalog.upserts import insert_missing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from rootcellar.catalog.engine import Database

__all__ = ["merge_removals"]

_BATCH = 900
_STANDING = (LocationState.PRESENT, LocationState.SUPERSEDED)


class _Gone(NamedTuple):
    """One version whose bytes are gone, by its row id and uid in one of the catalogs."""

    row_id: int
    uid: str
    state: str
    policy: str
    asked_at: datetime
    done_at: datetime
    freed_bytes: int


def merge_removals(source: Database, target: Database) -> int:
    """Enter what is gone in one catalog into another; return how many versions that were.

    Safe to repeat. What was only announced is nobody else's. Bytes that the other catalog saw
    after they were found to be gone stay.
    """
    new = last = 0
    while gone := source.read(partial(_gone_after, row_id=last)):
        last = gone[-1].row_id
        ids = ids_there(source, target, [one.uid for one in gone])
        there = [one._replace(row_id=ids[one.uid]) for one in gone if one.uid in ids]
        new += target.write(partial(_enter, gone=there))
    return new


def _gone_after(connection: Connection, *, row_id: int) -> list[_Gone]:
    query = (
        select(
            version.c.id,
            version.c.uid,
            location.c.state,
            removal.c.policy,
            removal.c.asked_at,
            removal.c.done_at,
            removal.c.freed_bytes,
        )
        .join(removal, removal.c.version_id == version.c.id)
        .join(location, location.c.version_id == version.c.id)
        .where(
            version.c.id > row_id,
            removal.c.done_at.is_not(None),
            location.c.state.not_in(_STANDING),
        )
        .order_by(version.c.id)
        .limit(_BATCH)
    )
    return [_Gone(*row) for row in connection.execute(query)]


def _enter(connection: Connection, *, gone: Sequence[_Gone]) -> int:
    new = 0
    for one in sorted(gone):
        seen_later = select(version.c.id).where(
            version.c.id == one.row_id,
            version.c.recorded_at > one.done_at,
        )
        changed = connection.execute(
            update(location)
            .where(
                location.c.version_id == one.row_id,
                location.c.state.in_(_STANDING),
                ~seen_later.exists(),
            )
            .values(state=one.state)
        )
        if not changed.rowcount:
            continue
        new += 1
        row = {"version_id": one.row_id, "policy": "", "asked_at": one.asked_at, "freed_bytes": 0}
        insert_missing(connection, removal, [row])
        told = {
            "policy": one.policy,
            "asked_at": one.asked_at,
            "done_at": one.done_at,
            "freed_bytes": one.freed_bytes,
        }
        connection.execute(update(removal).where(removal.c.version_id == one.row_id).values(told))
    return new
