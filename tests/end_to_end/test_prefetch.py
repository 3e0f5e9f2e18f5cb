"""Prefetching: the inputs of reserved messages come while another task runs; see prefetch_app."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from grid_deployment import LIMIT_SECONDS, wait_until
from kombu import pools
from prefetch_app import Branch, Leaf, app, block, read, read_all

from rootcellar import Digest
from rootcellar.runtime import current_runtime
from rootcellar.testing import pointed, running_worker

if TYPE_CHECKING:
    from rootcellar.catalog.catalog import Catalog
    from rootcellar.testing import Worker

pytestmark = pytest.mark.rootcellar_store("s3")

_WORKER = ["--loglevel=DEBUG", "--concurrency=1", "--prefetch-multiplier=9"]


@dataclass(frozen=True)
class Orchard:
    """A worker with one place, which `block` has taken."""

    worker: Worker
    catalog: Catalog
    folder: Path
    blocked: Any

    def put(self, artifact: Any, text: str, member: str = "") -> None:
        address = current_runtime().stores.store_for(artifact.uri)
        source = self.folder / "put"
        source.write_text(text)
        key = f"{address.key}/{member}" if member else address.key
        address.store.upload(key, source).publish()

    def push(self, artifact: Any, text: str) -> Any:
        source = self.folder / "push"
        source.write_text(text)
        return artifact.push(source)

    def has(self, text: str) -> bool:
        """Tell whether the cache has these bytes."""
        content = text.encode()
        return current_runtime().cache.find(Digest.of(content), len(content)) is not None

    def forget(self, *texts: str) -> None:
        for text in texts:
            current_runtime().cache.forget(Digest.of(text.encode()))

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def ended(self, result: Any) -> Any:
        return result.get(timeout=LIMIT_SECONDS)

    def caches(self, result: Any) -> list[str]:
        """Where the inputs of a task's run came from."""
        (run,) = [run for run in self.catalog.runs() if run.task_id == result.id]
        return [one.cache for one in run.inputs]

    @property
    def helpers(self) -> list[int]:
        """The subprocesses of the worker that prefetch."""
        return [pid for pid in children(self.worker.pid) if "prefetch_process" in command(pid)]

    def helper(self) -> int:
        return wait_until(lambda: self.helpers)[0]

    def send_reader(self, tree: int, **options: Any) -> Any:
        self.put(Leaf(tree=tree), f"leaf {tree}")
        return read.apply_async([tree], **options)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""


def close() -> None:
    """Close the connections to Redis, which are not of the next test's."""
    app.backend.result_consumer.stop()
    app.backend.client.close()
    pools.reset()


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def start(rootcellar_catalog, redis_url, tmp_path):
    """Start a worker, and let a task take its place."""
    # Not the embedded broker: on it Celery waits for a place as soon as one message has none.
    broker = {"broker_url": redis_url, "result_backend": redis_url}
    queue = f"ahead-{uuid.uuid4()}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(pointed(app, {**broker, "task_default_queue": queue}))
        stack.callback(close)

        def started(*options: str) -> Orchard:
            start_worker = [sys.executable, "-m", "celery", "-A", "prefetch_app:app", "worker"]
            start_worker += [*_WORKER, *options, f"--queues={queue}"]
            running = running_worker(
                app,
                start_worker,
                tmp_path / "worker.log",
                name=f"{queue}@ahead",
                environment={"AHEAD_BROKER": redis_url},
            )
            worker = stack.enter_context(running)
            blocked = block.delay(str(tmp_path))
            wait_until((tmp_path / "blocked").exists)
            return Orchard(worker, rootcellar_catalog, tmp_path, blocked)

        # Opened before the worker is stopped, which waits for its task.
        yield started
        (tmp_path / "gate").touch()


def test_reserved_input_is_there_before_its_task(start):
    """While one task runs, the input of the next comes, and its run records a hit."""
    orchard = start()
    waiting = orchard.send_reader(1)
    wait_until(lambda: orchard.has("leaf 1"))
    assert not orchard.blocked.ready()
    orchard.open_gate()

    assert "leaf 1" == orchard.ended(waiting)
    assert ["hit"] == orchard.caches(waiting)
    assert "prefetched orchard://leaf/001.txt" in orchard.worker.log.read_text()


def test_fan_in_and_folders(start):
    """Several inputs of one argument, and folders, come too."""
    orchard = start()
    for tree in (1, 2):
        orchard.put(Leaf(tree=tree), f"leaf {tree}")
    orchard.put(Branch(tree=3), "twig", "a.txt")
    waiting = read_all.delay([1, 2], branch=3)
    wait_until(lambda: all(map(orchard.has, ("leaf 1", "leaf 2", "twig"))))
    orchard.open_gate()

    assert ["leaf 1", "leaf 2", "twig"] == orchard.ended(waiting)
    assert ["hit"] * 3 == orchard.caches(waiting)


