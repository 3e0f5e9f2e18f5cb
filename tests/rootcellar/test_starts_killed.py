"""starts: what is found of runs whose process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from test_starts import CODE, ENVIRONMENT

from rootcellar.catalog.catalog import Catalog
from rootcellar.schemas.record import RunState
from rootcellar.starts import Starts

DIE = """
import os, signal, sys, time
from pathlib import Path
import test_starts
from rootcellar.catalog.catalog import Catalog
from rootcellar.run_bounds import RunEnd, RunStart
from rootcellar.starts import Starts
starts = Starts(Catalog(sys.argv[1]), lambda: Path(sys.argv[2]))
for wanted in (1, 2):
    start = test_starts.a_start()
    starts.begin(RunStart.of(start))
    if "running" in sys.argv:
        assert starts.has_note(start.uid)
        break
    if wanted == 1:
        starts.finish(test_starts.its_end(start))
        assert not starts.has_note(start.uid)
    elif "ended" in sys.argv:
        assert starts.postpone(RunEnd.of(test_starts.its_end(start)))
    elif "waiting" in sys.argv:
        starts._watch = lambda: None
        for _ in range(3):
            assert starts.postpone(RunEnd.of(test_starts.its_end(start)))
            starts.settle(start.uid, at_once=False)
            start = test_starts.a_start()
            starts.begin(RunStart.of(start))
    elif "lasting" in sys.argv:
        test_starts.wait_until(lambda: not starts._kept)
print(start.uid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder, *how):
    """Let a process begin a run and be killed; return the URL of its catalog and the run's uid."""
    url = f"sqlite:///{folder}/catalog.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", DIE, url, folder / "runs", *how],
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},  # noqa: PTH120
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert -signal.SIGKILL == done.returncode, done.stderr
    return url, done.stdout.strip()


def test_a_run_killed_before_the_catalog_knew_it_is_lost(tmp_path):
    """Its row is made from the note, by whoever sweeps next, once."""
    url, uid = killed(tmp_path)
    with Catalog(url) as catalog:
        known = [run.uid for run in catalog.runs()]
        starts = Starts(catalog, lambda: tmp_path / "runs")
        lost = (starts.sweep(), starts.sweep())
        run = catalog.run(uid)

    assert uid not in known
    assert ((uid,), ()) == lost
    assert (RunState.LOST, {"tilt": 30}, CODE, ENVIRONMENT) == (
        run.state,
        run.arguments,
        run.code,
        run.environment,
    )


@pytest.mark.parametrize("how", ["running", "lasting"])
def test_a_killed_run_that_has_its_row_is_found_by_its_note(tmp_path, how):
    """The first of a process, and one that lasts: no folder of its name tells of it."""
    url, uid = killed(tmp_path, how)
    with Catalog(url) as catalog:
        before = catalog.run(uid)
        starts = Starts(catalog, lambda: tmp_path / "runs")
        lost = (starts.sweep(), starts.sweep())
        run = catalog.run(uid)

    assert (RunState.RUNNING, RunState.LOST) == (before.state, run.state)
    assert ((uid,), ()) == lost
    assert (before.started_at, {"tilt": 30}) == (run.started_at, run.arguments)


def test_a_run_killed_before_its_end_was_entered_has_succeeded(tmp_path):
    """Its result was stored, so it is entered as what it was."""
    url, uid = killed(tmp_path, "ended")
    with Catalog(url) as catalog:
        known = [run.uid for run in catalog.runs()]
        lost = Starts(catalog, lambda: tmp_path / "runs").sweep()
        run = catalog.run(uid)

    assert uid not in known
    assert () == lost
    assert (RunState.SUCCEEDED, {"tilt": 30}, CODE) == (run.state, run.arguments, run.code)


def test_all_runs_that_waited_for_their_rows_have_succeeded(tmp_path):
    """And the one that was under way is lost, though it has the note that theirs were in."""
    url, uid = killed(tmp_path, "waiting")
    with Catalog(url) as catalog:
        known = {run.uid for run in catalog.runs()}
        starts = Starts(catalog, lambda: tmp_path / "runs")
        lost = (starts.sweep(), starts.sweep())
        states = [run.state for run in catalog.runs() if run.uid not in known]

    assert ((uid,), ()) == lost
    assert [RunState.LOST, *[RunState.SUCCEEDED] * 3] == sorted(states)
