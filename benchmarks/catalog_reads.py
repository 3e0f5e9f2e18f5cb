"""What questions cost that are put to a catalog of ten million edges."""

from __future__ import annotations

import atexit
import statistics
import time
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

from benchmarks import catalog_shape as shapes
from benchmarks.catalog_graph import fill
from benchmarks.catalog_shape import Shape
from benchmarks.fresh import FailedError, call_fresh
from benchmarks.postgres import postgres
from benchmarks.processes import NotStartedError
from benchmarks.suite import OURS, Row, Run, Series, disk_folder, rows_of
from rootcellar.catalog.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.suite import Scale

__all__ = ["QUESTIONS", "measure"]

EDGES = 10_000_000
QUICK_EDGES = 20_000
NODES = 10_000
RUNS = 100_000
ASKED = 5
"""Times in one process, after a first one that builds the statements."""
LIMIT_SECONDS = 300.0

QUESTIONS: dict[str, tuple[str, float]] = {
    "upstream-1000": ("ms", 1000.0),
    "downstream-10000": ("ms", 1000.0),
    "stale-100k": ("s", 1.0),
    "table-100k": ("s", 1.0),
}
"""By name: unit, and how many of it a second has."""


def measure(name: str, scale: Scale) -> list[Row]:
    """Return the rows of one question, put to SQLite and to Postgres."""
    unit, in_second = QUESTIONS[name]
    edges = scale.pick(EDGES, QUICK_EDGES)
    rows: list[Row] = []
    for where, kind in ((name, "sqlite"), (f"{name}-postgres", "postgres")):
        series = Series()
        try:
            url = _filled(kind, edges)
            for _ in range(scale.rounds):
                seconds = call_fresh(
                    f"{__name__}:asked",
                    {"name": name, "url": url, "edges": edges, "times": scale.pick(ASKED, 1)},
                    limit_seconds=LIMIT_SECONDS,
                )
                series.runs.append(Run(seconds * in_second))
        except (FailedError, NotStartedError) as error:
            series.note = str(error)
        rows += rows_of(where, unit, {OURS: series})
    return rows


def asked(name: str, url: str, edges: int, times: int) -> float:
    """Within a fresh process: the median seconds of one question."""
    shape = Shape(edges)
    with Catalog(url) as catalog:
        ask, least = _question(name, catalog, shape)
        seconds = []
        for _ in range(times + 1):
            begun = time.perf_counter()
            found = ask()
            seconds.append(time.perf_counter() - begun)
            if found < least:
                raise RuntimeError(f"{found} rows were found, not {least}")
    return statistics.median(seconds[1:])


def _question(name: str, catalog: Catalog, shape: Shape) -> tuple[Callable[[], int], int]:
    """Return what asks and counts the rows, and how many there are at least."""
    last, common = (shapes.uid(1, one) for one in (shape.last_link, shapes.REFERENCE))
    nodes, runs = min(NODES, shape.plain), min(RUNS, shape.plain)
    questions: dict[str, tuple[Callable[[], int], int]] = {
        "upstream-1000": (lambda: len(catalog.upstream(last)), shape.chain - 1),
        "downstream-10000": (lambda: len(catalog.downstream(common, max_nodes=nodes)), nodes),
        "stale-100k": (lambda: len(catalog.stale()), 1),
        "table-100k": (lambda: int(catalog.runs(limit=runs).to_arrow().num_rows), runs),
    }
    return questions[name]


@cache
def _filled(kind: str, edges: int) -> str:
    """Return the URL of the big catalog, which is made once and gone when the suite ends."""
    kept = ExitStack()
    atexit.register(kept.close)
    if kind == "sqlite":
        url = f"sqlite:///{kept.enter_context(disk_folder())}/catalog.sqlite"
    else:
        url = kept.enter_context(postgres())
    begun = time.monotonic()
    fill(url, Shape(edges))
    print(f"    {edges:,} edges in {kind}: {time.monotonic() - begun:.0f} s", flush=True)
    return url
