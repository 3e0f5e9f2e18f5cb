"""Prefetching: the inputs of reserved messages come while another task runs; see prefetch_app."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from grid_deployment import LIMIT_SECONDS, wait_until
from prefetch_app import Branch, Leaf, app, block, read, read_all

from rootcellar import Digest
from rootcellar.runtime import current_runtime
from rootcellar.schemas.manifest import MANIFEST_NAME, Manifest, Member

if TYPE_CHECKING:
    from rootcellar.catalog.catalog import Catalog
    from rootcellar.testing import Worker

pytestmark = pytest.mark.rootcellar_store("s3")

ONE_AHEAD = "--prefetch-multiplier=2"


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

    def has(self, text: str) -> bool:
        """Tell whether the cache has these bytes."""
        content = text.encode()
        return current_runtime().cache.find(Digest.of(content), len(content)) is not None

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


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def start(rootcellar_worker, rootcellar_catalog, tmp_path):
    """Start a worker, and let a task take its place."""

    def started(*options: str) -> Orchard:
        worker = rootcellar_worker("prefetch_app:app", ONE_AHEAD, "--loglevel=DEBUG", *options)
        blocked = block.delay(str(tmp_path))
        wait_until((tmp_path / "blocked").exists)
        return Orchard(worker, rootcellar_catalog, tmp_path, blocked)

    yield started
    (tmp_path / "gate").touch()
    app.close()


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
