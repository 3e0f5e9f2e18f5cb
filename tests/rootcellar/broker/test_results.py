"""Results in a folder: whole, quick, and no key leaves the folder."""

import json
import os
import threading
import time
from datetime import timedelta

import pytest
from celery import Celery, states
from celery.exceptions import TimeoutError as CeleryTimeoutError

from rootcellar.broker import broker_options


@pytest.fixture
def app(tmp_path):
    app = Celery("results", set_as_current=False)
    app.conf.update(broker_options(tmp_path / "new folder"))
    yield app
    app.close()


def test_reader_never_meets_half_a_result(app):
    """While a result is written again and again every read gives a whole one."""
    backend = app.backend
    whole = json.dumps("x" * 20_000).encode()
    key = b"celery-task-meta-a"
    backend.set(key, whole)
    done = threading.Event()

    def write():
        while not done.is_set():
            backend.set(key, whole)

    writer = threading.Thread(target=write)
    writer.start()
    read = {backend.get(key) for _ in range(3_000)}
    done.set()
    writer.join()

    assert read == {whole}


@pytest.mark.parametrize("task_id", ["../../outside", "a/b", "nul\0", "x" * 60, "ä"])
def test_hostile_task_ids(app, tmp_path, task_id):
    """Any task id keeps its result inside the folder."""
    app.backend.store_result(task_id, 7, states.SUCCESS)
    result = app.AsyncResult(task_id).get(timeout=5)
    app.backend.forget(task_id)
    app.backend.forget(task_id)

    assert result == 7
    assert [path.name for path in tmp_path.iterdir()] == ["new folder"]
    assert app.AsyncResult(task_id).state == states.PENDING


def test_waiting_is_quick(app, monkeypatch):
    """Who waits for a result looks often, not every half second."""
    naps = []

    def nap(seconds):
        naps.append(seconds)
        app.backend.store_result(f"r{len(naps)}", len(naps), states.SUCCESS)

    monkeypatch.setattr(time, "sleep", nap)
    one = app.AsyncResult("r1").get(timeout=5)
    many = app.ResultSet([app.AsyncResult("r2"), app.AsyncResult("r3")]).join_native(timeout=5)

    assert (one, many) == (1, [2, 3])
    assert max(naps) <= 0.05


def test_timeout_holds(app):
    """A result that does not come is a timeout."""
    with pytest.raises(CeleryTimeoutError):
        app.AsyncResult("never").get(timeout=0.1)


def test_clean_up_takes_what_was_left(app, tmp_path):
    """Celery's clean-up removes old results and what a killed writer left beside them."""
    app.backend.store_result("old", 1, states.SUCCESS)
    folder = tmp_path / "new folder" / "results"
    (folder / "celery-task-meta-old.0123").write_bytes(b"half")
    past = time.time() - timedelta(days=9).total_seconds()
    for path in folder.iterdir():
        os.utime(path, (past, past))
    app.backend.cleanup()

    assert list(folder.iterdir()) == []
