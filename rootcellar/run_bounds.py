"""Where a run starts and ends: as texts for its note at once, as records when they are entered.

What a record is made of costs a good part of what a staged task may, and nobody reads the record
before its row is written, a moment after the result. So the text is what is made while somebody
waits, and the record is made of it, or of what the run still holds, by whoever enters it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.note_text import end_text, input_values, nanoseconds, read_start, start_text
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from rootcellar.schemas.record import Environment, RunEnded, RunStarted

__all__ = ["RunEnd", "RunStart"]


class RunStart:
    """How a run began.

    Attributes:
        text: What its note says, which `read_start` reads.
        environment: In the note's head.
    """

    __slots__ = ("_record", "environment", "redelivered", "task", "task_id", "text", "uid")

    def __init__(
        self,
        uid: str,
        *,
        task: str,
        task_id: str,
        redelivered: bool,
        text: bytes,
        environment: Environment | None,
    ) -> None:
        self.uid = uid
        self.task = task
        self.task_id = task_id
        self.redelivered = redelivered
        self.text = text
        self.environment = environment
        self._record: RunStarted | None = None

    @classmethod
    def of(cls, record: RunStarted) -> Self:
        """Return the start that a record tells of."""
        start = cls(
            record.uid,
            task=record.task,
            task_id=record.task_id,
            redelivered=record.redelivered,
            text=start_text(record),
            environment=record.environment,
        )
        start._record = record
        return start

    @property
    def record(self) -> RunStarted:
        """What the catalog keeps of it; made when it is first asked for."""
        if self._record is None:
            self._record = read_start(self.text, self.environment)
        return self._record


class RunEnd:
    """How a run ended that succeeded and that nobody but who wants to know of it looks for.

    Args:
        uid: Of the run.
        versions: Uids of all that it read.
        text: What is added to its note.
        record: Makes what the catalog keeps of it, by any thread; what it is made of stays as it
            is.
    """

    __slots__ = ("_make", "_record", "text", "uid", "versions")

    def __init__(
        self, uid: str, *, versions: Sequence[str], text: bytes, record: Callable[[], RunEnded]
    ) -> None:
        self.uid = uid
        self.versions = versions
        self.text = text
        self._make = record
        self._record: RunEnded | None = None

    @classmethod
    def of(cls, record: RunEnded) -> Self | None:
        """Return the end that a record tells of; None if others look for its row."""
        others = record.outputs or record.reuse_key or record.reused_run
        read = [one.version for one in record.inputs if one.version is not None]
        if record.state is not RunState.SUCCEEDED or others or any(one.is_learned for one in read):
            return None
        return cls(
            record.uid,
            versions=[one.ref.version for one in read],
            text=end_text(
                nanoseconds(record.ended_at),
                record.phases.by_name(),
                [input_values(one) for one in record.inputs],
            ),
            record=lambda: record,
        )

    @property
    def record(self) -> RunEnded:
        """What the catalog keeps of it; made when it is first asked for."""
        if self._record is None:
            self._record = self._make()
        return self._record
