"""Where copies of a version's bytes are, and whether each is still there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import or_, select

from rootcellar.catalog import lookup
from rootcellar.catalog.answers.asking import cut_note
from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.tables import LocationState, location, version
from rootcellar.catalog.values import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rootcellar.catalog.values import Owner

__all__ = ["Examine", "Finding", "Standing", "copies", "location_table"]


class Standing(StrEnum):
    """What was found at a version's URI."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    GONE = "gone"
    UNKNOWN = "unknown"  # the store did not answer, or has no change token


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look into the store gave; `problem` says why it is unknown."""

    standing: Standing
    problem: str = ""


Examine: TypeAlias = Callable[[Version], Finding]
"""Looks into a version's store. The catalog knows no stores: who asks gives it."""

_COLUMNS = (
    Column("uri", "str"),
    Column("found", "str"),
    Column("is_present", "bool"),
    Column("artifact", "str"),
    Column("seq", "int"),
    Column("recorded_at", "time"),
    Column("size_bytes", "int"),
    Column("problem", "str"),
    Column("version", "str"),
)


def copies(
    connection: Connection, owner: Owner, one: Version, *, limit: int
) -> tuple[list[Version], str]:
    """Return a version and those with the same bytes that are at their URIs, and if it was cut."""
    row_id = lookup.row_id(connection, one.uid)
    same = select(version.c.content_id).where(version.c.id == row_id).scalar_subquery()
    query = (
        select(version.c.id)
        .join(location, location.c.version_id == version.c.id)
        .where(
            version.c.content_id == same,
            or_(version.c.id == row_id, location.c.state == LocationState.PRESENT),
        )
        .order_by((version.c.id == row_id).desc(), version.c.recorded_at.desc(), version.c.id)
        .limit(limit + 1)
    )
    ids = connection.execute(query).scalars().all()
    known = lookup.versions_by_id(connection, owner, ids[:limit])
    return [known[row_id] for row_id in ids[:limit]], cut_note(len(ids), limit)


def location_table(
    versions: Sequence[Version], examine: Examine | None, note: str
) -> Table[Version]:
    """Return versions with where they are; `found` is empty if nobody looked."""
    findings = [None if examine is None else examine(one) for one in versions]
    rows = [
        (
            one.uri,
            None if found is None else found.standing.value,
            one.is_present,
            one.artifact,
            one.seq,
            one.recorded_at,
            one.size_bytes,
            (found.problem if found else "") or None,
            one.uid,
        )
        for one, found in zip(versions, findings, strict=True)
    ]
    return Table(_COLUMNS, rows, versions, note)
