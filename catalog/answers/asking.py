"""What many questions have in common: a type with a part of its key, a limit, a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rootcellar.catalog import lookup, names, runs
from rootcellar.catalog.keys import matches
from rootcellar.catalog.tables import task
from rootcellar.schemas.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection

__all__ = ["check_limit", "cut_note", "task_ids", "type_conditions"]


def type_conditions(
    connection: Connection, type_name: str | None, key: Mapping[str, Any]
) -> list[ColumnElement[bool]]:
    """Return what rows of `artifact` fulfil that are of a type and fit a part of its key.

    Args:
        type_name: A type, or None for all.

    Raises:
        NotInCatalog: No such type, or its keys have no such field.
    """
    if type_name is None:
        names.refuse_key(key)
        return []
    names.check_type(type_name, lookup.type_names(connection))
    if key:
        names.check_fields(type_name, key, lookup.key_fields(connection, type_name))
    row_id = lookup.type_id(connection, type_name)
    return [] if row_id is None else matches(row_id, key)


def task_ids(connection: Connection, name: str | None) -> list[int] | None:
    """Return the row ids of the tasks that are meant; None for all.

    Raises:
        NotInCatalog: No such task ran.
    """
    if name is None:
        return None
    meant = names.tasks(name, runs.task_names(connection))
    return list(connection.execute(select(task.c.id).where(task.c.name.in_(meant))).scalars())


def check_limit(name: str, limit: int) -> None:
    """Refuse a limit that leaves nothing."""
    if limit < 1:
        raise CatalogError(f"{name} cannot be {limit}", remedy="Let it be 1 or more")


def cut_note(found: int, limit: int) -> str:
    """Return what a table says if more was found than it shows."""
    return f"first {limit:,} of more".replace(",", " ") if found > limit else ""
