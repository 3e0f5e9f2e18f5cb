"""Aliases: names that people give to versions, the last setting of each counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import select

from rootcellar.catalog.mark_tables import alias
from rootcellar.catalog.tables import version
from rootcellar.schemas.errors import CatalogError

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["aliased_uid", "check_alias"]

_NAME = re.compile(r"[^\W_][\w.+-]{0,99}")
_LIKE_A_UID = re.compile(r"[0-9a-f-]{8,}")


def aliased_uid(connection: Connection, name: str) -> str | None:
    """Return the uid of the version that a name stands for now, or None."""
    last = select(alias.c.version_id).where(alias.c.name == name)
    last = last.order_by(alias.c.set_at.desc(), alias.c.id.desc())
    return connection.execute(
        select(version.c.uid).where(version.c.id == last.limit(1).scalar_subquery())
    ).scalar()


def check_alias(name: str) -> None:
    """Refuse what could be taken for something else, such as a URI or the end of a uid.

    Raises:
        CatalogError: It cannot be an alias.
    """
    if not _NAME.fullmatch(name) or _LIKE_A_UID.fullmatch(name):
        raise CatalogError(
            f"{name!r} cannot be an alias",
            remedy="Use letters, digits and . _ + -, a hundred at most, and nothing like a uid",
        )
