"""starts: a soft limit that strikes while a run begins."""

from __future__ import annotations

import gc
from datetime import UTC, datetime

import pytest

from rootcellar.catalog.catalog import Catalog
from rootcellar.run_bounds import RunStart
from rootcellar.schemas.record import RunEnded, RunStarted, RunState, new_uid
from rootcellar.starts import Starts


def a_start():
    return RunStarted(
        uid=new_uid(),
        kind="task",
        task="t",
        started_at=datetime.now(UTC),
        arguments={"tilt": 30},
    )


def its_end(start, state=RunState.SUCCEEDED):
    return RunEnded(uid=start.uid, state=state, ended_at=datetime.now(UTC))


@pytest.fixture
def catalog(tmp_path):
    with Catalog(f"sqlite:///{tmp_path}/catalog.sqlite") as catalog:
        yield catalog


@pytest.fixture
def warm(catalog, tmp_path):
    """Starts that have reached the catalog a moment ago."""
    starts = Starts(catalog, lambda: tmp_path / "runs")
    for start in [a_start(), a_start()]:  # the second starts the thread that watches
        starts.begin(RunStart.of(start))
        starts.finish(its_end(start))
    yield starts
    starts.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_soft_limit_while_a_run_begins_costs_no_row(warm, catalog, striking, tmp_path):
    """Wherever it strikes, the run that it ends is entered once, as ended."""
    failed = []
    for step in range(1, 500):
        start = a_start()
        begun = RunStart.of(start)
        try:
            with striking(step):
                warm.begin(begun)
        except striking.error:
            failed.append(start.uid)
            warm.finish(its_end(start, RunState.FAILED))
        else:
            warm.finish(its_end(start))
            break
    warm.close()
    gc.collect()  # what was dropped when it struck, while its warning is expected

    entered = [catalog.run(uid) for uid in failed]
    whole = [run for run in entered if (run.task, run.arguments) == ("t", {"tilt": 30})]

    assert 10 < len(failed)
    assert {RunState.FAILED} == {run.state for run in entered}
    assert len(failed) - 3 <= len(whole), "but for the steps before the first of ours"
    assert {} == warm._kept
    assert () == Starts(catalog, lambda: tmp_path / "runs").sweep()
