"""Staged tasks in this process, with a fault proxy before their stores."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from grid_words import Count, Words, count_words

from rootcellar.schemas.errors import AccessDenied, StoreUnavailable
from rootcellar.testing import Fault, Match


@pytest.fixture
def faults(rootcellar_faults, project):
    """The proxy, when the input is there."""
    project.put(Words(page=1), "sun wind rain")
    rootcellar_faults.clear()
    return rootcellar_faults


@pytest.fixture
def task(project):
    return project.app.task(count_words)


def run(task):
    return task.apply(kwargs={"text": 1}, throw=True).get()


def left_over(project):
    """Names of workdirs and temporary files."""
    cache = project.settings.cache_dir / "v1"
    return [path.name for area in ("work", "tmp") for path in cache.glob(f"{area}/*")]


def test_a_task_survives_what_passes(faults, project, task):
    """Errors that end while there are tries left are not seen by a task."""
    faults.add(Fault.status(503), when=Match(method="GET"))
    faults.add(Fault.reset(), when=Match(method="PUT"))

    run(task)

    assert "succeeded" == project.last_run().state
    assert {"words": 3} == Count(page=1).load()
    assert [] == left_over(project)


@pytest.mark.parametrize(
    ("status", "method", "error"),
    [
        (503, "GET", StoreUnavailable),
        (403, "GET", AccessDenied),
        (500, "PUT", StoreUnavailable),
        (403, "PUT", AccessDenied),
    ],
)
def test_what_does_not_pass_is_recorded(faults, task, project, status, method, error):
    """The run has failed, with its phase and whether it may pass later; nothing is published."""
    faults.add(Fault.status(status), when=Match(method=method), times=None)
    phase = {"GET": "stage in", "PUT": "stage out"}[method]

    with pytest.raises(error):
        run(task)

    faults.clear()
    failed = project.last_run()
    assert ("failed", phase) == (failed.state, failed.error.phase)
    assert error.transient == failed.error.transient
    assert not project.exists(Count(page=1))
    assert [] == left_over(project)


def test_one_input_of_two_tasks_is_downloaded_once(faults, task):
    """The second run finds it on the host."""
    run(task)
    run(task)

    assert 1 == len(faults.matching(Match(method="GET", key="raw/words/*")))


def test_a_soft_limit_in_a_stalled_download(faults, project, task):
    """Ends the run promptly; the body never ran, and nothing is published."""
    faults.add(Fault.stall(), when=Match(method="GET"), times=None)

    def strike():
        end = time.monotonic() + 20
        while not any(request.fault for request in faults.requests):
            assert time.monotonic() < end
        struck.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    struck = []

    def limit(_signum, _frame):
        raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGUSR1, limit)
    thread = threading.Thread(target=strike)
    thread.start()
    try:
        with pytest.raises(SoftTimeLimitExceeded):
            run(task)
        ended = time.monotonic()
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)

    # Less than one request waits.
    assert ended - struck[0] < 2
    faults.clear()
    assert "failed" == project.last_run().state
    assert not project.exists(Count(page=1))
    assert [] == left_over(project)
