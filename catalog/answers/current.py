"""What current versions were made from, as the parts of queries.

An input whose current version came out of the same run is left out everywhere: a state file that
updates itself depends on nothing but its own past.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, literal_column, or_, select

from rootcellar.catalog import tables as t

if TYPE_CHECKING:
    from sqlalchemy import CTE, ColumnElement, Select

__all__ = ["edges", "edges_from", "made", "now", "read", "with_dependants"]

# From the head of an artifact: the version it is at, what that read, and what is current of that.
made, read, now = (t.version.alias(name) for name in ("made", "was_read", "is_now"))
input_head = t.artifact_head.alias("input_head")

_is_of_another_run = or_(now.c.run_id.is_(None), now.c.run_id != made.c.run_id)


def _known(column: ColumnElement[int]) -> ColumnElement[int]:
    """Return what a join starts from.

    Without statistics SQLite may begin at the other side, and read the whole history for the few
    rows that are current. Into a sum no index leads.
    """
    return column + literal_column("0")


def edges(*columns: Any) -> Select[Any]:
    """Return a query over the inputs of all current versions."""
    return (
        select(*columns)
        .select_from(t.artifact_head)
        .join(made, made.c.id == _known(t.artifact_head.c.version_id))
        .join(t.run_input, t.run_input.c.run_id == _known(made.c.run_id))
        .join(read, read.c.id == t.run_input.c.version_id)
        .join(input_head, input_head.c.artifact_id == read.c.artifact_id)
        .join(now, now.c.id == input_head.c.version_id)
        .where(_is_of_another_run)
    )


def edges_from(inputs: CTE, *columns: Any) -> Select[Any]:
    """Return a query over those of these edges that lead to some artifacts.

    Args:
        inputs: Their ids, as `artifact_id`.
    """
    return (
        select(*columns)
        .select_from(inputs)
        .join(read, read.c.artifact_id == _known(inputs.c.artifact_id))
        .join(t.run_input, t.run_input.c.version_id == _known(read.c.id))
        .join(made, made.c.run_id == _known(t.run_input.c.run_id))
        .join(
            t.artifact_head,
            and_(
                t.artifact_head.c.artifact_id == _known(made.c.artifact_id),
                t.artifact_head.c.version_id == made.c.id,
            ),
        )
        .join(input_head, input_head.c.artifact_id == _known(inputs.c.artifact_id))
        .join(now, now.c.id == input_head.c.version_id)
        .where(_is_of_another_run)
    )


def with_dependants(start: Select[Any], name: str) -> CTE:
    """Return artifacts with all whose current versions were made from some version of them.

    Args:
        start: A query for ids as `artifact_id`.
    """
    reached = start.cte(name, recursive=True)
    return reached.union(edges_from(reached, t.artifact_head.c.artifact_id))
