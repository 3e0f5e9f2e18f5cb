"""Reading versions, keys and types: what staging decides by, and what notebooks list."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, func, select, type_coerce

from rootcellar.catalog import tables as t
from rootcellar.catalog.among import among
from rootcellar.catalog.canonical import clean_text, short_digest
from rootcellar.catalog.columns import moment
from rootcellar.catalog.keys import key_order, matches
from rootcellar.catalog.values import ArtifactType, Version
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.ref import Pin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from rootcellar.catalog.values import Owner

__all__ = [
    "find_versions",
    "head",
    "heads",
    "in_order",
    "key_fields",
    "keys",
    "newest_at",
    "row_id",
    "type_id",
    "type_names",
    "types",
    "version",
    "version_at",
    "version_of",
    "version_rows",
    "versions_by_id",
]

_STANDING = (t.LocationState.PRESENT, t.LocationState.SUPERSEDED)


def version(connection: Connection, owner: Owner, uid: str) -> Version | None:
    """Return the version with this uid."""
    return _first(connection, owner, _versions().where(t.version.c.uid == uid))


def version_at(connection: Connection, owner: Owner, *, uri: str, pin: Pin) -> Version | None:
    """Return the newest version that was published or seen at `uri` in the state `pin`.

    None where the store gives no change token: a size alone proves nothing.
    """
    if not pin.etag and not pin.version_id:
        return None
    query = _versions().where(
        t.location.c.uri_digest == short_digest(uri),
        t.location.c.pin_version == pin.version_id,
        t.location.c.pin_size == pin.size_bytes,
    )
    if not pin.version_id:
        query = query.where(t.location.c.pin_etag == pin.etag)
    return _first(connection, owner, _newest_first(query))


def newest_at(connection: Connection, owner: Owner, uri: str) -> Version | None:
    """Return the newest version recorded at `uri`."""
    query = _versions().where(t.location.c.uri_digest == short_digest(uri))
    return _first(connection, owner, _newest_first(query))


def head(
    connection: Connection, owner: Owner, *, type_name: str, key: Mapping[str, Any]
) -> Version | None:
    """Return an artifact's current version."""
    query = _heads().where(
        t.artifact_type.c.name == clean_text(type_name),
        t.artifact.c.key_digest == short_digest(key),
    )
    return _first(connection, owner, query)


def heads(
    connection: Connection, owner: Owner, *, type_name: str, constraints: Mapping[str, Any]
) -> list[Version]:
    """Return the current versions of the artifacts whose keys fit, in the order of their keys."""
    wanted = type_id(connection, type_name)
    if wanted is None:
        return []
    rows = connection.execute(_heads().where(*matches(wanted, constraints)))
    return sorted((version_of(row, owner) for row in rows), key=lambda one: one.order)


