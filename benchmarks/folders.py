"""A folder of a hundred thousand small files: staged from a listing, published, staged again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from benchmarks.fresh import FailedError
from benchmarks.place import make_items, put_stored
from benchmarks.server import ObjectServer
from benchmarks.suite import OURS, Row, Series, fast_folder, rows_of
from benchmarks.transfers import PEERS, Work, measure_client

if TYPE_CHECKING:
    from benchmarks.suite import Scale

__all__ = ["measure"]

COUNT = 100_000
SIZE = 10_000
QUARTER = "a quarter of it"
LIMIT_SECONDS = 1200.0
STEPS = {"": "download", "-publish": "upload", "-manifest": "download"}
"""By what is appended to the benchmark's name; the last reads what the second published."""


def measure(name: str, scale: Scale) -> list[Row]:
    """Return rows of each step at the whole count beside a quarter of it: linear is 1."""
    count = scale.pick(COUNT, 400)
    series = {step: {OURS: Series(), QUARTER: Series()} for step in STEPS}
    for turn in range(scale.other_rounds):
        for peer, members in ((OURS, count), (QUARTER, count // 4)):
            _round({step: series[step][peer] for step in STEPS}, members, turn)
    return [
        row
        for step, measured in series.items()
        for row in rows_of(f"{name}{step}", "objects/s", measured)
    ]


def _round(series: dict[str, Series], count: int, turn: int) -> None:
    with ObjectServer() as server, fast_folder() as folder:
        items = make_items(folder, "many", count=count, size=SIZE)
        put_stored(server.objects, items)
        for step, operation in STEPS.items():
            if series[step].note:
                continue
            if step == "-publish":
                server.clear()
            work = Work("folder", operation, count, SIZE, frozenset(), rates="objects/s")
            work = dataclasses.replace(work, keep=True, limit_seconds=LIMIT_SECONDS)
            try:
                run = measure_client(PEERS[OURS], work, server, items, folder)
            except FailedError as error:
                series[step].note = str(error)
                print(f"    {count:7} {operation} {error}", flush=True)
            else:
                series[step].runs.append(run)
                print(f"    {count:7} {operation:9} {run.value:10.4g}  (round {turn})", flush=True)
