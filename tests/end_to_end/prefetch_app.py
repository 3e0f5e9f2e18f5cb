"""An app for the tests of prefetching: one task that blocks, one that reads, and one of two."""

import os
import time
from pathlib import Path

from celery import Celery

from rootcellar import Artifact, Folder, Registry, Text, install

registry = Registry("ahead")


@registry.register(arguments=["leaf", "leaves"])
class Leaf(Artifact, uri="orchard://leaf/{tree:03d}.txt", format=Text()):
    tree: int


@registry.register
class Branch(Artifact, uri="orchard://branch/{tree:03d}", format=Folder("*.txt")):
    tree: int


class Alone(Celery):
    """An app that keeps its tasks to itself. Celery gives those of one app to all that follow."""

    def task(self, *args, **options):
        return super().task(*args, **{"shared": False, **options})


app = Alone("ahead", set_as_current=False)
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True)
if "AHEAD_BROKER" in os.environ:
    app.conf.update(broker_url=os.environ["AHEAD_BROKER"])
    app.conf.update(result_backend=os.environ["AHEAD_BROKER"])
install(app, registry)


@app.task
def block(folder: str) -> None:
    """Take the worker's only place until there is a gate."""
    Path(folder, "blocked").touch()
    end = time.monotonic() + 60
    while not Path(folder, "gate").exists():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@app.task
def read(leaf: str) -> str:
    return leaf


@app.task
def read_all(leaves: list[str], branch: Path) -> list[str]:
    return [*leaves, *(path.read_text() for path in sorted(branch.iterdir()))]
