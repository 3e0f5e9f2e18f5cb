"""Merging of what types were declared: all revisions, and the one declared last as the current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from rootcellar.catalog import tables as t
from rootcellar.catalog.identities import Identities
from rootcellar.catalog.upserts import chunks, insert_missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from rootcellar.catalog.engine import Database

__all__ = ["merge_types"]


@dataclass(frozen=True, slots=True)
class _Declared:
    """One revision of a type as a catalog has it, without its number."""

    is_current: bool
    row: Mapping[str, Any]

    @property
    def digest(self) -> str:
        return str(self.row["digest"])

    @property
    def at(self) -> datetime:
        at: datetime = self.row["declared_at"]
        return at


def merge_types(source: Database, target: Database) -> int:
    """Enter all revisions of all types of one catalog into another; return how many were new.

    Of a revision that both know the later declaration counts, and of the two current ones the one
    declared last stays current: whichever is merged into which, the answer is the same.
    """
    found = source.read(_declared)
    if not found:
        return 0
    ids = Identities(target).types(sorted(found))
    ordered = sorted((ids[name], found[name]) for name in found)
    return target.write(
        lambda connection: sum(
            _merge(connection, type_id, declared) for type_id, declared in ordered
        )
    )


def _declared(connection: Connection) -> dict[str, list[_Declared]]:
    """Return all types by name, with their revisions in the order of their numbers."""
    found: dict[str, list[_Declared]] = {
        name: [] for name in connection.execute(select(t.artifact_type.c.name)).scalars()
    }
    for name, current, rev in _revisions(connection, None):
        found[name].append(_Declared(current == rev["rev"], rev))
    return found


def _revisions(
    connection: Connection, type_id: int | None
) -> list[tuple[str, int, Mapping[str, Any]]]:
    revs = t.artifact_type_rev
    query = (
        select(t.artifact_type.c.name.label("type_name"), t.artifact_type.c.rev.label("now"), revs)
        .join(revs, revs.c.type_id == t.artifact_type.c.id)
        .order_by(revs.c.type_id, revs.c.rev)
    )
    if type_id is not None:
        query = query.where(t.artifact_type.c.id == type_id)
    names = [column.name for column in revs.c]
    return [
        (row.type_name, row.now, {name: getattr(row, name) for name in names})
        for row in connection.execute(query)
    ]


def _merge(connection: Connection, type_id: int, declared: Sequence[_Declared]) -> int:
    connection.execute(
        select(t.artifact_type.c.id).where(t.artifact_type.c.id == type_id).with_for_update()
    )
    here = {
        rev["digest"]: _Declared(now == rev["rev"], rev)
        for _, now, rev in _revisions(connection, type_id)
    }
    new = [one for one in declared if one.digest not in here]
    _insert(connection, type_id, new)
    _declare_later(connection, type_id, [one for one in declared if one.digest in here], here)
    _choose(
        connection, type_id, {one.digest for one in (*declared, *here.values()) if one.is_current}
    )
    return len(new)


def _insert(connection: Connection, type_id: int, new: Sequence[_Declared]) -> None:
    revs = t.artifact_type_rev.c
    last = connection.execute(select(func.max(revs.rev)).where(revs.type_id == type_id)).scalar()
    rows = [
        {**one.row, "type_id": type_id, "rev": number}
        for number, one in enumerate(sorted(new, key=lambda one: one.at), (last or 0) + 1)
    ]
    insert_missing(connection, t.artifact_type_rev, rows)


def _declare_later(
    connection: Connection,
    type_id: int,
    known: Sequence[_Declared],
    here: Mapping[str, _Declared],
) -> None:
    revs = t.artifact_type_rev
    for one in known:
        if one.at > here[one.digest].at:
            same = (revs.c.type_id == type_id) & (revs.c.digest == one.digest)
            connection.execute(update(revs).where(same).values(declared_at=one.at))


def _choose(connection: Connection, type_id: int, candidates: set[str]) -> None:
    """Make that one of the candidates current which was declared last."""
    revs = t.artifact_type_rev.c
    for some in chunks(sorted(candidates)):
        rev = connection.execute(
            select(revs.rev)
            .where(revs.type_id == type_id, revs.digest.in_(some))
            .order_by(revs.declared_at.desc(), revs.digest)
            .limit(1)
        ).scalar()
        connection.execute(
            update(t.artifact_type).where(t.artifact_type.c.id == type_id).values(rev=rev)
        )
