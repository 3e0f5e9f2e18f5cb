"""Tags and aliases of versions: what stands, and what stood."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from rootcellar.catalog import lookup
from rootcellar.catalog.aliases import last_settings
from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.mark_tables import alias, tag
from rootcellar.catalog.tables import version
from rootcellar.schemas.errors import CatalogError

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

    from rootcellar.catalog.values import Owner, Version

__all__ = [
    "Alias",
    "Tag",
    "aliases",
    "check_tag",
    "remove_tag",
    "set_alias",
    "set_tag",
    "tagged_ids",
    "tags",
]

_TICK = timedelta(microseconds=1)
_LONGEST_KEY, _LONGEST_VALUE = 100, 400
_TAG = (
    Column("key", "str"),
    Column("value", "str"),
    Column("set_at", "time"),
    Column("removed_at", "time"),
    Column("version", "str"),
)
_ALIAS = (
    Column("name", "str"),
    Column("artifact", "str"),
    Column("set_at", "time"),
    Column("version", "str"),
)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of a version.

    Attributes:
        removed_at: When it was removed, or replaced by another value; None if it stands.
    """

    key: str
    value: str
    set_at: datetime
    removed_at: datetime | None
    version: str


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for a version.

    Attributes:
        version: None if the name was taken back then.
    """

    name: str
    set_at: datetime
    version: Version | None


def check_tag(key: str, value: str) -> None:
    """Refuse what no database could find again.

    Raises:
        CatalogError: It is no text, empty or too long.
    """
    given: tuple[object, ...] = (key, value)
    if not all(isinstance(one, str) for one in given):
        raise CatalogError(
            f"the tag {key!r:.20} and its value {value!r:.20} are not both text",
            remedy="Pass str(value)",
        )
    if not key or len(key) > _LONGEST_KEY or len(value) > _LONGEST_VALUE:
        raise CatalogError(
            f"the tag {key[:20]!r} is empty or too long",
            remedy=f"Use at most {_LONGEST_KEY} characters for its key, {_LONGEST_VALUE} for its "
            "value",
        )


def set_tag(connection: Connection, uid: str, *, key: str, value: str, at: datetime) -> None:
    """Give a version a tag; another value of it is removed. The same value changes nothing."""
    row_id = _locked(connection, uid)
    standing = _standing(row_id, key)
    if connection.execute(select(tag.c.value).where(*standing)).scalar() == value:
        return
    connection.execute(update(tag).where(*standing).values(removed_at=at))
    row = {"version_id": row_id, "key": key, "value": value, "set_at": at}
    connection.execute(insert(tag), [row])


def remove_tag(connection: Connection, uid: str, *, key: str, at: datetime) -> bool:
    """Remove a version's tag; tell whether it had it."""
    row_id = _locked(connection, uid)
    removed = update(tag).where(*_standing(row_id, key)).values(removed_at=at)
    return connection.execute(removed).rowcount > 0


def _standing(row_id: int, key: str) -> tuple[ColumnElement[bool], ...]:
    return tag.c.version_id == row_id, tag.c.key == key, tag.c.removed_at.is_(None)


def _locked(connection: Connection, uid: str) -> int:
    """Return a version's row id; who else writes on it waits."""
    query = select(version.c.id).where(version.c.uid == uid).with_for_update(key_share=True)
    row_id: int = connection.execute(query).scalar_one()
    return row_id


def tags(connection: Connection, uid: str, *, stands: bool) -> Table[Tag]:
    """Return the tags of a version by key, those that stand or all there ever were."""
    query = (
        select(tag.c.key, tag.c.value, tag.c.set_at, tag.c.removed_at)
        .join(version, version.c.id == tag.c.version_id)
        .where(version.c.uid == uid)
        .order_by(tag.c.key, tag.c.id)
    )
    if stands:
        query = query.where(tag.c.removed_at.is_(None))
    found = [Tag(*row, uid) for row in connection.execute(query)]
    rows = [(one.key, one.value, one.set_at, one.removed_at, one.version) for one in found]
    return Table(_TAG, rows, found)


def tagged_ids(connection: Connection, key: str, value: str | None, limit: int) -> list[int]:
    """Return the row ids of versions that have a tag, the newest tag first."""
    query = select(tag.c.version_id).where(tag.c.key == key, tag.c.removed_at.is_(None))
    if value is not None:
        query = query.where(tag.c.value == value)
    query = query.order_by(tag.c.set_at.desc(), tag.c.id.desc()).limit(limit)
    return list(connection.execute(query).scalars())


def set_alias(connection: Connection, name: str, uid: str | None, *, at: datetime) -> None:
    """Let a name stand for a version from now on, or for none."""
    row_id = None if uid is None else _locked(connection, uid)
    # The last one counts, also after a merge: a clock that was set back must not decide.
    before = connection.execute(select(func.max(alias.c.set_at)).where(alias.c.name == name))
    last: datetime | None = before.scalar()
    at = at if last is None else max(at, last + _TICK)
    connection.execute(insert(alias), [{"name": name, "version_id": row_id, "set_at": at}])


def aliases(connection: Connection, owner: Owner, name: str | None) -> Table[Alias]:
    """Return what each name stands for now; or all that one name stood for, the last first."""
    query: Select[tuple[str, int | None, datetime]] = select(
        alias.c.name, alias.c.version_id, alias.c.set_at
    )
    if name is None:
        query = query.where(alias.c.id.in_(last_settings()), alias.c.version_id.is_not(None))
        query = query.order_by(alias.c.name)
    else:
        query = query.where(alias.c.name == name).order_by(alias.c.set_at.desc(), alias.c.id.desc())
    rows = connection.execute(query).all()
    ids = sorted({row.version_id for row in rows if row.version_id is not None})
    known = lookup.versions_by_id(connection, owner, ids)
    found = [Alias(row.name, row.set_at, known.get(row.version_id)) for row in rows]
    return Table(_ALIAS, [_alias_row(one) for one in found], found)


def _alias_row(one: Alias) -> tuple[object, ...]:
    shown = None if one.version is None else str(one.version)
    return (one.name, shown, one.set_at, None if one.version is None else one.version.uid)
