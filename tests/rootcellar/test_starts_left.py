"""starts: what short runs leave on this host goes with their rows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rootcellar import starts as module
from rootcellar.catalog.catalog import Catalog
from rootcellar.run_bounds import RunEnd, RunStart
from rootcellar.schemas.errors import CacheUnusable
from rootcellar.schemas.record import RunEnded, RunStarted, RunState, new_uid
from rootcellar.starts import Starts


def a_start():
    return RunStarted(uid=new_uid(), kind="task", task="t", started_at=datetime.now(UTC))


def its_end(start):
    return RunEnded(uid=start.uid, state=RunState.SUCCEEDED, ended_at=datetime.now(UTC))


@pytest.fixture
def catalog(tmp_path):
    with Catalog(f"sqlite:///{tmp_path}/catalog.sqlite") as catalog:
        yield catalog


@pytest.fixture
def warm(catalog, tmp_path):
    """Starts that have reached the catalog a moment ago."""
    starts = Starts(catalog, lambda: tmp_path / "runs")
    first = a_start()
    starts.begin(RunStart.of(first))
    starts.finish(its_end(first))
    yield starts
    starts.close()


def test_what_runs_leave_goes_with_their_rows(warm, catalog, monkeypatch):
    """When a batch is full, and at the end of the process; one that fails stops no other."""
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 600)
    gone = []

    def ended(name, *, fails=False):
        def close():
            gone.append(name)
            if fails:
                raise CacheUnusable("it cannot be removed")

        start = a_start()
        warm.begin(RunStart.of(start))
        assert warm.postpone(RunEnd.of(its_end(start)))
        warm.settle(start.uid, at_once=False, close=close)

    ended("a")
    assert [] == gone
    ended("b", fails=True)
    assert {"a", "b"} == set(gone)
    ended("c")
    warm.close()

    assert ["c"] == gone[2:]
    assert 3 <= len(catalog.runs(state="succeeded"))


def test_what_a_run_leaves_goes_at_once_where_somebody_waits(warm):
    """Such as of an eager task, whose caller looks next."""
    start, gone = a_start(), []
    warm.begin(RunStart.of(start))
    assert warm.postpone(RunEnd.of(its_end(start)))

    warm.settle(start.uid, at_once=True, close=lambda: gone.append(start.uid))

    assert [start.uid] == gone
