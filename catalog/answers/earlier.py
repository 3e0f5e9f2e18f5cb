"""The version to compare with: the one before, or the one that was current at some time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from rootcellar.catalog import lookup
from rootcellar.catalog import tables as t
from rootcellar.catalog.resolving import Subject, resolve
from rootcellar.catalog.times import is_time, moment_of
from rootcellar.catalog.wording import minute
from rootcellar.schemas.errors import NotInCatalog

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from rootcellar.catalog.values import Owner, Version

__all__ = ["Than", "other_version"]

Than = Subject | date | timedelta | None
"""What names the version to compare with.

None: the last one before with other content. A span or a time, as a `Moment`: the one that was
current then. Anything else: as a subject.
"""


def other_version(connection: Connection, owner: Owner, x: Version, than: Than) -> Version:
    """Return the version that `x` is to be compared with.

    Raises:
        NotInCatalog: There is none.
        CatalogError: A time has no time zone, or a text is no time.
    """
    if than is None:
        return _before(connection, owner, x)
    moment = _moment(than)
    if moment is not None:
        return _at(connection, owner, x, moment)
    return resolve(connection, owner, than)  # type: ignore[arg-type]  # no time: a subject


def _moment(than: Than) -> datetime | None:
    """Return the time that is meant; None if `than` names no time."""
    if isinstance(than, str) and not is_time(than):
        return None
    return moment_of(than) if isinstance(than, str | date | timedelta) else None


def _at(connection: Connection, owner: Owner, x: Version, moment: datetime) -> Version:
    query = _of_artifact(x).where(t.version.c.recorded_at <= moment)
    row_id = connection.execute(query).scalar()
    if row_id is None:
        raise NotInCatalog(
            f"no version of it was recorded by {minute(moment)}",
            x.artifact,
            remedy="See Catalog.versions() for when each was",
        )
    return lookup.versions_by_id(connection, owner, [row_id])[row_id]


def _before(connection: Connection, owner: Owner, x: Version) -> Version:
    mine = select(t.version.c.content_id).where(t.version.c.uid == x.uid).scalar_subquery()
    earlier = or_(
        t.version.c.recorded_at < x.recorded_at,
        (t.version.c.recorded_at == x.recorded_at) & (t.version.c.seq < x.seq),
    )
    query = _of_artifact(x).where(earlier, t.version.c.content_id != mine)
    row_id = connection.execute(query).scalar()
    if row_id is None:
        raise NotInCatalog(
            "no earlier version of it has other content",
            x.artifact,
            x.uri,
            "Name the version to compare with; see Catalog.versions()",
        )
    return lookup.versions_by_id(connection, owner, [row_id])[row_id]


def _of_artifact(x: Version) -> Select[Any]:
    """Return the ids of all versions of `x`'s artifact, newest first."""
    artifact = select(t.version.c.artifact_id).where(t.version.c.uid == x.uid).scalar_subquery()
    return (
        select(t.version.c.id)
        .where(t.version.c.artifact_id == artifact)
        .order_by(t.version.c.recorded_at.desc(), t.version.c.seq.desc())
        .limit(1)
    )
