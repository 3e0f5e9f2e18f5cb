"""What is stale: current versions that were made from something else than what is current now.

Contents decide, not numbers or times: an input that was made again with equal bytes makes nothing
stale.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, or_, select

from rootcellar.catalog import tables as t
from rootcellar.catalog.answers.current import edges, made, now, read, with_dependants
from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.keys import key_order, matches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import CTE, ColumnElement, Connection, Row, Select

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
    stale = _stale()
    is_stale = read.c.artifact_id.in_(select(stale.c.artifact_id))
    cause = case(
        (_is_changed(), StaleCause.CHANGED.value),
        (is_stale, StaleCause.UPSTREAM.value),
        else_=StaleCause.UNKNOWN.value,
    )
    query = (
        _compared(edges(*_detail(), cause.label("cause")))
        .join(t.artifact, t.artifact.c.id == t.artifact_head.c.artifact_id)
        .join(t.artifact_type, t.artifact_type.c.id == t.artifact.c.type_id)
        .join(_input, _input.c.id == read.c.artifact_id)
        .join(_input_type, _input_type.c.id == _input.c.type_id)
        .where(or_(_is_other, is_stale))
        .order_by(t.artifact_head.c.artifact_id)
        .limit(max_rows)
    )
    if type_id is not None:
        query = query.where(*matches(type_id, constraints))
    found = [_stale_of(row) for row in connection.execute(query)]
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

_is_other = now.c.content_id != read.c.content_id


def _compared(query: Select[Any]) -> Select[Any]:
    """Return the query with the contents that were read and that are current."""
    return (
        query.join(_was, _was.c.id == read.c.content_id)
        .join(_is, _is.c.id == now.c.content_id)
        .join(t.location, t.location.c.version_id == now.c.id)
    )


def _is_changed() -> ColumnElement[bool]:
    """Return what holds if an input certainly has other content now."""
    was, is_now = (func.substr(one.c.digest, 1, _ALGORITHM) for one in (_was, _is))
    is_there = t.location.c.state.in_([t.LocationState.PRESENT, t.LocationState.SUPERSEDED])
    return and_(_is_other, was == is_now, was != "unread:", is_there)


def _stale() -> CTE:
    """Return the artifacts that are stale: by an input of their own, and all that hangs on them."""
    direct = _compared(edges(t.artifact_head.c.artifact_id)).where(_is_changed())
    return with_dependants(direct, "stale")


def _detail() -> list[Any]:
    return [
        t.artifact_type.c.name.label("type"),
        t.artifact.c.key_text,
        made.c.seq,
        made.c.uid.label("version"),
        t.run_input.c.argument,
        _input_type.c.name.label("input_type"),
        _input.c.key_text.label("input_key_text"),
        read.c.seq.label("recorded_seq"),
        read.c.uid.label("recorded"),
        now.c.seq.label("current_seq"),
        now.c.uid.label("current"),
    ]


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
