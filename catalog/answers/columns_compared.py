"""How the columns of two tables differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.catalog import table_facts
from rootcellar.catalog.answers.difference import Change, How, Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from rootcellar.catalog.values import Version
    from rootcellar.schemas.columns import Column

    Schemas = Mapping[str, Sequence[Column]]

__all__ = ["schema_changes", "schemas_of"]


def schemas_of(
    connection: Connection, pairs: Iterable[tuple[Version, Version]]
) -> dict[str, tuple[Column, ...]]:
    """Return by fingerprint the columns of versions that stand beside others with other columns."""
    wanted = {
        fingerprint
        for pair in pairs
        if (found := {one.schema_fingerprint for one in pair}) and len(found) > 1
        for fingerprint in found
        if fingerprint
    }
    return table_facts.schemas(connection, wanted) if wanted else {}


def schema_changes(before: Version, after: Version, schemas: Schemas) -> tuple[Change, ...]:
    """Return the columns in which two versions differ, those of `after` in order.

    Nothing if the columns are the same, or those of one are not known.

    Args:
        schemas: Columns by fingerprint, as far as known.
    """
    sides = [schemas.get(one.schema_fingerprint or "", ()) for one in (before, after)]
    if before.schema_fingerprint == after.schema_fingerprint or not all(sides):
        return ()
    old, new = ({one.name: one.full_type for one in side} for side in sides)
    changes = [
        Change(Topic.SCHEMA, name, None, type_, How.ADDED)
        if name not in old
        else Change(Topic.SCHEMA, name, old[name], type_)
        for name, type_ in new.items()
        if old.get(name) != type_
    ]
    changes += [
        Change(Topic.SCHEMA, name, type_, None, How.MISSING)
        for name, type_ in old.items()
        if name not in new
    ]
    if not changes and [*old] != [*new]:
        changes = [Change(Topic.SCHEMA, "columns", None, None, How.OTHER_ORDER)]
    return tuple(changes)
