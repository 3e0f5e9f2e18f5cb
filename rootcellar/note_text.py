"""What a note of a run says: its start, and how it ended if it waits to be entered."""

from __future__ import annotations

import functools
import json
import logging
import operator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import (
    CodeIdentity,
    Environment,
    InputRecord,
    PhaseSeconds,
    RunEnded,
    RunStarted,
    RunState,
    VersionRecord,
    time_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "Noted",
    "begun_text",
    "encoded",
    "end_text",
    "input_values",
    "moment",
    "nanoseconds",
    "read_note",
    "read_start",
    "same_text",
    "start_text",
    "started_of",
]

logger = logging.getLogger("rootcellar.run")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAME = ("kind", "task", "queue", "host", "pid", "code")
"""Of all runs of a task in a process."""

_OTHERWISE = {*_SAME, "started_at", "environment"}
_START = [field.name for field in fields(RunStarted) if field.name not in _OTHERWISE]
_START_OF = operator.attrgetter(*_START)
_SAME_OF = operator.attrgetter(*_SAME)
_INPUT = [field.name for field in fields(InputRecord) if field.name != "version"]
_INPUT_OF = operator.attrgetter(*_INPUT)
_BETWEEN = b"\t"
"""JSON writes it otherwise within texts."""


def encoded(said: Any) -> bytes:
    """Return a JSON value as text that `json.loads` takes, whatever stands in its texts."""
    try:
        return to_json(said)  # in a fifth of the time
    except ValueError:  # half of a surrogate pair, for instance
        return json.dumps(said).encode()


@dataclass(frozen=True, slots=True)
class Noted:
    """A note that was read.

    Attributes:
        end: Of a run that succeeded and was not entered yet. Its versions are in the catalog, and
            the note names them only.
    """

    start: RunStarted
    end: dict[str, Any] | None

    def ended(self, version: Callable[[str], VersionRecord | None]) -> RunEnded | None:
        """Return how the run ended; None if it did not, or if a version is not to be found.

        Args:
            version: Finds one by its uid.
        """
        if self.end is None:
            return None
        inputs = []
        for uid, *values in self.end["inputs"]:
            found = version(uid) if uid else None
            if uid and found is None:
                return None
            inputs.append(InputRecord(version=found, **dict(zip(_INPUT, values, strict=True))))
        return RunEnded(
            uid=self.start.uid,
            state=RunState.SUCCEEDED,
            ended_at=moment(self.end["ended_ns"]),
            phases=PhaseSeconds.of(self.end["phases"]),
            inputs=tuple(inputs),
        )


def moment(nanoseconds: int) -> datetime:
    """Return a time that is told in nanoseconds since 1970, to the microsecond."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def nanoseconds(at: datetime) -> int:
    """Return the nanoseconds since 1970 of a time."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000


def start_text(record: RunStarted) -> bytes:
    """Return what a note says of a run that began; its environment stands in the note's head.

    What is empty is left out: a record has it by default.
    """
    values = zip(_START, _START_OF(record), strict=True)
    said: dict[str, Any] = {name: value for name, value in values if value}
    said["started_at"] = record.started_at.isoformat()
    return begun_text(same_text(*_SAME_OF(record)), said)


def begun_text(same: bytes, said: Mapping[str, Any]) -> bytes:
    """Return the text of a start.

    Args:
        same: What `same_text` gave.
        said: The other fields of the record that are not empty, as JSON values. Without
            `started_at`, it began when its uid was made.
    """
    return same + encoded(said)[1:]


@functools.lru_cache(maxsize=1_000)
def same_text(*values: Any) -> bytes:
    """Return the beginning of the text: what all runs of a task in a process have in common.

    Args:
        values: Kind, task, queue, host, pid and code.
    """
    said = dict(zip(_SAME, values, strict=True))
    code: CodeIdentity | None = said["code"]
    said["code"] = code and [code.qualname, code.source_digest, code.git_commit, code.git_dirty]
    return encoded(said)[:-1] + b", "


def end_text(ended_ns: int, seconds: Mapping[str, float], inputs: Sequence[Sequence[Any]]) -> bytes:
    """Return what is added of one that succeeded, made nothing and read known versions only.

    Args:
        ended_ns: When, in nanoseconds since 1970.
        seconds: What its phases took, by their names.
        inputs: Of each what `input_values` gives.
    """
    return _BETWEEN + encoded({"ended_ns": ended_ns, "phases": seconds, "inputs": inputs})


def input_values(record: InputRecord) -> list[Any]:
    """Return what an end says of an input: the uid of its version, and the fields of its record."""
    uid = None if record.version is None else record.version.ref.version
    return [uid, *_INPUT_OF(record)]


def read_note(head: bytes, line: bytes) -> Noted | None:
    """Return what a note says; None if it was not ours, or not of this version."""
    try:
        begun, _, ended = line.partition(_BETWEEN)
        where = json.loads(head)
        end = json.loads(ended) if ended else None
        return Noted(read_start(begun, where and Environment(**where)), end)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        logger.warning("a note of a dead run could not be read")
        return None


def read_start(text: bytes, environment: Environment | None) -> RunStarted:
    """Return the record that the text of a start tells of.

    Raises:
        ValueError, TypeError, KeyError, IndexError, AttributeError: It is no such text.
    """
    return started_of(json.loads(text), environment)


def started_of(said: dict[str, Any], environment: Environment | None) -> RunStarted:
    """Return the record that the text of a start tells of, once that is read as JSON.

    Raises:
        ValueError, TypeError, KeyError, IndexError, AttributeError: It is no such text.
    """
    code = said.pop("code")
    at = said.pop("started_at", None)
    return RunStarted(
        **said,
        started_at=time_of(said["uid"]) if at is None else datetime.fromisoformat(at),
        environment=environment,
        code=code
        and CodeIdentity(
            qualname=code[0],
            source_digest=Digest(code[1]),
            git_commit=code[2],
            git_dirty=code[3],
        ),
    )
