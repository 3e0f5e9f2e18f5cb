"""What every benchmark of the suite is given, and what it gives back."""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fresh import FailedError
from benchmarks.server import memory_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "GB",
    "OURS",
    "Row",
    "Run",
    "Scale",
    "Series",
    "disk_folder",
    "interleaved",
    "rows_of",
    "short",
]

GB = 1e9
OURS = "rootcellar"
WHOLE_FROM = 100


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    Attributes:
        quick: Small sizes and one round, to see that everything works.
        rounds: Of ours and of the peers that a threshold names.
        other_rounds: Of the other peers.
        named_only: Leave the other peers out of transfers.
    """

    quick: bool = False
    rounds: int = 5
    other_rounds: int = 3
    named_only: bool = False

    def pick(self, full: int, quick: int) -> int:
        """Return a size."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one peer.

    Attributes:
        value: In the unit of its rows.
        cpu_s_per_gb: Of the client.
        server_cpu_s_per_gb: Of the server, the client's connecting included.
    """

    value: float
    cpu_s_per_gb: float | None = None
    rss_bytes: int | None = None
    server_cpu_s_per_gb: float | None = None


@dataclass(slots=True)
class Series:
    """All runs of one peer, or why there are none."""

    runs: list[Run] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one peer, as results.json holds it.

    Attributes:
        ours: Our median; None if we have none.
        theirs: The peer's median; None if it could not be measured, and the note says why.
        ratio: Above 1 if ours is better.
        spread: Least and most of the peer's runs.
        cpu_s_per_gb: The peer's median processor time.
        rss_bytes: The peer's highest peak above what its imports took.
    """

    name: str
    peer: str
    ours: float | None
    theirs: float | None
    unit: str
    ratio: float | None
    runs: int
    spread: tuple[float, float] | None
    cpu_s_per_gb: float | None = None
    rss_bytes: int | None = None
    server_cpu_s_per_gb: float | None = None
    note: str = ""


def interleaved(
    peers: Sequence[str], measure: Callable[[str], Run], *, rounds: Callable[[str], int]
) -> dict[str, Series]:
    """Measure all peers round after round, each round in another order.

    A peer that fails, or that `measure` raises LookupError for, is left out from then on.
    """
    order = random.Random(0)
    series = {peer: Series() for peer in peers}
    for turn in range(max(map(rounds, peers))):
        asked = [peer for peer in peers if turn < rounds(peer) and not series[peer].note]
        order.shuffle(asked)
        for peer in asked:
            try:
                run = measure(peer)
            except (FailedError, LookupError) as error:
                series[peer].note = str(error.args[0])
                print(f"    {peer:16} {series[peer].note}", flush=True)
            else:
                series[peer].runs.append(run)
                print(f"    {peer:16} {run.value:10.4g}", flush=True)
    return series


def rows_of(name: str, unit: str, series: dict[str, Series], *, ours: str = OURS) -> list[Row]:
    """Return a row per peer, ours among them.

    Args:
        name: Of the benchmark.
        unit: `…/s` is better when more, any other when less.
        series: Of all peers.
        ours: Which of them is ours.
    """
    own = _median([run.value for run in series[ours].runs])
    rows = []
    for peer, measured in series.items():
        values = [run.value for run in measured.runs]
        theirs = _median(values)
        peaks = [run.rss_bytes for run in measured.runs if run.rss_bytes is not None]
        rows.append(
            Row(
                name=name,
                peer=peer,
                ours=own,
                theirs=theirs,
                unit=unit,
                ratio=_ratio(own, theirs, more=unit.endswith("/s")),
                runs=len(values),
                spread=(min(values), max(values)) if values else None,
                cpu_s_per_gb=_median([run.cpu_s_per_gb for run in measured.runs]),
                rss_bytes=max(peaks, default=None),
                server_cpu_s_per_gb=_median([run.server_cpu_s_per_gb for run in measured.runs]),
                note=measured.note,
            )
        )
    return rows


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _ratio(own: float | None, theirs: float | None, *, more: bool) -> float | None:
    if not own or not theirs:
        return None
    return own / theirs if more else theirs / own


def short(value: float) -> str:
    """Return a figure to three digits, or whole from a hundred on."""
    return f"{value:,.0f}" if value >= WHOLE_FROM else f"{value:.3g}"


@contextmanager
def disk_folder() -> Iterator[Path]:
    """Yield a folder on the disk, where caches usually are."""
    with tempfile.TemporaryDirectory(prefix="rootcellar-bench-") as folder:
        yield Path(folder)


@contextmanager
def fast_folder() -> Iterator[Path]:
    """Yield a folder in memory, gone at the end."""
    folder = memory_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cost(
    answer: dict[str, Any], *, value: float, gigabytes: float, server_seconds: float | None = None
) -> Run:
    """Return a run from what `measured` gave."""
    return Run(
        value,
        answer["cpu_seconds"] / gigabytes,
        answer["rss_bytes"],
        None if server_seconds is None else server_seconds / gigabytes,
    )
