"""What the front desk hands to the catalog: complete in itself, named by uids and natural keys.

No database ids and no live objects, so that a record can wait on disk and be replayed elsewhere.
Times are aware UTC. Mappings hold JSON values only.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from rootcellar.schemas.columns import Column, ColumnStatistics
    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Kind, Ref

__all__ = [
    "CodeIdentity",
    "Environment",
    "ErrorRecord",
    "InputRecord",
    "Origin",
    "OutputRecord",
    "PhaseSeconds",
    "RunEnded",
    "RunStarted",
    "RunState",
    "TypeRecord",
    "VersionRecord",
    "new_uid",
    "time_of",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_uid() -> str:
    """Return a new UUIDv7: unique anywhere, sorted by the time it was made.

    The order holds to a quarter of a microsecond, and as far as clocks agree and never step back.

    Source: RFC 9562 section 5.7, with the fraction of a millisecond in place of `rand_a` as in
    section 6.2, method 3. The standard library has it from Python 3.14 on.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8)) >> 2
    value = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | random
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def time_of(uid: str) -> datetime:
    """Return when a uid was made, as `new_uid` knew it, to the microsecond.

    Raises:
        ValueError: It is no such uid.
    """
    value = UUID(uid).int
    milliseconds, fraction = value >> 80, value >> 64 & 0xFFF
    return _EPOCH + timedelta(milliseconds=milliseconds, microseconds=fraction * 1000 >> 12)


