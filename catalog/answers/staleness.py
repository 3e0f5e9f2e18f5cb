"""What is stale: current versions that were made from something else than what is current now.

Contents decide, not numbers or times: an input that was made again with equal bytes makes nothing
stale.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, func, select

from rootcellar.catalog import tables as t
from rootcellar.catalog.answers.current import edges, edges_from, now, read
from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.keys import key_order, matches
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row, Select

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
    blamed = _blamed(connection)
    if type_id is not None:
        wanted = select(t.artifact.c.id).where(*matches(type_id, constraints))
        asked = set(connection.execute(wanted).scalars())
        blamed = [one for one in blamed if one.artifact_id in asked]
    return sorted(
        _told(connection, sorted(blamed)[:max_rows]),
        key=lambda one: (one.type, key_order(one.key), one.argument, key_order(one.input_key)),
    )


def stale_table(found: Sequence[Stale], *, note: str) -> Table[Stale]:
    """Return them as a table."""
    rows = [tuple(getattr(one, column.name) for column in _COLUMNS) for one in found]
    return Table(_COLUMNS, rows, found, note)


_was, _is = t.content.alias("content_read"), t.content.alias("content_now")


class _Blamed(NamedTuple):
    """An input to blame, by the row ids of all that is concerned."""

    artifact_id: int
    argument: str
    input_id: int
    cause: StaleCause
    made_id: int
    read_id: int
    now_id: int


def _blamed(connection: Connection) -> list[_Blamed]:
    """Look at the inputs of all heads at once; after that at what hangs on those that changed."""
    others: Sequence[Any] = connection.execute(_other_contents()).all()
    stale = {artifact_id for *_, artifact_id, is_changed in others if is_changed}
    blamed: list[_Blamed] = []
    level = sorted(stale)
    while level:
        following: set[int] = set()
        for edge in edges_from(connection, level):
            made_id, _, argument, read_id, input_id, now_id, artifact_id, is_same = edge
            following.add(artifact_id)
            if is_same:
                ids = (made_id, read_id, now_id)
                blamed.append(_Blamed(artifact_id, argument, input_id, StaleCause.UPSTREAM, *ids))
        level = sorted(following - stale)
        stale |= following
    for edge in others:
        made_id, _, argument, read_id, input_id, now_id, artifact_id, is_changed = edge
        cause = StaleCause.UPSTREAM if input_id in stale else StaleCause.UNKNOWN
        cause = StaleCause.CHANGED if is_changed else cause
        blamed.append(_Blamed(artifact_id, argument, input_id, cause, made_id, read_id, now_id))
    return blamed


def _other_contents() -> Select[Any]:
    """Return the query for the inputs whose current content is not the one that was read."""
    was, is_now = (func.substr(one.c.digest, 1, _ALGORITHM) for one in (_was, _is))
    is_there = t.location.c.state.in_([t.LocationState.PRESENT, t.LocationState.SUPERSEDED])
    is_changed = and_(was == is_now, was != "unread:", is_there)
    return (
        edges(is_changed.label("is_changed"))
        .join(_was, _was.c.id == read.c.content_id)
        .join(_is, _is.c.id == now.c.content_id)
        .join(t.location, t.location.c.version_id == now.c.id)
        .where(now.c.content_id != read.c.content_id)
    )


def _told(connection: Connection, blamed: Sequence[_Blamed]) -> list[Stale]:
    """Return what there is to tell of these inputs."""
    ids = {row_id for one in blamed for row_id in (one.made_id, one.read_id, one.now_id)}
    found = _named_versions(connection, sorted(ids))
    told = []
    for one in blamed:
        made, was, current = (found[row_id] for row_id in (one.made_id, one.read_id, one.now_id))
        told.append(
            Stale(
                type=made.type,
                key=json.loads(made.key_text),
                seq=made.seq,
                cause=one.cause,
                argument=one.argument,
                input_type=was.type,
                input_key=json.loads(was.key_text),
                recorded_seq=was.seq,
                current_seq=current.seq,
                version=made.uid,
                recorded=was.uid,
                current=current.uid,
            )
        )
    return told


def _named_versions(connection: Connection, ids: Sequence[int]) -> dict[int, Row[Any]]:
    found: dict[int, Row[Any]] = {}
    for some in chunks(ids):
        query: Select[Any] = (
            select(
                *(t.version.c[name] for name in ("id", "uid", "seq")),
                t.artifact_type.c.name.label("type"),
                t.artifact.c.key_text,
            )
            .join(t.artifact, t.artifact.c.id == t.version.c.artifact_id)
            .join(t.artifact_type, t.artifact_type.c.id == t.artifact.c.type_id)
            .where(t.version.c.id.in_(some))
        )
        for row in connection.execute(query):
            found[row.id] = row
    return found


def _named(type_name: str, key: Mapping[str, Any]) -> str:
    return f"{type_name}({', '.join(f'{name}={value!r}' for name, value in key.items())})"
