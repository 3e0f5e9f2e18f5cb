"""Aliases: names that people give to versions, the last setting of each counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from rootcellar.catalog.mark_tables import alias
from rootcellar.catalog.tables import version
from rootcellar.schemas.errors import CatalogError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

__all__ = ["aliased_uid", "check_alias", "last_settings"]

_NAME = re.compile(r"[^\W_][\w.+-]{0,99}")
_LIKE_A_UID = re.compile(r"[0-9a-f-]{8,}")


def aliased_uid(connection: Connection, name: str) -> str | None:
    """Return the uid of the version that a name stands for now, or None."""
    last = select(alias.c.version_id).where(alias.c.name == name)
    last = last.order_by(alias.c.set_at.desc(), alias.c.id.desc())
    return connection.execute(
        select(version.c.uid).where(version.c.id == last.limit(1).scalar_subquery())
    ).scalar()


def last_settings() -> Select[tuple[int]]:
    """Return the row ids of each name's last setting, which need not be the last that was entered.

    A merge enters what the other side said before.
    """
    place = func.row_number().over(
        partition_by=alias.c.name, order_by=(alias.c.set_at.desc(), alias.c.id.desc())
    )
    each = select(alias.c.id, place.label("place")).subquery()
    return select(each.c.id).where(each.c.place == 1)


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
