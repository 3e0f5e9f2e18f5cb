"""What a database's driver raises, in our words, with the remedy that fits."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import exc
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from rootcellar.catalog.canonical import clean_text
from rootcellar.schemas.errors import CatalogError, CatalogUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["as_sqlalchemys", "in_our_words"]

_PRIMARY = 0xFF  # the part of SQLite's error codes that is documented for all of a kind
_DOCTOR = "Run `rootcellar doctor`"
_WRITABLE = "Let this user write the file and its folder: readers need that too"
_LASTING = {
    sqlite3.SQLITE_ERROR: _DOCTOR,
    sqlite3.SQLITE_READONLY: _WRITABLE,
    sqlite3.SQLITE_PERM: _WRITABLE,
}
_NOT_WHOLE = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


@contextmanager
def in_our_words(shown_url: str, copies: Callable[[], list[str]]) -> Iterator[None]:
    """Have a driver's errors be ours.

    Args:
        shown_url: Names the catalog, without its password.
        copies: Gives the names of copies of its file, the oldest first; none of a server.
    """
    try:
        yield
    except PoolTimeout as error:
        raise CatalogUnavailable(
            f"no free connection to the catalog {shown_url}",
            remedy="Try again, or use fewer threads",
        ) from error
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0) & _PRIMARY
        lasting = _LASTING.get(code, "")
        if isinstance(error, OperationalError | InterfaceError) and not lasting:
            raise CatalogUnavailable(
                f"the catalog {shown_url} is unavailable: {_reason(error)}",
                remedy="Check that the database runs and can be reached, then try again",
            ) from error
        remedy = _restoring(copies()) if code in _NOT_WHOLE else lasting or _DOCTOR
        raise CatalogError(
            f"the catalog {shown_url} refused: {_reason(error)}", remedy=remedy
        ) from error


def as_sqlalchemys(error: BaseException) -> DBAPIError:
    """Return SQLAlchemy's name for a driver's error, as its own execution would raise."""
    for kind in type(error).__mro__:
        wrapper = getattr(exc, kind.__name__, None)
        if isinstance(wrapper, type) and issubclass(wrapper, DBAPIError):
            return wrapper(None, None, error)
    return DBAPIError(None, None, error)


def _restoring(copies: list[str]) -> str:
    # The journal of a damaged file would be played into the copy.
    if copies:
        newest = clean_text(copies[-1])
        return (
            "Move it away with its -wal and -shm, and put a copy in its place: "
            f"{newest} is from before an upgrade"
        )
    return (
        "Check that this is the catalog's file; if it is damaged, move it away with its -wal and "
        "-shm, and put a copy in its place"
    )


def _reason(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    return clean_text(lines[0]).rstrip(".")