class RunState(StrEnum):
    """Where a run stands. All but `RUNNING` are final."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    REUSED = "reused"  # outputs of an earlier run still stand; the body did not run
    FAILED = "failed"
    RETRIED = "retried"  # this run ended in an error; another run of the task id follows
    SKIPPED = "skipped"  # the body replaced itself, or asked to be ignored or rejected
    LOST = "lost"  # its process died


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRecord:
    """An artifact type as the registry declares it now.

    Attributes:
        definition: Key fields with their types, format, documentation: everything that makes two
            revisions of a type differ.
    """

    name: str
    registry: str
    arguments: tuple[str, ...]
    uri_template: str
    media_type: str
    kind: Kind
    definition: dict[str, Any]


Origin = Literal["run", "observed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """One production of an artifact by a run, or one sighting of bytes that no run of ours made.

    Attributes:
        ref: Type, key, URI, version uid, digest, size and pin.
        members: Number of files of a folder; None for a file.
        row_count: Rows of a table; None where the format has none.
        schema_fingerprint: Digest of the table's schema; None where the format has none.
        is_learned: The version was recorded before its bytes were read whole; only now its digest
            is known.
        columns: Of a table, as far as its columns are known; else empty.
        statistics: Of those columns whose bounds or nulls are known.
    """

    ref: Ref
    origin: Origin
    media_type: str
    recorded_at: datetime
    members: int | None = None
    row_count: int | None = None
    schema_fingerprint: str | None = None
    is_learned: bool = False
    columns: tuple[Column, ...] = ()
    statistics: tuple[ColumnStatistics, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeIdentity:
    """Evidence of which code ran.

    Attributes:
        qualname: `module:function` of the body.
        source_digest: Of the body and what it names in its own package, comments and layout
            left out.
        git_commit: Empty where no repository was found.
        git_dirty: True if the working tree differed from the commit; None if unknown.
    """

    qualname: str
    source_digest: Digest
    git_commit: str = ""
    git_dirty: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where the body ran. `packages` maps distribution names to versions."""

    python: str
    platform: str
    packages: dict[str, str]
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """One execution of one message, at the moment it begins.

    Attributes:
        uid: UUIDv7 of this run.
        kind: `task` under Celery, `session` for `staged`, `pull`, `push` for single calls.
        task: Name of the task, or of the kind for a session.
        task_id: Celery's id; empty outside Celery. Not unique: retries and redeliveries repeat it.
        parent_run: Uid of the run whose body or caller sent this one; empty if unknown.
        arguments: The call's arguments by name as JSON, secrets redacted.
    """

    uid: str
    kind: Literal["task", "session", "pull", "push"]
    task: str
    started_at: datetime
    task_id: str = ""
    root_id: str = ""
    parent_id: str = ""
    group_id: str = ""
    parent_run: str = ""
    retries: int = 0
    redelivered: bool = False
    queue: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    code: CodeIdentity | None = None
    environment: Environment | None = None
    host: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecord:
    """One artifact that a run read.

    Attributes:
        argument: Name of the parameter.
        ordinal: Position within a fan-in, from 0.
        version: None if nothing was there and the input is optional.
        cache: `hit` if the bytes were on the host, `miss` if they were downloaded, `streamed` if
            the body read what it wanted of them from the store, `none` if the body never got them
            (a reused run).
        transferred_bytes: Downloaded or streamed for this input.
        seconds: That staging it took; of a streamed one, that the body waited for its bytes.
        hits: Files that were on the host: 0 or 1, or of a folder any number.
        misses: Files that were downloaded, or of which something was streamed.
        requests: To the store while it was streamed.
    """

    argument: str
    ordinal: int
    version: VersionRecord | None
    cache: Literal["hit", "miss", "streamed", "none"] = "none"
    transferred_bytes: int = 0
    seconds: float = 0.0
    hits: int = 0
    misses: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRecord:
    """One artifact that a run published, or for a reused run the version that still stood."""

    argument: str
    ordinal: int
    version: VersionRecord
    mode: Literal["created", "reused"] = "created"
    transferred_bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRecord:
    """What ended a run.

    Attributes:
        phase: `bind`, `stage in`, `body`, `stage out`, `record`.
        error: Qualified name of the exception class.
        cause: How the retry policy saw it, such as `network` or `deterministic`.
    """

    phase: str
    error: str
    message: str
    traceback: str
    cause: str = ""
    transient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSeconds:
    """Wall time of each phase of a run."""

    stage_in: float = 0.0
    body: float = 0.0
    stage_out: float = 0.0

    @classmethod
    def of(cls, seconds: Mapping[str, float]) -> Self:
        """Return what phases took that are told by their names, as `stage in`, and no others."""
        told = seconds.get
        return cls(
            stage_in=told("stage in", 0.0),
            body=told("body", 0.0),
            stage_out=told("stage out", 0.0),
        )

    def by_name(self) -> dict[str, float]:
        """Return what `of` reads."""
        return {"stage in": self.stage_in, "body": self.body, "stage out": self.stage_out}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """How a run ended: everything it read and made, in one record.

    Attributes:
        reuse_key: Digest of task, code, plain arguments and inputs' contents; empty if the task
            does not reuse. A later run with the same key may take these outputs over.
        reused_run: Uid of the run whose outputs were taken over, for state `REUSED`.
    """

    uid: str
    state: RunState
    ended_at: datetime
    phases: PhaseSeconds = PhaseSeconds()
    inputs: tuple[InputRecord, ...] = ()
    outputs: tuple[OutputRecord, ...] = ()
    error: ErrorRecord | None = None
    reuse_key: str = ""
    reused_run: str = ""

    @property
    def hits(self) -> int:
        """Input files that were on the host."""
        return sum(item.hits for item in self.inputs)

    @property
    def misses(self) -> int:
        """Input files that were not, and were downloaded or streamed."""
        return sum(item.misses for item in self.inputs)

    @property
    def download_seconds(self) -> float:
        """That inputs took of which something was downloaded or streamed, all added up."""
        return sum(item.seconds for item in self.inputs if item.transferred_bytes)

    @property
    def downloaded_bytes(self) -> int:
        """Moved to this host for the run."""
        return sum(item.transferred_bytes for item in self.inputs)

    @property
    def uploaded_bytes(self) -> int:
        """Moved from this host by the run."""
        return sum(item.transferred_bytes for item in self.outputs)
