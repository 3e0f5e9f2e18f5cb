"""Where a file on somebody's disk came from: its content is looked up, never its name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from rootcellar.catalog import lookup, runs
from rootcellar.catalog.answers.sameness import Change, change
from rootcellar.catalog.answers.whence import Source, Whence
from rootcellar.catalog.tables import artifact_head, content, version
from rootcellar.catalog.upserts import chunks
from rootcellar.schemas.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rootcellar.catalog.answers.whence import LocalContent
    from rootcellar.catalog.values import Owner, Version
    from rootcellar.schemas.ref import Kind

__all__ = ["algorithms", "heads_of", "origin"]

_ALGORITHMS = ("sha256", "blake3")
_UNREAD = "unread:%"


def algorithms(
    connection: Connection, *, kind: Kind, size_bytes: int, members: int | None
) -> frozenset[str]:
    """Return the algorithms by whose digests content of this size could be known; perhaps none."""
    if kind == "folder":
        query = select(content.c.id).where(
            content.c.kind == kind, content.c.size_bytes == size_bytes, content.c.members == members
        )
        is_known = connection.execute(query.limit(1)).first() is not None
        # A folder's own digest does not tell by which one those of its members were made.
        return frozenset(_ALGORITHMS if is_known else ())
    # In one pass: no index leads from sizes to contents.
    marks = (case((content.c.digest.like(f"{name}:%"), 1), else_=0) for name in _ALGORITHMS)
    query = select(*map(func.max, marks)).where(
        content.c.size_bytes == size_bytes, content.c.kind == kind
    )
    is_used = connection.execute(query).one()
    return frozenset(name for name, used in zip(_ALGORITHMS, is_used, strict=True) if used)


def origin(
    connection: Connection, owner: Owner, asked: LocalContent, *, max_versions: int
) -> Whence:
    """Return the versions with this content, newest first, and how the newest was made."""
    if max_versions < 1:
        raise CatalogError(f"max_versions cannot be {max_versions}", remedy="Let it be 1 or more")
    query = (
        select(version.c.id)
        .join(content, content.c.id == version.c.content_id)
        .where(content.c.digest.in_(asked.digests), content.c.kind == asked.kind)
        .order_by(version.c.recorded_at.desc(), version.c.id.desc())
        .limit(max_versions + 1)
    )
    ids = connection.execute(query).scalars().all()
    known = lookup.versions_by_id(connection, owner, ids)
    found = tuple(known[row_id] for row_id in ids)
    if not found:
        return Whence(asked, unread=_unread(connection, asked))
    note = f"newest {max_versions} of more versions" if len(found) > max_versions else ""
    current = heads_of(connection, owner, found[:1]).get(found[0].uid)
    answer = Whence(asked, versions=found[:max_versions], current=current, note=note)
    run = runs.run(connection, owner, found[0].run_uid) if found[0].run_uid else None
    if run is None:
        return answer
    return replace(answer, run=run, sources=_sources(connection, owner, found[0]))


def heads_of(
    connection: Connection, owner: Owner, versions: Sequence[Version]
) -> dict[str, Version]:
    """Return for each version, by its uid, the current version of its artifact."""
    found: dict[str, int] = {}
    for some in chunks([one.uid for one in versions]):
        query = (
            select(version.c.uid, artifact_head.c.version_id)
            .join(artifact_head, artifact_head.c.artifact_id == version.c.artifact_id)
            .where(version.c.uid.in_(some), artifact_head.c.version_id.is_not(None))
        )
        found.update((row.uid, row.version_id) for row in connection.execute(query))
    heads = lookup.versions_by_id(connection, owner, sorted(set(found.values())))
    return {uid: heads[row_id] for uid, row_id in found.items()}


def _sources(connection: Connection, owner: Owner, made: Version) -> tuple[Source, ...]:
    """Return what the run that made a version read."""
    read = runs.inputs(connection, owner, made.run_uid)
    heads = heads_of(connection, owner, [one.version for one in read if one.version])
    sources = []
    for one in read:
        head = heads.get(one.version.uid) if one.version else None
        since = Change.UNKNOWN if head is None else change(one.version, head)
        is_own = head is not None and (
            head.run_uid == made.run_uid or head.artifact == made.artifact
        )
        sources.append(Source(one.argument, one.ordinal, one.version, head, since, is_own=is_own))
    return tuple(sources)


def _unread(connection: Connection, asked: LocalContent) -> int:
    """Return how many versions of that size were never read whole, so that nobody can tell."""
    query = (
        select(func.count())
        .select_from(version)
        .join(content, content.c.id == version.c.content_id)
        .where(
            content.c.size_bytes == asked.size_bytes,
            content.c.kind == asked.kind,
            content.c.digest.like(_UNREAD),
        )
    )
    return int(connection.execute(query).scalar_one())
