"""What the catalog answers with: frozen values that know their catalog."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rootcellar.catalog.keys import key_order
from rootcellar.catalog.portable import Portable
from rootcellar.catalog.questions import Questions
from rootcellar.catalog.wording import duration, minute, size
from rootcellar.schemas.record import (
    RunState,
)
from rootcellar.schemas.ref import Pin, Ref

if TYPE_CHECKING:
    from datetime import datetime

    from rootcellar.catalog.drawing.graph import Graph
    from rootcellar.catalog.drawing.table import Table
    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.record import (
        CodeIdentity,
        Environment,
        ErrorRecord,
        Origin,
        PhaseSeconds,
    )
    from rootcellar.schemas.ref import Kind

__all__ = [
    "ArtifactLike",
    "ArtifactType",
    "CatalogHealth",
    "Direction",
    "Owner",
    "Reusable",
    "Run",
    "RunInput",
    "RunOutput",
    "Version",
]

Direction = Literal["upstream", "downstream"]


class ArtifactLike(Protocol):
    """An artifact as the catalog sees one: a type's name and a key of JSON values."""

    @property
    def type_name(self) -> str:
        """The artifact type's name."""
        ...

    @property
    def key(self) -> dict[str, Any]:
        """The key fields as JSON values."""
        ...


class Owner(Protocol):
    """The catalog as its values see it."""

    def upstream(self, x: Version, /, *, max_nodes: int, max_depth: int | None) -> Table[Version]:
        """Return the versions `x` was made from."""
        ...

    def downstream(self, x: Version, /, *, max_nodes: int, max_depth: int | None) -> Table[Version]:
        """Return the versions made from `x`."""
        ...

    def graph(
        self, x: Version, /, direction: Direction, *, max_nodes: int, max_depth: int | None
    ) -> Graph:
        """Return the picture of `x` and its relatives."""
        ...

    def run(self, uid: str) -> Run:
        """Return a run."""
        ...

    def inputs(self, uid: str) -> Table[RunInput]:
        """Return what a run read."""
        ...

    def outputs(self, uid: str) -> Table[RunOutput]:
        """Return what a run made."""
        ...

    def attempts(self, x: Run, /) -> Table[Run]:
        """Return all runs of a run's message."""
        ...


@dataclass(frozen=True, kw_only=True, repr=False)
class Version(Portable, Questions):
    """One production of an artifact, or one sighting of bytes that no run of ours made.

    Attributes:
        seq: Number of the version within its artifact, in the order of recording, from 1.
        members: Number of files of a folder; None for a file.
        run_uid: The run that made it; empty for observed bytes.
        task: That run's task, or empty.
        is_present: False once a later version was recorded at the same URI, or it is gone.
        state: `present`, `superseded` by a later one at its URI, `deleted` by a retention policy,
            or `missing`: not there when it was looked for.
    """

    uid: str
    type: str
    key: dict[str, Any]
    seq: int
    digest: Digest
    size_bytes: int
    kind: Kind
    members: int | None
    origin: Origin
    run_uid: str
    task: str
    uri: str
    pin: Pin
    is_present: bool
    state: str = "present"
    media_type: str
    row_count: int | None
    schema_fingerprint: str | None
    recorded_at: datetime
    catalog: Owner = field(compare=False, repr=False)

    def __hash__(self) -> int:
        return hash(self.uid)

    def __str__(self) -> str:
        return f"{self.artifact} version {self.seq}"

    def __repr__(self) -> str:
        by = f"made by {self.task or 'a run'}" if self.run_uid else self.origin
        state = "" if self.is_present else f", {self.state}"
        return (
            f"<Version {self}: {by} at {minute(self.recorded_at)}, {size(self.size_bytes)}{state}, "
            f"uid {self.uid}>"
        )

    @property
    def artifact(self) -> str:
        """The artifact as it prints: `generation(station=3, tilt=30)`."""
        return f"{self.type}({', '.join(f'{name}={value!r}' for name, value in self.key.items())})"

    @property
    def order(self) -> tuple[Any, ...]:
        """What sorts versions: by type, key and number."""
        return (self.type, key_order(self.key), self.seq)

    @property
    def ref(self) -> Ref:
        """What travels in messages: enough to stage this version without a catalog."""
        return Ref(
            type=self.type,
            key=self.key,
            uri=self.uri,
            version=self.uid,
            kind=self.kind,
            digest=self.digest,
            size_bytes=self.size_bytes,
            pin=self.pin,
        )

    def __json__(self) -> dict[str, Any]:
        """Return what kombu's JSON serializer puts into a message: the ref."""
        return self.ref.__json__()

    @property
    def run(self) -> Run | None:
        """The run that made it; None if none of ours did."""
        return self.catalog.run(self.run_uid) if self.run_uid else None

    def upstream(self, *, max_nodes: int = 10_000, max_depth: int | None = None) -> Table[Version]:
        """Return the versions this one was made from, nearest first."""
        return self.catalog.upstream(self, max_nodes=max_nodes, max_depth=max_depth)

    def downstream(
        self, *, max_nodes: int = 10_000, max_depth: int | None = None
    ) -> Table[Version]:
        """Return the versions that were made from this one, nearest first."""
        return self.catalog.downstream(self, max_nodes=max_nodes, max_depth=max_depth)

    def graph(
        self,
        direction: Direction = "upstream",
        *,
        max_nodes: int = 1_000,
        max_depth: int | None = None,
    ) -> Graph:
        """Return the picture of where this version came from, or what became of it."""
        return self.catalog.graph(self, direction, max_nodes=max_nodes, max_depth=max_depth)


