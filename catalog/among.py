"""Row ids as a condition: one value for a whole list, however long.

A list of placeholders is written anew for each length, which costs more than what it finds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Integer, any_, column, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Column, ColumnElement, Connection

__all__ = ["among"]


def among(connection: Connection, of: Column[int], ids: Iterable[int]) -> ColumnElement[bool]:
    """Return the condition that a column is one of these ids."""
    listed = list(ids)
    if connection.dialect.name == "postgresql":
        return of == any_(literal(listed, ARRAY(BigInteger)))
    each = func.json_each(json.dumps(listed)).table_valued(column("value", Integer))
    return of.in_(select(each.c.value))
