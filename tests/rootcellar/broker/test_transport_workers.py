"""The embedded broker under real workers, some of them killed."""

import collections
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery, chord, group

from rootcellar.broker import broker_options

LIMIT_SECONDS = 60


def wait_until(condition):
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.fixture
def app(tmp_path):
    app = Celery("broker_app", set_as_current=False)
    app.conf.update(broker_options(tmp_path))
    yield app
    app.close()


@contextmanager
def worker(folder, *options, name="w", **environment):
    here = Path(__file__).parent
    command = [sys.executable, "-m", "celery", "-A", "broker_app", "worker", "-l", "warning"]
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "-n", f"{name}@test", *options],
            cwd=here,
            env={**os.environ, "BROKER_FOLDER": str(folder), **environment},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(LIMIT_SECONDS)
            raise


def marks(folder):
    file = folder / "marks"
    return file.read_text().split() if file.exists() else []


PUBLISH = """
import sys
from broker_app import mark
for number in range(150):
    mark.delay(f"{sys.argv[1]}-{number}")
"""


@pytest.mark.end_to_end
def test_each_task_runs_once(tmp_path):
    """Two workers with two children each run 450 tasks of three publishers exactly once."""
    with (
        worker(tmp_path, "-c", "2", name="one"),
        worker(tmp_path, "-c", "2", name="two"),
    ):
        publishers = [
            subprocess.Popen(
                [sys.executable, "-c", PUBLISH, str(number)],
                cwd=Path(__file__).parent,
                env={**os.environ, "BROKER_FOLDER": str(tmp_path)},
            )
            for number in range(3)
        ]
        codes = [publisher.wait(LIMIT_SECONDS) for publisher in publishers]
        wait_until(lambda: len(marks(tmp_path)) >= 450)
    ran = collections.Counter(marks(tmp_path))

    assert codes == [0, 0, 0]
    assert set(ran.values()) == {1}
    assert len(ran) == 450
    assert list((tmp_path / "broker" / "queues" / "celery").iterdir()) == []


@pytest.mark.end_to_end
def test_canvas_and_control(tmp_path, app):
    """Chords and nested groups are right and quick; ping, inspect and revoke answer."""
    add, total = app.signature("broker_app.add"), app.signature("broker_app.total")
    with worker(tmp_path, "-c", "2"):
        wait_until(lambda: app.control.ping(timeout=0.3))
        began = time.monotonic()
        wide = chord([add.clone([n]) for n in range(100)])(total)
        nested = group(chord(group(add.clone([n]) for n in range(10)), total) for _ in range(3))
        sums = wide.get(timeout=30), nested.delay().get(timeout=30)
        seconds = time.monotonic() - began
        queues = app.control.inspect(timeout=0.3).active_queues()
        later = app.signature("broker_app.mark", ["never"]).apply_async(countdown=1)
        app.control.revoke(later.id)
        mark = app.signature("broker_app.mark", ["after"]).apply_async(countdown=1.2)
        mark.get(timeout=30)

    assert sums == (5050, [55, 55, 55])
    assert seconds < 15
    assert [queue["name"] for queue in queues["w@test"]] == ["celery"]
    assert marks(tmp_path) == ["after"]


@pytest.mark.end_to_end
def test_killed_worker_loses_nothing(tmp_path, app):
    """With late acknowledgement what a killed worker ran and held is done by the next one."""
    names = ["running", "held-1", "held-2", "ready"]
    with worker(tmp_path, "-c", "1", name="killed", BROKER_ACKS_LATE="1") as first:
        results = [app.signature("broker_app.wait_for_gate", [name]).delay() for name in names]
        wait_until((tmp_path / "running-started").exists)
        first.send_signal(signal.SIGKILL)
        first.wait(LIMIT_SECONDS)
    (tmp_path / "gate").touch()
    with worker(tmp_path, "-c", "1", name="next", BROKER_ACKS_LATE="1"):
        redelivered = [result.get(timeout=LIMIT_SECONDS) for result in results]

    assert sorted(marks(tmp_path)) == sorted(names)
    assert redelivered[0] is True
    assert redelivered[-1] is False
    assert list((tmp_path / "broker" / "holders").iterdir()) == []


@pytest.mark.end_to_end
def test_stopped_worker_gives_back(tmp_path, app):
    """A worker that is told to stop ends what it runs and leaves what it only held."""
    with worker(tmp_path, "-c", "1", name="stopped") as first:
        results = [
            app.signature("broker_app.wait_for_gate", [name]).delay() for name in ("a", "b", "c")
        ]
        wait_until((tmp_path / "a-started").exists)
        first.terminate()
        (tmp_path / "gate").touch()
        first.wait(LIMIT_SECONDS)
    with worker(tmp_path, "-c", "1", name="next"):
        for result in results:
            result.get(timeout=LIMIT_SECONDS)

    assert sorted(marks(tmp_path)) == ["a", "b", "c"]
