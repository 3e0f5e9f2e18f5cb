"""away: how often a catalog that is away is asked, and by whom."""

from __future__ import annotations

import threading

import pytest
from test_starts import a_start, its_end

from rootcellar import away as module
from rootcellar.away import RunsCatalog
from rootcellar.catalog.catalog import Catalog
from rootcellar.run_text import WaitingRun
from rootcellar.schemas.errors import CatalogUnavailable
from rootcellar.spool import Spool


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Nothing is replayed by itself."""
    monkeypatch.setattr(module.Replayer, "wake", lambda _self: None)


@pytest.fixture
def runs_catalog(tmp_path):
    """A catalog as runs use it, and where its records wait."""
    spool = Spool(tmp_path / "spool")
    catalog = RunsCatalog(f"sqlite:///{tmp_path}/catalog.sqlite", spool)
    yield catalog, spool
    catalog.close()


def test_a_catalog_that_is_slow_to_refuse_is_asked_seldom(runs_catalog, monkeypatch):
    """A tenth of the time at most is spent on waiting for it."""
    catalog, spool = runs_catalog
    clock, asked = [100.0], []

    def prepare(_self):
        asked.append(clock[0])
        clock[0] += 10  # as long as connecting may take
        raise CatalogUnavailable("no answer")

    monkeypatch.setattr(Catalog, "_prepare", prepare)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    for _ in range(1_000):
        start = a_start()
        with pytest.raises(CatalogUnavailable, match="no answer"):
            catalog.start_run(start)
        catalog.finish_run(its_end(start), start)
        clock[0] += 1

    assert 1_000 == len(spool.waiting())
    assert 10 >= len(asked)


def test_threads_wait_for_one_that_asks(runs_catalog, monkeypatch):
    """Of many threads one asks a catalog that is away; the others go on at once."""
    catalog, spool = runs_catalog
    asked, is_asking, answer = [], threading.Event(), threading.Event()

    def prepare(_self):
        asked.append(threading.get_ident())
        is_asking.set()
        answer.wait(30)
        raise CatalogUnavailable("no answer")

    monkeypatch.setattr(Catalog, "_prepare", prepare)
    catalog._away = CatalogUnavailable("was away before")
    first = threading.Thread(target=lambda: catalog.finish_run(its_end(a_start())))
    first.start()
    assert is_asking.wait(30)
    for _ in range(10):
        start = a_start()
        catalog.finish_run(its_end(start), start)
    answer.set()
    first.join(30)

    assert 1 == len(asked)
    assert 11 == len(spool.waiting())


def test_a_database_that_was_restored_rejects_nothing(runs_catalog):
    """What a process remembers of rows that are gone is no fault of a record."""
    catalog, spool = runs_catalog
    first, second = a_start(), a_start()
    catalog.finish_run(its_end(first), first)
    with catalog._database.by_hand() as connection:
        for table in ("run", "task", "code", "environment"):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # our own names
    catalog.finish_run(its_end(second), second)
    waited = len(spool.waiting())
    done = spool.replay(catalog.enter_waiting)

    assert (1, 1, 0) == (waited, done.entered, done.rejected)
    assert "succeeded" == catalog.run(second.uid).state


def test_a_catalog_that_leaves_while_a_record_is_entered_loses_none(runs_catalog, monkeypatch):
    """Between the question whether it is there and the answer to the record."""
    catalog, spool = runs_catalog
    start = a_start()
    spool.keep(WaitingRun(start, its_end(start)))
    catalog.types()

    def cut(*_):
        raise CatalogUnavailable("cut")

    with monkeypatch.context() as for_now:
        for_now.setattr(catalog._recorder, "finish_run", cut)
        done = spool.replay(catalog.enter_waiting)

    assert (0, 1, "cut") == (done.entered, done.left, done.problem)
    assert 1 == spool.replay(catalog.enter_waiting).entered
    assert "succeeded" == catalog.run(start.uid).state
