"""Many processes on one host, one spool, and a catalog that goes and comes back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from test_starts import wait_until

from rootcellar.away import enter
from rootcellar.catalog.catalog import Catalog
from rootcellar.spool import Spool

PROCESSES, RUNS = 4, 20


def test_no_run_is_lost_or_doubled_by_a_crowd(tmp_path):
    """All write, all replay, half of them die: each run is in the catalog once."""
    rows, spool = tmp_path / "rows", Spool(tmp_path / "spool")
    file, aside = rows / "catalog.sqlite", tmp_path / "aside"
    url = f"sqlite:///{file}"
    with Catalog(url) as catalog:
        catalog.types()
    spool.folder.mkdir()
    here = Path(__file__).parent
    told = [tmp_path / f"told-{number}" for number in range(PROCESSES)]
    writers = [
        subprocess.Popen(
            [sys.executable, str(here / "away_writer.py"), url, str(spool.folder), str(RUNS),
             str(one)],
            env={**os.environ, "PYTHONPATH": str(here)}, stderr=subprocess.PIPE, text=True,
        )
        for one in told
    ]  # fmt: skip
    half = RUNS // 2 + 1

    def lines(one):
        return one.read_text().split() if one.exists() else []

    wait_until(lambda: all(len(lines(one)) >= half for one in told))
    rows.rename(aside)
    rows.touch()  # so that nobody makes a new one
    (spool.folder / "gone").touch()
    wait_until(lambda: len(spool.waiting()) >= PROCESSES)
    for writer in writers[::2]:
        writer.kill()
    wait_until(lambda: all(len(lines(one)) == RUNS for one in told[1::2]))
    rows.unlink()
    aside.rename(rows)
    said = [writer.communicate(timeout=100)[1] for writer in writers][1::2]
    ended = [writer.returncode for writer in writers][1::2]
    with Catalog(url) as catalog:
        spool.replay(lambda run: enter(catalog, run))
        runs = [run.uid for run in catalog.runs()]
        made = {one: len(catalog.outputs(one)) for one in runs}
        numbers = [
            sorted(one.seq for one in catalog.versions("made", **key))
            for key in catalog.keys("made")
        ]

    acknowledged = {uid for one in told for uid in lines(one)}
    assert [0] * len(said) == ended, said
    assert all(one.startswith("runs go on without the catalog") for one in said)
    assert not spool.waits()
    assert {} == spool.rejected()
    assert acknowledged <= set(runs)
    assert len(runs) == len(set(runs))
    # A process that is killed between keeping a record and telling of it has told of one less.
    assert len(runs) <= len(acknowledged) + PROCESSES // 2
    assert {1} == set(made.values())
    assert all(list(range(1, len(found) + 1)) == found for found in numbers)
