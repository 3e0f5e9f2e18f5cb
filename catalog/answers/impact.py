"""What depends on an artifact, as values: the current versions, and the plan to make them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.catalog.drawing.table import Column, Table
from rootcellar.catalog.listing import version_table
from rootcellar.catalog.wording import duration, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rootcellar.catalog.values import Version

__all__ = ["Impact", "Plan", "Step"]

_COLUMNS = (
    Column("step", "int"),
    Column("task", "str"),
    Column("runs", "int"),
    Column("artifacts", "int"),
    Column("seconds", "float"),
    Column("downloaded_bytes", "int"),
    Column("uploaded_bytes", "int"),
    Column("past_runs", "int"),
    Column("types", "json"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Runs of one task that can be repeated once the steps before are done.

    Attributes:
        number: From 1. Runs with equal numbers do not depend on each other.
        task: Its name; of what was made by hand, `session` or `push`.
        runs: Uids of the runs to repeat, whose arguments `Catalog.run` tells.
        types: How many artifacts they make, by type.
        seconds: That one of them takes: the median of the task's last runs; None without any.
        downloaded_bytes: By one of them.
        uploaded_bytes: By one of them.
        past_runs: On how many runs that rests.
        is_by_hand: No task does it; somebody has to.
    """

    number: int
    task: str
    runs: tuple[str, ...]
    types: Mapping[str, int]
    seconds: float | None
    downloaded_bytes: int | None
    uploaded_bytes: int | None
    past_runs: int
    is_by_hand: bool

    def all_of(self, one: float | None) -> float | None:
        """Return the cost of all runs from that of one."""
        return None if one is None else one * len(self.runs)


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan:
    """What to run again, in order. Costs are those of past runs, and a guess for these.

    Attributes:
        note: What the plan does not cover, such as that a limit cut it.
    """

    steps: tuple[Step, ...]
    note: str = ""

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    @property
    def runs(self) -> int:
        """How many runs it takes."""
        return sum(len(step.runs) for step in self.steps)

    @property
    def unknown_runs(self) -> int:
        """How many of them have a cost that is not known."""
        return sum(len(step.runs) for step in self.steps if step.seconds is None)

    @property
    def seconds(self) -> float:
        """All of them one after another, as far as it is known."""
        return sum(step.all_of(step.seconds) or 0.0 for step in self.steps)

    @property
    def least_seconds(self) -> float:
        """With a worker for each run, as far as it is known: the longest of each step."""
        longest: dict[int, float] = {}
        for step in self.steps:
            longest[step.number] = max(longest.get(step.number, 0.0), step.seconds or 0.0)
        return sum(longest.values())

    @property
    def downloaded_bytes(self) -> int:
        """By all of them, as far as it is known."""
        return round(sum(step.all_of(step.downloaded_bytes) or 0 for step in self.steps))

    @property
    def uploaded_bytes(self) -> int:
        """By all of them, as far as it is known."""
        return round(sum(step.all_of(step.uploaded_bytes) or 0 for step in self.steps))

    @property
    def sentence(self) -> str:
        """What it takes, in one sentence."""
        if not self.steps:
            return "nothing to run again"
        steps = max(step.number for step in self.steps)
        told = f"{_count(self.runs, 'run')} in {_count(steps, 'step')}"
        if self.unknown_runs < self.runs:
            told += (
                f": about {duration(self.seconds)} of work, {duration(self.least_seconds)} at the "
                f"least, {size(self.downloaded_bytes)} in, {size(self.uploaded_bytes)} out"
            )
        if self.unknown_runs:
            told += f"; the cost of {_count(self.unknown_runs, 'run')} is unknown"
        return told

    def table(self) -> Table[Step]:
        """Return the steps as a table; costs are those of all runs of a step."""
        rows = [
            (
                one.number,
                f"{one.task} (by hand)" if one.is_by_hand else one.task,
                len(one.runs),
                sum(one.types.values()),
                one.all_of(one.seconds),
                _whole(one.all_of(one.downloaded_bytes)),
                _whole(one.all_of(one.uploaded_bytes)),
                one.past_runs,
                dict(one.types),
            )
            for one in self.steps
        ]
        note = f"{self.sentence}; {self.note}" if self.note else self.sentence
        return Table(_COLUMNS, rows, self.steps, note)

    def __str__(self) -> str:
        return str(self.table())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


@dataclass(frozen=True, kw_only=True, repr=False)
class Impact:
    """The current versions that were made from some version of an artifact, nearest first.

    Attributes:
        version: The current, or named, version of the artifact.
        versions: What depends on it.
        depths: Steps away, by version uid.
        note: That a limit cut the answer, or empty.
    """

    version: Version
    versions: tuple[Version, ...]
    depths: Mapping[str, int]
    steps: tuple[Step, ...]
    note: str = ""

    def __len__(self) -> int:
        return len(self.versions)

    def __iter__(self) -> Iterator[Version]:
        return iter(self.versions)

    def plan(self) -> Plan:
        """Return what to run again, in which order, how often and at what cost."""
        return Plan(steps=self.steps, note=self.note)

    def table(self) -> Table[Version]:
        """Return the versions as a table, with their depths."""
        return version_table(self.versions, note=self.note, depths=self.depths)

    def __str__(self) -> str:
        types: dict[str, int] = {}
        for one in self.versions:
            types[one.type] = types.get(one.type, 0) + 1
        listed = ", ".join(f"{count} {name}" for name, count in sorted(types.items()))
        found = listed or "no current version"
        lines = [f"{found} made from {self.version.artifact}", f"  {self.plan().sentence}"]
        return "\n".join([*lines, *([f"  ({self.note})"] if self.note else [])])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", " ")


def _whole(amount: float | None) -> int | None:
    return None if amount is None else round(amount)
