"""`python -m benchmarks`: measure, and write results.json and docs/benchmarks.md.

make bench                                  everything
make bench ONLY=download-2g,hit-one         these alone; the other rows stay
make bench QUICK=1                          in small, once, to see that all works; nothing is kept
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import (
    catalog_reads,
    catalog_writes,
    folders,
    hits,
    results,
    startup,
    tasks,
    transfers,
    truth,
)
from benchmarks.page import write_page
from benchmarks.server import why_not
from benchmarks.suite import Row, Scale
from benchmarks.targets import check

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER_ROUNDS = 3
"""Of peers that no threshold names."""

BENCHMARKS: dict[str, Callable[[str, Scale], list[Row]]] = {
    **dict.fromkeys(transfers.TRANSFERS, transfers.measure),
    **dict.fromkeys(hits.PEERS, hits.measure_hits),
    "cold-64": hits.measure_cold,
    **dict.fromkeys(tasks.BROKERS, tasks.measure),
    "folder-100k": folders.measure,
    "record-sqlite": catalog_writes.measure_record,
    "record-postgres": catalog_writes.measure_record,
    "catalog-size": catalog_writes.measure_size,
    **dict.fromkeys(catalog_reads.QUESTIONS, catalog_reads.measure),
    "truth-download": truth.measure,
    "truth-upload": truth.measure,
    **dict.fromkeys(startup.COMMANDS, startup.measure_startup),
    "demo": startup.measure_demo,
}

NO_SERVER = {"record-sqlite", "record-postgres", "catalog-size", *catalog_reads.QUESTIONS}
"""What asks no object store."""


def main() -> int:
    """Measure what is asked for; 1 if it could not be measured."""
    asked = _arguments()
    unknown = set(asked.only) - set(BENCHMARKS)
    if unknown:
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are:", *BENCHMARKS)
        return 1
    names = asked.only or list(BENCHMARKS)
    if not NO_SERVER.issuperset(names) and (reason := why_not()):
        print(reason)
        return 1
    rounds = 1 if asked.quick else asked.rounds
    scale = Scale(
        quick=asked.quick,
        rounds=rounds,
        other_rounds=min(rounds, OTHER_ROUNDS),
        named_only=asked.named,
    )
    path = Path(asked.results)
    rows = _measure(names, scale, path, keep=not asked.quick)
    for name in dict.fromkeys(row.name for row in rows):
        _print(name, [row for row in rows if row.name == name])
    if not asked.quick:
        header, every = results.load(path)
        write_page(header, every)
        _print_targets({row.name for row in rows}, every)
    elif asked.results != str(results.PATH):
        results.save(results.machine(), rows, path)
    return 0 if rows else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", default="", help="names, with commas between them")
    parser.add_argument("--quick", action="store_true", help="small, one round")
    parser.add_argument("--rounds", type=int, default=5, help="of ours and the peers in thresholds")
    parser.add_argument("--named", action="store_true", help="only peers that thresholds name")
    parser.add_argument("--results", default=str(results.PATH))
    asked = parser.parse_args()
    asked.only = [name for name in asked.only.split(",") if name]
    return asked


def _measure(names: list[str], scale: Scale, path: Path, *, keep: bool) -> list[Row]:
    """Measure one after the other, keeping each when it is done: the whole takes long."""
    rows: list[Row] = []
    for name in names:
        begun = time.monotonic()
        print(f"{name} ...", flush=True)
        fresh = BENCHMARKS[name](name, scale)
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
        rows += fresh
        if keep:
            _, old = results.load(path)
            results.save(results.machine(), results.merge(old, fresh), path)
    return rows


def _print(name: str, rows: list[Row]) -> None:
    print(f"\n{name}")
    for row in sorted(rows, key=lambda row: row.ratio or 0):
        if row.theirs is None:
            print(f"  {row.peer:20} {row.note}")
            continue
        ratio = f"{row.ratio:7.2f}x" if row.ratio else ""
        low, high = row.spread or (0, 0)
        cpu = f"{row.cpu_s_per_gb:6.2f} CPU s/GB" if row.cpu_s_per_gb is not None else ""
        memory = f"{row.rss_bytes / 1e6:6.0f} MB" if row.rss_bytes is not None else ""
        spread = f"({low:.4g} to {high:.4g}, {row.runs} runs)"
        print(
            f"  {row.peer:20} {row.theirs:10.4g} {row.unit:10} {spread:32} {ratio} {cpu} {memory}"
        )


def _print_targets(names: set[str], rows: list[Row]) -> None:
    print()
    for checked in check(rows):
        target = checked.target
        if target.name in names and checked.value is not None:
            met = {True: "met", False: "NOT MET", None: "no threshold"}[checked.meets(target.least)]
            least = "" if target.least is None else f"{target.least:g}"
            print(f"  {target.name:22} {checked.value:8.3g} {target.what:30} {least:>6} {met}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
