"""One of several processes that write into one catalog: URL, runs, seed, file to wait for."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import run_records

from rootcellar.catalog.catalog import Catalog


def main(url, runs, seed, gate):
    deadline = time.monotonic() + 60
    while not Path(gate).exists():
        if time.monotonic() > deadline:
            sys.exit("nobody opened the gate")
        time.sleep(0.005)
    dice = random.Random(seed)
    with Catalog(url) as catalog:
        catalog.declare([run_records.type_record("weather"), run_records.type_record("shared")])
        for number in range(runs):
            stations = dice.sample(range(6), 3)
            seen = [
                run_records.version("weather", {"station": n}, f"sky {n}", origin="observed")
                for n in stations
            ]
            made = [
                run_records.version("shared", {"station": n}, f"{seed} {number} {n}")
                for n in dice.sample(range(6), 3)
            ]
            run_records.record(catalog, seen, made)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