def test_ref_is_brought_as_pinned(start):
    """A ref's own version comes, or nothing where its store has replaced it."""
    orchard = start()
    refs = [orchard.push(Leaf(tree=tree), f"leaf {tree}") for tree in (1, 2)]
    orchard.put(Leaf(tree=1), "other")
    orchard.forget("leaf 1", "leaf 2")
    for ref in refs:
        read.delay(ref)
    wait_until(lambda: orchard.has("leaf 2"))

    assert not orchard.has("other")


def test_revoked_task_holds_no_room(start, monkeypatch):
    """What was brought for a task that will not run makes room for the next."""
    monkeypatch.setenv("ROOTCELLAR_PREFETCH_BYTES", str(len("leaf 1")))
    orchard = start()
    waiting = {f"leaf {tree}": orchard.send_reader(tree) for tree in (1, 2)}
    wait_until(lambda: any(map(orchard.has, waiting)))
    (early,) = filter(orchard.has, waiting)
    app.control.revoke(waiting[early].id)
    wait_until(lambda: all(map(orchard.has, waiting)))

    assert not orchard.blocked.ready()


def test_off(start, monkeypatch):
    """With the setting off there is no subprocess, and nothing comes early."""
    monkeypatch.setenv("ROOTCELLAR_PREFETCH", "off")
    orchard = start()
    waiting = orchard.send_reader(1)
    wait_until(lambda: waiting.id in orchard.worker.log.read_text())
    assert [] == orchard.helpers
    orchard.open_gate()

    assert "leaf 1" == orchard.ended(waiting)
    assert ["miss"] == orchard.caches(waiting)


def test_task_of_later_is_left(start):
    """What is to run in an hour is not brought now; what is due in seconds is."""
    orchard = start()
    orchard.send_reader(1, countdown=3600)
    soon = orchard.send_reader(2, countdown=20)
    wait_until(lambda: orchard.has("leaf 2"))

    assert not orchard.has("leaf 1")
    assert soon.id in orchard.worker.log.read_text()


def test_message_that_does_not_bind_is_the_runs_to_report(start):
    """The main process goes on; the task fails with its own error."""
    orchard = start()
    bad = app.send_task("prefetch_app.read", args=["no number"])
    waiting = orchard.send_reader(1)
    wait_until(lambda: orchard.has("leaf 1"))
    orchard.open_gate()
    error = bad.get(timeout=LIMIT_SECONDS, propagate=False)

    assert "leaf" in str(error)
    assert "leaf 1" == orchard.ended(waiting)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_worker_takes_its_subprocess_along(start, number):
    """However a worker ends, its subprocess ends at once; a stop does not wait for the task."""
    orchard = start()
    orchard.send_reader(1)
    helper = orchard.helper()
    os.kill(orchard.worker.pid, number)
    wait_until(lambda: is_gone(helper), 10)

    assert is_gone(orchard.worker.pid) == (number == signal.SIGKILL)


def test_killed_subprocess_harms_no_task(start):
    """Its worker's tasks run, and a later message starts another."""
    orchard = start()
    results = [orchard.send_reader(1)]
    wait_until(lambda: orchard.has("leaf 1"))
    helper = orchard.helper()
    os.kill(helper, signal.SIGKILL)
    wait_until(lambda: is_gone(helper))
    results += [orchard.send_reader(tree) for tree in (2, 3)]
    wait_until(lambda: orchard.has("leaf 3"))
    assert [helper] != orchard.helpers
    orchard.open_gate()

    assert ["leaf 1", "leaf 2", "leaf 3"] == [orchard.ended(one) for one in results]


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_pools(start, pool):
    """Threads get their inputs early; solo reserves nothing while it works, and nothing fails."""
    orchard = start(f"--pool={pool}")
    waiting = orchard.send_reader(1)
    if pool == "threads":
        wait_until(lambda: orchard.has("leaf 1"))
    orchard.open_gate()

    assert "leaf 1" == orchard.ended(waiting)
    assert [{"threads": "hit", "solo": "miss"}[pool]] == orchard.caches(waiting)


def test_embedded_broker(rootcellar_worker, rootcellar_catalog, tmp_path):
    """On the embedded broker the input of the one message comes that Celery takes early."""
    worker = rootcellar_worker("prefetch_app:app", "--prefetch-multiplier=2")
    blocked = block.delay(str(tmp_path))
    orchard = Orchard(worker, rootcellar_catalog, tmp_path, blocked)
    waiting = orchard.send_reader(1)
    wait_until(lambda: orchard.has("leaf 1"))
    orchard.open_gate()

    assert "leaf 1" == orchard.ended(waiting)
