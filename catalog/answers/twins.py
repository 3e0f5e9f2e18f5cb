"""Versions and artifacts with identical bytes, and what keeping them twice costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, select

from rootcellar.catalog.answers.asking import cut_note, type_conditions
from rootcellar.catalog.drawing.table import Column, Row, Table
from rootcellar.catalog.tables import (
    LocationState,
    artifact,
    artifact_type,
    content,
    location,
    version,
)
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

__all__ = ["duplicates"]

_NAMED = 20
_COLUMNS = (
    Column("artifacts", "int"),
    Column("versions", "int"),
    Column("places", "int"),
    Column("size_bytes", "int"),
    Column("extra_bytes", "int"),
    Column("which", "json"),
    Column("kind", "str"),
    Column("digest", "str"),
)


def duplicates(connection: Connection, *, type_name: str | None, limit: int) -> Table[Row]:
    """Return one row per content that several versions have, what costs most first.

    Args:
        type_name: Look at versions of this type only.
    """
    conditions = type_conditions(connection, type_name, {})
    shared = _shared(conditions)
    extra = content.c.size_bytes * (shared.c.places - 1)
    query = (
        select(shared, content.c.digest, content.c.kind, content.c.size_bytes)
        .join(content, content.c.id == shared.c.content_id)
        .order_by(
            case((shared.c.places > 1, extra), else_=0).desc(),
            shared.c.artifacts.desc(),
            shared.c.versions.desc(),
            shared.c.content_id,
        )
        .limit(limit + 1)
    )
    found = connection.execute(query).all()
    names = _names(connection, [row.content_id for row in found[:limit]], conditions)
    rows = [
        (
            row.artifacts,
            row.versions,
            row.places,
            row.size_bytes,
            max(row.places - 1, 0) * row.size_bytes,
            names[row.content_id],
            row.kind,
            row.digest,
        )
        for row in found[:limit]
    ]
    return Table(_COLUMNS, rows, note=cut_note(len(found), limit))


def _shared(conditions: Sequence[ColumnElement[bool]]) -> Any:
    is_there = location.c.state == LocationState.PRESENT
    return (
        select(
            version.c.content_id,
            func.count(version.c.id).label("versions"),
            func.count(version.c.artifact_id.distinct()).label("artifacts"),
            func.count(case((is_there, location.c.uri_digest)).distinct()).label("places"),
        )
        .join(artifact, artifact.c.id == version.c.artifact_id)
        .join(location, location.c.version_id == version.c.id)
        .where(*conditions)
        .group_by(version.c.content_id)
        .having(func.count(version.c.id) > 1)
        .subquery()
    )


def _names(
    connection: Connection, ids: Sequence[int], conditions: Sequence[ColumnElement[bool]]
) -> dict[int, list[str]]:
    """Return the artifacts that have a content, in the order they came; of many, the first."""
    names: dict[int, list[str]] = {row_id: [] for row_id in ids}
    for some in chunks(ids):
        each = (
            select(version.c.content_id, version.c.artifact_id)
            .join(artifact, artifact.c.id == version.c.artifact_id)
            .where(version.c.content_id.in_(some), *conditions)
            .distinct()
            .subquery()
        )
        place = func.row_number().over(partition_by=each.c.content_id, order_by=each.c.artifact_id)
        first = select(each, place.label("place")).subquery()
        query = (
            select(first.c.content_id, artifact_type.c.name, artifact.c.key_text)
            .join(artifact, artifact.c.id == first.c.artifact_id)
            .join(artifact_type, artifact_type.c.id == artifact.c.type_id)
            .where(first.c.place <= _NAMED)
            .order_by(first.c.content_id, first.c.artifact_id)
        )
        for content_id, name, key in connection.execute(query):
            names[content_id].append(_named(name, json.loads(key)))
    return names


def _named(type_name: str, key: Mapping[str, Any]) -> str:
    """Return an artifact as `Version.artifact` prints it."""
    return f"{type_name}({', '.join(f'{name}={value!r}' for name, value in key.items())})"