@dataclass(frozen=True, kw_only=True)
class RunInput:
    """One artifact that a run read; `version` is None where an optional one was absent.

    Attributes:
        cache: `hit`, `miss`, `streamed` or `none`, as in `InputRecord`.
        transferred_bytes: Downloaded, or streamed while the body ran.
        seconds: That staging took, or that the body waited for what it streamed.
        hits: Files that were on the host.
        misses: Files that were downloaded or streamed.
        requests: To the store while it was streamed.
    """

    argument: str
    ordinal: int
    version: Version | None
    cache: str
    transferred_bytes: int
    seconds: float
    hits: int = 0
    misses: int = 0
    requests: int = 0

    @property
    def bytes_per_second(self) -> float | None:
        """How fast it came; None where nothing was transferred."""
        return _rate(self.transferred_bytes, self.seconds)


@dataclass(frozen=True, kw_only=True)
class RunOutput:
    """One artifact that a run made, or took over from an earlier run (`mode` is `reused`)."""

    argument: str
    ordinal: int
    version: Version
    mode: str
    transferred_bytes: int
    seconds: float

    @property
    def bytes_per_second(self) -> float | None:
        """How fast it went; None where nothing was transferred."""
        return _rate(self.transferred_bytes, self.seconds)


@dataclass(frozen=True, kw_only=True, repr=False)
class Run:
    """One execution, as far as it is recorded.

    Attributes:
        kind: Empty, as is `task`, if only the end of the run is recorded yet; `started_at` is then
            when it ended.
        ended_at: None while it runs.
        hits: Input files that were on the host.
        misses: Input files that were downloaded or streamed.
        download_seconds: That those took, one after another.
    """

    uid: str
    kind: str
    task: str
    state: RunState
    started_at: datetime
    ended_at: datetime | None
    task_id: str
    root_id: str
    parent_id: str
    group_id: str
    parent_run: str
    retries: int
    redelivered: bool
    queue: str
    arguments: dict[str, Any]
    code: CodeIdentity | None
    environment: Environment | None
    host: str
    pid: int
    phases: PhaseSeconds
    downloaded_bytes: int
    uploaded_bytes: int
    reuse_key: str
    reused_run: str
    error: ErrorRecord | None
    hits: int = 0
    misses: int = 0
    download_seconds: float = 0.0
    catalog: Owner = field(compare=False, repr=False)

    def __hash__(self) -> int:
        return hash(self.uid)

    def __str__(self) -> str:
        return f"run {self.uid} of {self.task or 'an unknown task'}: {self.state}"

    def __repr__(self) -> str:
        took = "" if self.seconds is None else f" in {duration(self.seconds)}"
        error = f" by {self.error.error.rpartition('.')[2]}" if self.error else ""
        return (
            f"<Run {self.task or 'of an unknown task'}: {self.state}{error}{took}, "
            f"started {minute(self.started_at)}, uid {self.uid}>"
        )

    @property
    def seconds(self) -> float | None:
        """Wall time from start to end; None while it runs, and where only its death is known."""
        if self.ended_at is None or self.state is RunState.LOST:
            return None
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def hit_ratio(self) -> float | None:
        """Share of its input files that were on the host; None if it read none."""
        files = self.hits + self.misses
        return self.hits / files if files else None

    @property
    def download_rate(self) -> float | None:
        """Bytes per second while it downloaded or streamed; None where it did neither."""
        return _rate(self.downloaded_bytes, self.download_seconds)

    @property
    def inputs(self) -> Table[RunInput]:
        """What it read: `RunInput` values by argument and position."""
        return self.catalog.inputs(self.uid)

    @property
    def outputs(self) -> Table[RunOutput]:
        """What it made: `RunOutput` values by argument and position."""
        return self.catalog.outputs(self.uid)

    def attempts(self) -> Table[Run]:
        """Return all runs of its message, the first first, with what each left behind."""
        return self.catalog.attempts(self)


@dataclass(frozen=True, kw_only=True, repr=False)
class ArtifactType:
    """A type as it was declared last. `rev` counts its distinct definitions.

    Attributes:
        rev: 0, with empty fields, for a type that only stands in records.
        artifacts: How many members are recorded.
    """

    name: str
    rev: int
    registry: str
    arguments: tuple[str, ...]
    uri_template: str
    media_type: str
    kind: str
    definition: dict[str, Any]
    declared_at: datetime | None
    artifacts: int

    def __repr__(self) -> str:
        members = "artifact" if self.artifacts == 1 else "artifacts"
        return (
            f"<ArtifactType {self.name}: {self.artifacts} {members} at {self.uri_template or '?'}>"
        )


def _rate(size_bytes: int, seconds: float) -> float | None:
    return size_bytes / seconds if size_bytes and seconds else None


@dataclass(frozen=True, kw_only=True)
class Reusable:
    """A succeeded run whose outputs a run with the same reuse key may take over."""

    run_uid: str
    outputs: tuple[RunOutput, ...]


@dataclass(frozen=True, kw_only=True)
class CatalogHealth:
    """How a catalog is, without changing it.

    Attributes:
        url: Without password.
        revision: Of its tables; empty if it is not created yet.
        expected: The revision this rootcellar writes.
        problem: Why it could not be reached or used; empty if it can.
    """

    url: str
    is_reachable: bool
    revision: str
    expected: str
    problem: str
    uid: str = ""
    created_at: datetime | None = None

    @property
    def is_usable(self) -> bool:
        """True if runs can be recorded: at the expected revision, or yet to be created."""
        return self.is_reachable and not self.problem