def keys(
    connection: Connection,
    *,
    type_name: str,
    constraints: Mapping[str, Any],
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Return the keys that have a current version and fit, sorted; at most so many, the newest."""
    wanted = type_id(connection, type_name)
    if wanted is None:
        return []
    query = (
        select(t.artifact.c.key_text)
        .join(t.artifact_head, t.artifact_head.c.artifact_id == t.artifact.c.id)
        .join(t.location, t.location.c.version_id == t.artifact_head.c.version_id)
        .where(t.location.c.state.in_(_STANDING), *matches(wanted, constraints))
    )
    if limit is not None:
        query = query.order_by(t.artifact.c.id.desc()).limit(limit)
    found = (json.loads(text) for text in connection.execute(query).scalars())
    return sorted(found, key=key_order)


def find_versions(
    connection: Connection,
    owner: Owner,
    *,
    type_name: str | None,
    constraints: Mapping[str, Any],
    max_rows: int,
) -> list[Version]:
    """Return versions newest first: of all types, of one, or of the artifacts whose keys fit."""
    conditions: list[ColumnElement[bool]] = []
    if type_name is not None:
        wanted = type_id(connection, type_name)
        if wanted is None:
            return []
        conditions = matches(wanted, constraints)
    query = _newest_first(_versions().where(*conditions)).limit(max_rows)
    return [version_of(row, owner) for row in connection.execute(query)]


def versions_by_id(connection: Connection, owner: Owner, ids: Sequence[int]) -> dict[int, Version]:
    """Return versions by their row ids."""
    rows = version_rows(connection, ids)
    return {row_id: version_of(row, owner) for row_id, row in rows.items()}


def version_rows(connection: Connection, ids: Iterable[int]) -> dict[int, Row[Any]]:
    """Return what `version_of` and `order_of` take, by the row ids of versions."""
    query = _versions().where(among(connection, t.version.c.id, ids))
    return {row.id: row for row in connection.execute(query).all()}


def in_order(rows: Mapping[int, Row[Any]], depths: Mapping[int, int]) -> list[int]:
    """Return row ids by depth, and of one depth as `Version.order` sorts."""
    levels: dict[int, list[int]] = {}
    for row_id, depth in depths.items():
        levels.setdefault(depth, []).append(row_id)
    ordered: list[int] = []
    for _, level in sorted(levels.items()):
        ordered += sorted(level, key=lambda one: _order(rows[one])) if level[1:] else level
    return ordered


def _order(row: Row[Any]) -> tuple[Any, ...]:
    key, _ = _decode(row.key_text)
    return (row.type, key_order(key), row.seq)


_decode = json.JSONDecoder().raw_decode


def row_id(connection: Connection, uid: str) -> int:
    """Return the row id of a version that is known to exist."""
    query = select(t.version.c.id).where(t.version.c.uid == uid)
    return int(connection.execute(query).scalar_one())


def type_id(connection: Connection, name: str) -> int | None:
    """Return the row id of a type."""
    query = select(t.artifact_type.c.id).where(t.artifact_type.c.name == clean_text(name))
    return connection.execute(query).scalar()


def key_fields(connection: Connection, name: str) -> set[str]:
    """Return the key fields of a type: those it declares and those its recorded artifacts have."""
    recorded = (
        select(t.artifact_key.c.field)
        .join(t.artifact_type, t.artifact_type.c.id == t.artifact_key.c.type_id)
        .where(t.artifact_type.c.name == clean_text(name))
        .distinct()
    )
    declared = (
        select(t.artifact_type_rev.c.definition)
        .join(t.artifact_type, t.artifact_type.c.id == t.artifact_type_rev.c.type_id)
        .where(t.artifact_type.c.name == clean_text(name))
    )
    fields = set(connection.execute(recorded).scalars())
    return fields.union(*(one.get("key", {}) for one in connection.execute(declared).scalars()))


def type_names(connection: Connection) -> set[str]:
    """Return the names of all types."""
    return set(connection.execute(select(t.artifact_type.c.name)).scalars())


def types(connection: Connection) -> list[ArtifactType]:
    """Return every type, sorted by name."""
    members = (
        select(t.artifact.c.type_id, func.count().label("artifacts"))
        .group_by(t.artifact.c.type_id)
        .subquery()
    )
    revs = t.artifact_type_rev
    query: Select[Any] = (
        select(
            t.artifact_type.c.name,
            t.artifact_type.c.rev,
            *(column for column in revs.c if column.name not in {"type_id", "rev", "digest"}),
            func.coalesce(members.c.artifacts, 0).label("artifacts"),
        )
        .outerjoin(
            revs, (revs.c.type_id == t.artifact_type.c.id) & (revs.c.rev == t.artifact_type.c.rev)
        )
        .outerjoin(members, members.c.type_id == t.artifact_type.c.id)
        .order_by(t.artifact_type.c.name)
    )
    return [_type(row) for row in connection.execute(query)]


def _type(row: Row[Any]) -> ArtifactType:
    return ArtifactType(
        name=row.name,
        rev=row.rev,
        registry=row.registry or "",
        arguments=tuple(row.arguments or ()),
        uri_template=row.uri_template or "",
        media_type=row.media_type or "",
        kind=row.kind or "",
        definition=row.definition or {},
        declared_at=row.declared_at,
        artifacts=row.artifacts,
    )


@cache
def _versions() -> Select[Any]:
    return (
        select(
            t.version.c.id,
            t.version.c.uid,
            t.artifact_type.c.name.label("type"),
            t.artifact.c.key_text,
            t.version.c.seq,
            t.content.c.digest,
            t.content.c.size_bytes,
            t.content.c.kind,
            t.content.c.members,
            t.version.c.origin,
            t.run.c.uid.label("run_uid"),
            t.task.c.name.label("task"),
            t.location.c.uri,
            t.location.c.pin_size,
            t.location.c.pin_etag,
            t.location.c.pin_version,
            t.location.c.state,
            t.version.c.media_type,
            t.version.c.row_count,
            t.version.c.schema_fingerprint,
            # As it is stored: most rows are sorted and counted, and few become a value.
            type_coerce(t.version.c.recorded_at, Text),
        )
        .select_from(t.version)
        .join(t.artifact, t.artifact.c.id == t.version.c.artifact_id)
        .join(t.artifact_type, t.artifact_type.c.id == t.artifact.c.type_id)
        .join(t.content, t.content.c.id == t.version.c.content_id)
        .join(t.location, t.location.c.version_id == t.version.c.id)
        .outerjoin(t.run, t.run.c.id == t.version.c.run_id)
        .outerjoin(t.task, t.task.c.id == t.run.c.task_id)
    )


def _heads() -> Select[Any]:
    """Select current versions, but for those whose bytes are known to be gone."""
    joined = _versions().join(t.artifact_head, t.artifact_head.c.version_id == t.version.c.id)
    return joined.where(t.location.c.state.in_(_STANDING))


def _newest_first(query: Select[Any]) -> Select[Any]:
    return query.order_by(t.version.c.recorded_at.desc(), t.version.c.id.desc())


def _first(connection: Connection, owner: Owner, query: Select[Any]) -> Version | None:
    row = connection.execute(query.limit(1)).first()
    return None if row is None else version_of(row, owner)


def version_of(row: Row[Any], owner: Owner) -> Version:
    """Return the version that a row tells of."""
    return Version(
        uid=row.uid,
        type=row.type,
        key=json.loads(row.key_text),
        seq=row.seq,
        digest=Digest(row.digest),
        size_bytes=row.size_bytes,
        kind=row.kind,
        members=row.members,
        origin=row.origin,
        run_uid=row.run_uid or "",
        task=row.task or "",
        uri=row.uri,
        pin=Pin(size_bytes=row.pin_size, etag=row.pin_etag, version_id=row.pin_version),
        is_present=row.state == t.LocationState.PRESENT,
        state=str(row.state),
        media_type=row.media_type,
        row_count=row.row_count,
        schema_fingerprint=row.schema_fingerprint,
        recorded_at=moment(row.recorded_at),
        catalog=owner,
    )
