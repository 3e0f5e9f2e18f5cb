"""How a catalog is, found out without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from rootcellar.catalog.migration import HEAD, current_revision
from rootcellar.catalog.tables import catalog_info
from rootcellar.catalog.values import CatalogHealth
from rootcellar.schemas.errors import CatalogError

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from rootcellar.catalog.engine import Database

__all__ = ["examine"]


def examine(database: Database) -> CatalogHealth:
    """Return a database's state; creates and upgrades nothing, and raises nothing of ours."""
    if database.is_sqlite and not database.path.exists():
        return _health(database)
    try:
        revision, uid, created_at = database.read(_facts)
    except CatalogError as error:
        return _health(database, is_reachable=False, problem=error.problem)
    problem = ""
    if revision not in {"", HEAD}:
        problem = f"its tables are at revision {revision}, not {HEAD}"
    elif revision and not uid:
        problem = "it has no uid, so its tables are not whole"
    return _health(database, problem=problem, revision=revision, uid=uid, created_at=created_at)


def _facts(connection: Connection) -> tuple[str, str, datetime | None]:
    revision = current_revision(connection)
    if not revision:
        return "", "", None
    row = connection.execute(select(catalog_info)).first()
    # Without that row it was not made by us, or is damaged.
    return (revision, row.uid, row.created_at) if row else (revision, "", None)


def _health(
    database: Database,
    *,
    is_reachable: bool = True,
    problem: str = "",
    revision: str = "",
    uid: str = "",
    created_at: datetime | None = None,
) -> CatalogHealth:
    return CatalogHealth(
        url=database.shown_url,
        is_reachable=is_reachable,
        revision=revision,
        expected=HEAD,
        problem=problem,
        uid=uid,
        created_at=created_at,
    )
