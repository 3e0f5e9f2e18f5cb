"""What is stale: current versions that were made from something else than what is current now.

Contents decide, not numbers or times: an input that was made again with equal bytes makes nothing
stale.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, literal, select, union_all

from rootcellar.catalog import tables as t
from rootcellar.catalog.answers.current import (
    edges,
    edges_from,
    made,
    now,
    read,
    with_dependants,
)
from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.keys import key_order, matches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import CTE, Connection, Row, Select

__all__ = ["Stale", "StaleCause", "find_stale", "stale_table"]

_COLUMNS = (
    Column("type", "str"),
    Column("key", "json"),
    Column("seq", "int"),
    Column("cause", "str"),
    Column("argument", "str"),
    Column("input_type", "str"),
    Column("input_key", "json"),
    Column("recorded_seq", "int"),
    Column("current_seq", "int"),
    Column("version", "str"),
    Column("recorded", "str"),
    Column("current", "str"),
)
_ALGORITHM = 7  # letters that tell algorithms apart: `sha256:`, `blake3:`, `unread:`


class StaleCause(StrEnum):
    """Why a version is not what would be made today."""

    CHANGED = "changed"  # the input has other content now
    UPSTREAM = "upstream"  # the input has the same content, and is stale itself
    UNKNOWN = "unknown"  # the contents cannot be compared: never read whole, or deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """One input of a current version, because of which that is stale or may be.

    Attributes:
        seq: Of the stale version, which is current.
        version: Its uid.
        argument: Under which it read the input.
        recorded_seq: Which version of the input it read.
        current_seq: Which version of the input is current now.
        recorded: Uid of the one that was read.
        current: Uid of the one that is current.
    """

    type: str
    key: dict[str, Any]
    seq: int
    cause: StaleCause
    argument: str
    input_type: str
    input_key: dict[str, Any]
    recorded_seq: int
    current_seq: int
    version: str
    recorded: str
    current: str

    @property
    def artifact(self) -> str:
        """The stale artifact as it prints."""
        return _named(self.type, self.key)

    @property
    def input(self) -> str:
        """The input as it prints."""
        return _named(self.input_type, self.input_key)

    def __str__(self) -> str:
        versions = f"version {self.current_seq}, was {self.recorded_seq}"
        reason = {
            StaleCause.CHANGED: f"{self.input} changed: {versions}",
            StaleCause.UPSTREAM: f"{self.input} is stale itself",
            StaleCause.UNKNOWN: f"{self.input} may have changed: {versions}",
        }
        return f"{self.artifact}: {self.argument}: {reason[self.cause]}"


def find_stale(
    connection: Connection, *, type_id: int | None, constraints: Mapping[str, Any], max_rows: int
) -> list[Stale]:
    """Return the inputs that make current versions stale, sorted by those versions' keys.

    Args:
        type_id: Of the artifacts to look at; None for all.
        max_rows: If there are more, those of the artifacts that were recorded first.
    """
    blamed = _blamed()
    if type_id is not None:
        wanted = select(t.artifact.c.id).where(*matches(type_id, constraints))
        blamed = blamed.where(blamed.selected_columns.artifact_id.in_(wanted))
    found = [_stale_of(row) for row in connection.execute(_told(blamed, max_rows))]
    return sorted(
        found,
        key=lambda one: (one.type, key_order(one.key), one.argument, key_order(one.input_key)),
    )


def stale_table(found: Sequence[Stale], *, note: str) -> Table[Stale]:
    """Return them as a table."""
    rows = [tuple(getattr(one, column.name) for column in _COLUMNS) for one in found]
    return Table(_COLUMNS, rows, found, note)


_was, _is = t.content.alias("content_read"), t.content.alias("content_now")
_input, _input_type = t.artifact.alias("input"), t.artifact_type.alias("input_type")
_EDGE = (
    t.artifact_head.c.artifact_id,
    made.c.id.label("made_id"),
    t.run_input.c.argument,
    read.c.id.label("read_id"),
    now.c.id.label("now_id"),
)


def _blamed() -> Select[Any]:
    """Return a query for the inputs to blame, by the ids of all that is concerned.

    All inputs of all heads are looked at once; after that only what differs, and what hangs on it.
    """
    other = _other()
    changed = select(other.c.artifact_id).where(other.c.is_changed)
    stale = with_dependants(changed, "stale")
    is_stale = other.c.input_id.in_(select(stale.c.artifact_id))
    cause = case(
        (other.c.is_changed, StaleCause.CHANGED.value),
        (is_stale, StaleCause.UPSTREAM.value),
        else_=StaleCause.UNKNOWN.value,
    )
    own = select(*(other.c[column.name] for column in _EDGE), cause.label("cause"))
    upstream = edges_from(stale, *_EDGE, literal(StaleCause.UPSTREAM.value)).where(
        now.c.content_id == read.c.content_id
    )
    both = union_all(own, upstream).subquery("blamed")
    return select(both)


def _other() -> CTE:
    """Return the inputs whose current content is not the one that was read."""
    was, is_now = (func.substr(one.c.digest, 1, _ALGORITHM) for one in (_was, _is))
    is_there = t.location.c.state.in_([t.LocationState.PRESENT, t.LocationState.SUPERSEDED])
    is_changed = and_(was == is_now, was != "unread:", is_there)
    return (
        edges(*_EDGE, read.c.artifact_id.label("input_id"), is_changed.label("is_changed"))
        .join(_was, _was.c.id == read.c.content_id)
        .join(_is, _is.c.id == now.c.content_id)
        .join(t.location, t.location.c.version_id == now.c.id)
        .where(now.c.content_id != read.c.content_id)
        .cte("other")
    )


def _told(blamed: Select[Any], max_rows: int) -> Select[Any]:
    """Return the query for the first of these inputs with all that is told of them."""
    first = blamed.order_by(*list(blamed.selected_columns)[:4]).limit(max_rows).subquery("first")
    return (
        select(
            t.artifact_type.c.name.label("type"),
            t.artifact.c.key_text,
            made.c.seq,
            made.c.uid.label("version"),
            first.c.argument,
            first.c.cause,
            _input_type.c.name.label("input_type"),
            _input.c.key_text.label("input_key_text"),
            read.c.seq.label("recorded_seq"),
            read.c.uid.label("recorded"),
            now.c.seq.label("current_seq"),
            now.c.uid.label("current"),
        )
        .select_from(first)
        .join(t.artifact, t.artifact.c.id == first.c.artifact_id)
        .join(t.artifact_type, t.artifact_type.c.id == t.artifact.c.type_id)
        .join(made, made.c.id == first.c.made_id)
        .join(read, read.c.id == first.c.read_id)
        .join(now, now.c.id == first.c.now_id)
        .join(_input, _input.c.id == read.c.artifact_id)
        .join(_input_type, _input_type.c.id == _input.c.type_id)
    )


def _stale_of(row: Row[Any]) -> Stale:
    return Stale(
        type=row.type,
        key=json.loads(row.key_text),
        seq=row.seq,
        cause=StaleCause(row.cause),
        argument=row.argument,
        input_type=row.input_type,
        input_key=json.loads(row.input_key_text),
        recorded_seq=row.recorded_seq,
        current_seq=row.current_seq,
        version=row.version,
        recorded=row.recorded,
        current=row.current,
    )


def _named(type_name: str, key: Mapping[str, Any]) -> str:
    return f"{type_name}({', '.join(f'{name}={value!r}' for name, value in key.items())})"
