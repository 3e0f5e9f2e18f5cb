"""The versions of an artifact, or at a URI, over time, and what changed from one to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rootcellar.catalog import lookup
from rootcellar.catalog.answers.sameness import change
from rootcellar.catalog.canonical import short_digest
from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.tables import location, version
from rootcellar.schemas.errors import NotInCatalog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

    from rootcellar.catalog.values import Owner, Version

__all__ = ["at_uri", "of_artifact"]

_COLUMNS = (
    Column("seq", "int"),
    Column("recorded_at", "time"),
    Column("change", "str"),
    Column("task", "str"),
    Column("size_bytes", "int"),
    Column("row_count", "int"),
    Column("is_present", "bool"),
    Column("type", "str"),
    Column("key", "json"),
    Column("uri", "str"),
    Column("origin", "str"),
    Column("digest", "str"),
    Column("version", "str"),
    Column("run", "str"),
)


def of_artifact(
    connection: Connection, owner: Owner, one: Version, *, max_rows: int
) -> Table[Version]:
    """Return all versions of a version's artifact, newest first: the first is the current one."""
    artifact_id = select(version.c.artifact_id).where(version.c.uid == one.uid).scalar_subquery()
    query = (
        select(version.c.id)
        .where(version.c.artifact_id == artifact_id)
        # As heads are chosen: among equal times the one that was entered last.
        .order_by(version.c.recorded_at.desc(), version.c.seq.desc())
    )
    return _history(connection, owner, query, max_rows=max_rows)


def at_uri(connection: Connection, owner: Owner, uri: str, *, max_rows: int) -> Table[Version]:
    """Return all versions that were published or seen at a URI, newest first.

    Raises:
        NotInCatalog: None was.
    """
    query = (
        select(version.c.id)
        .join(location, location.c.version_id == version.c.id)
        .where(location.c.uri_digest == short_digest(uri))
        .order_by(version.c.recorded_at.desc(), version.c.id.desc())
    )
    found = _history(connection, owner, query, max_rows=max_rows)
    if not found:
        raise NotInCatalog(
            "no version of it is recorded",
            uri=uri,
            remedy="Check the URI: it begins with a store's name, as in Version.uri",
        )
    return found


def _history(
    connection: Connection, owner: Owner, query: Select[Any], *, max_rows: int
) -> Table[Version]:
    # One more than is shown: the last one, too, is compared with the one before it.
    ids = connection.execute(query.limit(max_rows + 1)).scalars().all()
    known = lookup.versions_by_id(connection, owner, ids)
    found = [known[row_id] for row_id in ids]
    shown = found[:max_rows]
    before: Sequence[Version | None] = [*found[1:], None][: len(shown)]
    rows = [_row(one, str(change(past, one))) for one, past in zip(shown, before, strict=True)]
    note = f"newest {max_rows} of more" if len(found) > max_rows else ""
    return Table(_COLUMNS, rows, shown, note)


def _row(one: Version, change: str) -> tuple[Any, ...]:
    return (
        one.seq,
        one.recorded_at,
        change,
        one.task,
        one.size_bytes,
        one.row_count,
        one.is_present,
        one.type,
        one.key,
        one.uri,
        one.origin,
        str(one.digest),
        one.uid,
        one.run_uid,
    )
