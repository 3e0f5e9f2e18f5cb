"""The app of the worker processes that test_broker starts: `BROKER_FOLDER` says where."""

import os
import time
from pathlib import Path

from celery import Celery

from rootcellar.broker import broker_options

folder = Path(os.environ["BROKER_FOLDER"])
app = Celery("broker_app")
app.conf.update(broker_options(folder))
app.conf.update(worker_prefetch_multiplier=2, task_acks_late="BROKER_ACKS_LATE" in os.environ)


@app.task
def add(a: int, b: int = 1) -> int:
    return a + b


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task
def mark(name: str) -> None:
    """Leave one line for each time this ran."""
    with (folder / "marks").open("a") as marks:
        marks.write(f"{name}\n")


@app.task(bind=True)
def wait_for_gate(self, name: str) -> bool:
    """Say that it runs, wait until the gate opens, and tell whether it was redelivered."""
    (folder / f"{name}-started").touch()
    end = time.monotonic() + 120
    while not (folder / "gate").exists():
        assert time.monotonic() < end, "nobody opened the gate"
        time.sleep(0.01)
    mark.run(name)
    return self.request.delivery_info["redelivered"]
