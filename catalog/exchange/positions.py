"""How far a relay has come: a number up to which all runs were told of, and those still open.

Rows of `run` are numbered before their transactions are committed, so in Postgres a lower number
may appear after a higher one. Numbers that were passed over wait among the open ones for a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select, update

from rootcellar.catalog.tables import relay, relay_open, run
from rootcellar.catalog.upserts import chunks, insert_missing
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

__all__ = ["HELD", "Batch", "Told", "acquire", "begin", "release", "settle", "take"]

_NAME = "openlineage"
HELD = timedelta(seconds=30)
"""How long a relay that is not heard of any more keeps others waiting."""
_PATIENCE = timedelta(hours=1)
"""How long a run that is not there yet, or of which only the end is, is waited for."""
_MOST_GAPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What there is to tell.

    Attributes:
        open: Runs that were met before, and whether their START was told.
        new: Runs beyond the position, in order.
        unknown: Those of `new` of which only the end is recorded.
        missing: Numbers before the last of `new` that no run has yet.
        forgotten: Open numbers to wait for no longer.
    """

    position: int
    open: dict[int, bool]
    new: Sequence[int]
    unknown: Collection[int]
    missing: Sequence[int]
    forgotten: Sequence[int]


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of one run."""

    run_id: int
    is_over: bool


def begin(connection: Connection, now: datetime, *, from_first: bool) -> None:
    """Make the position, if there is none: after the last run, or before the first.

    With `from_first` one that is there is put back.
    """
    last = connection.execute(select(func.max(run.c.id))).scalar() or 0
    place = 0 if from_first else last
    row = {"name": _NAME, "position": place, "holder": "", "held_until": now}
    insert_missing(connection, relay, [row])
    if from_first:
        connection.execute(update(relay).where(relay.c.name == _NAME).values(position=0))
        connection.execute(delete(relay_open))


def acquire(connection: Connection, holder: str, now: datetime) -> bool:
    """Take or keep the right to relay; false while another holds it."""
    # Many may wait: only who finds it free writes.
    held = select(relay.c.holder, relay.c.held_until).where(relay.c.name == _NAME)
    row = connection.execute(held).one()
    if row.holder != holder and row.held_until > now:
        return False
    is_free = or_(relay.c.holder == holder, relay.c.held_until <= now)
    taken = connection.execute(
        update(relay)
        .where(relay.c.name == _NAME, is_free)
        .values(holder=holder, held_until=now + HELD)
        .returning(relay.c.name)
    )
    return taken.first() is not None


def release(connection: Connection, holder: str, now: datetime) -> None:
    """Give the right back."""
    mine = (relay.c.name == _NAME) & (relay.c.holder == holder)
    connection.execute(update(relay).where(mine).values(held_until=now))


def take(connection: Connection, now: datetime, limit: int) -> Batch:
    """Return the next runs to tell of."""
    position = connection.execute(
        select(relay.c.position).where(relay.c.name == _NAME)
    ).scalar_one()
    rows = connection.execute(
        select(run.c.id, run.c.kind).where(run.c.id > position).order_by(run.c.id).limit(limit)
    ).all()
    new = [row.id for row in rows]
    return Batch(
        position=position,
        open=_actionable(connection, limit),
        new=new,
        unknown=frozenset(row.id for row in rows if not row.kind),
        missing=_missing(connection, position, new),
        forgotten=_forgotten(connection, now - _PATIENCE),
    )


def settle(
    connection: Connection, holder: str, batch: Batch, told: Sequence[Told], now: datetime
) -> None:
    """Remember what was told.

    Nothing is remembered if another relay has taken over meanwhile: it tells the same again.
    """
    if not acquire(connection, holder, now):
        return
    done = {one.run_id: one for one in told}
    # Up to the first that was not told of.
    position = batch.position
    for number in batch.new:
        if number not in done and number not in batch.unknown:
            break
        position = number
    over = [number for number in batch.open if number in done and done[number].is_over]
    _forget(connection, sorted({*over, *batch.forgotten}))
    _mark_started(connection, [number for number in batch.open if number in done])
    opened = {
        number: number in done
        for number in batch.new
        if number <= position and not (number in done and done[number].is_over)
    }
    waiting = {number: False for number in batch.missing if number < position}
    rows = [
        {"run_id": number, "is_started": is_started, "since": now}
        for number, is_started in sorted({**waiting, **opened}.items())
    ]
    insert_missing(connection, relay_open, rows)
    connection.execute(update(relay).where(relay.c.name == _NAME).values(position=position))


def _actionable(connection: Connection, limit: int) -> dict[int, bool]:
    query = (
        select(relay_open.c.run_id, relay_open.c.is_started)
        .join(run, run.c.id == relay_open.c.run_id)
        .where(
            run.c.kind != "",
            or_(relay_open.c.is_started.is_(False), run.c.state != RunState.RUNNING),
        )
        .order_by(relay_open.c.run_id)
        .limit(limit)
    )
    return {row.run_id: row.is_started for row in connection.execute(query)}


def _forgotten(connection: Connection, before: datetime) -> Sequence[int]:
    query: Any = (
        select(relay_open.c.run_id)
        .outerjoin(run, run.c.id == relay_open.c.run_id)
        .where(relay_open.c.since < before, or_(run.c.id.is_(None), run.c.kind == ""))
    )
    found: Sequence[int] = connection.execute(query).scalars().all()
    return found


def _missing(connection: Connection, position: int, new: Sequence[int]) -> list[int]:
    # SQLite has one writer at a time: its numbers appear in order.
    if connection.dialect.name == "sqlite" or not new:
        return []
    first = max(position + 1, new[-1] - _MOST_GAPS)
    return sorted({*range(first, new[-1])} - {*new})


def _forget(connection: Connection, run_ids: Sequence[int]) -> None:
    for some in chunks(run_ids):
        connection.execute(delete(relay_open).where(relay_open.c.run_id.in_(some)))


def _mark_started(connection: Connection, run_ids: Sequence[int]) -> None:
    for some in chunks(run_ids):
        connection.execute(
            update(relay_open).where(relay_open.c.run_id.in_(some)).values(is_started=True)
        )
