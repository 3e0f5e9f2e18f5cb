"""Where a catalog may be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from rootcellar.schemas.errors import CatalogError

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["database_url"]


def database_url(url: str) -> URL:
    """Return the URL with the driver we use.

    Raises:
        CatalogError: It cannot be read, or names what a catalog cannot be kept in.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise CatalogError(
            "the catalog's URL cannot be read",
            remedy="Use sqlite:////absolute/path.sqlite or postgresql://user@host/name",
        ) from error
    name = parsed.get_backend_name()
    if name in {"postgresql", "postgres"}:
        # Named, because the default driver differs between SQLAlchemy 2.0 and 2.1.
        return parsed.set(drivername="postgresql+psycopg")
    if name == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+pysqlite")
    raise CatalogError(
        f"a catalog cannot be kept in {parsed.drivername!r} without a file"
        if name == "sqlite"
        else f"a catalog cannot be kept in {parsed.drivername!r}",
        remedy="Use sqlite:////absolute/path.sqlite or postgresql://user@host/name",
    )
