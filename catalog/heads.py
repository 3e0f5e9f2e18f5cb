"""Heads: which version of an artifact is the current one, and how its versions are numbered.

The head is the one row that every writer of an artifact locks; until its transaction ends, nobody
else adds a version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from rootcellar.catalog.tables import artifact_head
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from rootcellar.catalog.held import Executes


__all__ = ["Head", "lock_heads", "move_heads"]

# Built once: for statements as small as these, building costs more than running.
_LOCK = (
    select(artifact_head.c.artifact_id, artifact_head.c.last_seq, artifact_head.c.recorded_at)
    .where(artifact_head.c.artifact_id.in_(bindparam("ids", expanding=True)))
    .order_by(artifact_head.c.artifact_id)
    .with_for_update()
)
_COUNT_ON = (
    update(artifact_head)
    .where(artifact_head.c.artifact_id == bindparam("of_artifact"))
    .values(last_seq=bindparam("new_seq"))
)
_MOVE = _COUNT_ON.values(version_id=bindparam("new_version"), recorded_at=bindparam("new_time"))


@dataclass(slots=True)
class Head:
    """An artifact's head while this transaction holds it.

    Attributes:
        last_seq: Number of the version added last.
        recorded_at: When the current version was recorded; None if there is none yet.
        moved_to: Uid of the version this transaction makes the current one; empty for none.
    """

    last_seq: int
    recorded_at: datetime | None
    moved_to: str = ""

    def add(self, uid: str, recorded_at: datetime) -> int:
        """Take a version in and return its number; it becomes the head if it is the newest.

        Records that waited on disk arrive late: the newest is not always the last to arrive.
        """
        self.last_seq += 1
        if self.recorded_at is None or recorded_at >= self.recorded_at:
            self.moved_to, self.recorded_at = uid, recorded_at
        return self.last_seq


def lock_heads(connection: Executes, artifact_ids: Iterable[int]) -> dict[int, Head]:
    """Return the heads of these artifacts, locked until the transaction ends."""
    heads: dict[int, Head] = {}
    for some in chunks(sorted(artifact_ids)):
        for artifact_id, last_seq, recorded_at in connection.execute(_LOCK, {"ids": some}):
            heads[artifact_id] = Head(last_seq, recorded_at)
    return heads


def move_heads(connection: Executes, heads: Mapping[int, Head], ids: Mapping[str, int]) -> None:
    """Write locked heads back.

    Args:
        ids: Row ids of the versions that were added, by uid.
    """
    moved, stayed = [], []
    for artifact_id, head in heads.items():
        counted = {"of_artifact": artifact_id, "new_seq": head.last_seq}
        if head.moved_to:
            place = {"new_version": ids[head.moved_to], "new_time": head.recorded_at}
            moved.append({**counted, **place})
        else:
            stayed.append(counted)
    if moved:
        connection.execute(_MOVE, moved)
    if stayed:
        connection.execute(_COUNT_ON, stayed)
