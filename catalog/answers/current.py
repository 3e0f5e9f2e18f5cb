"""What current versions were made from, as queries.

An input whose current version came out of the same run is left out everywhere: a state file that
updates itself depends on nothing but its own past.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import literal_column, or_, select

from rootcellar.catalog import tables as t
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

__all__ = ["edges", "edges_from", "now", "read"]

# From the head of an artifact: the version it is at, what that read, and what is current of that.
_made, read, now = (t.version.alias(name) for name in ("made", "was_read", "is_now"))
_input_head = t.artifact_head.alias("input_head")

_is_of_another_run = or_(now.c.run_id.is_(None), now.c.run_id != _made.c.run_id)

_EDGE = (
    _made.c.id.label("made_id"),
    _made.c.run_id,
    t.run_input.c.argument,
    read.c.id.label("read_id"),
    read.c.artifact_id.label("input_id"),
    now.c.id.label("now_id"),
)


def _known(column: ColumnElement[int]) -> ColumnElement[int]:
    """Return the side of a join that is there already.

    Without statistics SQLite may begin at the other side, and read the whole history for the few
    rows that are current. Into a sum no index leads.
    """
    return column + literal_column("0")


def edges(*columns: Any) -> Select[Any]:
    """Return a query over the inputs of all current versions, from their heads on.

    Its columns are ids of rows, the argument under which the input was read, and what is asked.
    """
    return (
        select(*_EDGE, _made.c.artifact_id, *columns)
        .select_from(t.artifact_head)
        .join(_made, _made.c.id == _known(t.artifact_head.c.version_id))
        .join(t.run_input, t.run_input.c.run_id == _known(_made.c.run_id))
        .join(read, read.c.id == t.run_input.c.version_id)
        .join(_input_head, _input_head.c.artifact_id == read.c.artifact_id)
        .join(now, now.c.id == _input_head.c.version_id)
        .where(_is_of_another_run)
    )


def edges_from(connection: Connection, artifacts: Sequence[int]) -> Iterator[Any]:
    """Yield those of these rows whose input is one of these artifacts.

    `is_same` tells whether the content that was read is the current one. In pieces with plain lists
    of ids, and heads looked up one by one: of a recursive query or a join with the heads Postgres
    takes the wrong size, and reads whole tables in each step.
    """
    head = (
        select(t.artifact_head.c.version_id)
        .where(t.artifact_head.c.artifact_id == _made.c.artifact_id)
        .scalar_subquery()
    )
    is_same = now.c.content_id == read.c.content_id
    query = (
        select(*_EDGE, _made.c.artifact_id, is_same.label("is_same"))
        .select_from(read)
        .join(t.run_input, t.run_input.c.version_id == _known(read.c.id))
        .join(_made, _made.c.run_id == _known(t.run_input.c.run_id))
        .join(_input_head, _input_head.c.artifact_id == read.c.artifact_id)
        .join(now, now.c.id == _input_head.c.version_id)
        .where(_made.c.id == head, _is_of_another_run)
    )
    for some in chunks(artifacts):
        yield from connection.execute(query.where(read.c.artifact_id.in_(some)))
