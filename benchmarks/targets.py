"""What the suite must show: the thresholds and the aims, and whether the rows meet them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.suite import OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.suite import Row

__all__ = ["TARGETS", "Checked", "Target", "check"]

MB = 1_000_000
PLENTY = ("download-2g", "download-2g-plain", "upload-2g", "download-20k", "upload-20k")
MEMORY_ROWS = (
    *PLENTY,
    "download-10m",
    "upload-10m",
    "folder-100k",
    "folder-100k-publish",
    "folder-100k-manifest",
)


@dataclass(frozen=True, slots=True)
class Target:
    """One promise.

    Attributes:
        name: Of the benchmark.
        what: In words, with the unit of the numbers.
        least: What must be reached; None where only an aim is set.
        aim: What should be reached; None where there is none.
        more: Whether a greater value is better.
        value: Reads it from the rows; None if they do not say.
    """

    name: str
    what: str
    least: float | None
    aim: float | None
    more: bool
    value: Callable[[Rows], float | None]


@dataclass(frozen=True, slots=True)
class Checked:
    """A target and what was measured."""

    target: Target
    value: float | None

    def meets(self, limit: float | None) -> bool | None:
        """Return whether the value reaches a limit; None if either is unknown."""
        if self.value is None or limit is None:
            return None
        return self.value >= limit if self.target.more else self.value <= limit


class Rows:
    """Rows by name and peer."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = {(row.name, row.peer): row for row in rows}

    def get(self, name: str, peer: str = OURS) -> Row | None:
        """Return a row, or None."""
        return self._rows.get((name, peer))


def check(rows: Iterable[Row]) -> list[Checked]:
    """Return every target with its value."""
    found = Rows(rows)
    return [Checked(target, target.value(found)) for target in TARGETS]


def _times(name: str, peer: str, least: float | None, aim: float | None = None) -> Target:
    """Ours as a multiple of a peer."""

    def value(rows: Rows) -> float | None:
        row = rows.get(name, peer)
        return row.ratio if row else None

    return Target(name, f"times {peer}", least, aim, more=True, value=value)


def _ours(name: str, unit: str, least: float | None, aim: float | None = None) -> Target:
    """Ours itself, where less is better."""

    def value(rows: Rows) -> float | None:
        row = rows.get(name)
        return row.ours if row else None

    return Target(name, unit, least, aim, more=False, value=value)


def _over(name: str, peer: str, least: float, aim: float | None = None) -> Target:
    """How many per cent ours takes more than a peer."""

    def value(rows: Rows) -> float | None:
        row = rows.get(name, peer)
        return (1 / row.ratio - 1) * 100 if row and row.ratio else None

    return Target(name, f"% over {peer}", least, aim, more=False, value=value)


def _memory(name: str) -> Target:
    def value(rows: Rows) -> float | None:
        row = rows.get(name)
        return row.rss_bytes / MB if row and row.rss_bytes is not None else None

    return Target(name, "MB of memory", 256, 128, more=False, value=value)


def _cpu(name: str, least: float, aim: float) -> Target:
    def value(rows: Rows) -> float | None:
        row = rows.get(name)
        return row.cpu_s_per_gb if row else None

    return Target(name, "CPU s/GB", least, aim, more=False, value=value)


def _folder_rate(rows: Rows) -> float | None:
    folder, many = rows.get("folder-100k"), rows.get("download-20k")
    if folder is None or many is None or not folder.ours or not many.ours:
        return None
    return folder.ours / many.ours


LIMIT = "limit client"
LINEAR = 0.8
"""Rate at 100,000 as a part of the rate at 25,000: what we call linear on a noisy machine."""

TARGETS = (
    _times("download-2g", "s3fs", 1.8),
    _times("download-2g", "curl", 1.0),
    _times("download-2g", LIMIT, None, 0.75),
    _times("download-2g-plain", "obstore", 0.95),
    _times("download-2g-plain", LIMIT, None, 0.9),
    _cpu("download-2g-plain", 1.6, 1.1),
    _times("upload-2g", "s3fs", 2.2),
    _times("upload-2g", "curl", 0.6, 0.9),
    _cpu("upload-2g", 2.0, 1.0),
    _times("download-20k", "s3fs", 8.0),
    _times("download-20k", "s5cmd", 1.3),
    _times("download-20k", "opendal", None, 1.0),
    _times("upload-20k", "s3fs", 12.0),
    _times("upload-20k", "s5cmd", 1.3),
    _times("upload-20k", "opendal", None, 1.0),
    _times("download-10m", "s3fs", 1.5),
    _times("download-10m", LIMIT, None, 0.8),
    _times("upload-10m", "s3fs", 2.0),
    _times("upload-10m", LIMIT, None, 0.8),
    *map(_memory, MEMORY_ROWS),
    _ours("hit-one", "µs at the median", 80, 45),
    _ours("hit-100", "ms until a hundred are there", 5, 3),
    _ours("cold-64-downloads", "downloads of the object", 1),
    _over("cold-64", "one process alone", 20),
    _over("task-redis", "bare task", 15, 8),
    _over("task-rabbitmq", "bare task", 15, 8),
    _times("folder-100k", "a quarter of it", LINEAR),
    _times("folder-100k-publish", "a quarter of it", LINEAR),
    _times("folder-100k-manifest", "a quarter of it", LINEAR),
    Target("folder-100k", "times download-20k's rate", None, 0.7, more=True, value=_folder_rate),
    _ours("record-sqlite", "µs for a run", 250),
    _times("record-sqlite", "ml-metadata", 8.0),
    _times("record-sqlite", "redun", 50.0),
    _ours("record-postgres", "µs for a run", 1_000),
    _ours("record-postgres-trips", "round trips for a run", 2),
    _ours("catalog-size", "bytes for a run", 3_000),
    _ours("upstream-1000", "ms", 10),
    _ours("upstream-1000-postgres", "ms", 30),
    _ours("downstream-10000", "ms", 200),
    _ours("downstream-10000-postgres", "ms", 200),
    _ours("stale-100k", "s", 1),
    _ours("stale-100k-postgres", "s", 1),
    _ours("table-100k", "s", 0.5),
    _ours("table-100k-postgres", "s", 0.5),
    _ours("import", "s, `import rootcellar`", 0.25),
    _ours("cli-help", "s, `rootcellar --help`", 0.6),
    _ours("demo", "s, first run", 60),
    _ours("demo-again", "s, second run", 10),
)
