"""What a task's round trip costs when its input is cached, beside the bare task's."""

from __future__ import annotations

import functools
import random
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.brokers import rabbitmq, redis
from benchmarks.fresh import FailedError, call_fresh
from benchmarks.place import KEY
from benchmarks.processes import NotStartedError
from benchmarks.server import ObjectServer
from benchmarks.suite import OURS, Row, Run, Series, disk_folder, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from benchmarks.brokers import Broker
    from benchmarks.suite import Scale

__all__ = ["BROKERS", "measure"]

BROKERS: dict[str, Callable[[Path], AbstractContextManager[Broker]]] = {
    "task-redis": redis,
    "task-rabbitmq": rabbitmq,
}
INPUT_BYTES = 20_000
WARM_TRIPS = 30
BLOCK_TRIPS = 10
"""Of one task in a row, so that what it leaves to be done after its result delays its own next."""
ANSWER_SECONDS = 60.0
LIMIT_SECONDS = 600.0
BARE, HAND = "bare task", "celery + boto3"
TASKS = {
    "": {BARE: "bare", OURS: "staged by ref", HAND: "by_hand"},
    "-key": {BARE: "bare", OURS: "staged by key", HAND: "by_hand"},
    "-output": {BARE: "bare_output", OURS: "staged_output by key", HAND: "by_hand_output"},
}
"""By what is appended to the benchmark's name: the peers and their tasks.

By ref the input is pinned, as in all links of a chain but the first; by key the store is asked once
which version is there.
"""


def measure(name: str, scale: Scale) -> list[Row]:
    """Return the rows of one broker: with an input by ref, by key, and with a small output too."""
    try:
        batches = _batches(name, scale)
    except (NotStartedError, FailedError) as error:
        return [_missing(f"{name}{what}", str(error)) for what in TASKS]
    rows = []
    for what, tasks in TASKS.items():
        series = {
            peer: Series([Run(statistics.median(trips)) for trips in batches[task]])
            for peer, task in tasks.items()
        }
        rows += rows_of(f"{name}{what}", "ms", series)
    return rows


def _missing(name: str, note: str) -> Row:
    return Row(name, BARE, None, None, "ms", None, 0, None, note=note)


def _batches(name: str, scale: Scale) -> dict[str, list[list[float]]]:
    """Return the milliseconds of all trips, batch by batch, by task."""
    with disk_folder() as folder, ObjectServer() as server, BROKERS[name](folder) as broker:
        (server.objects / "raw" / "weather").mkdir(parents=True)
        for path in (server.objects / "raw" / "weather" / "001.txt", folder / "1.txt"):
            path.write_bytes(b"w" * INPUT_BYTES)
        environment = _environment(server, folder, broker)
        arguments = {"folder": str(folder), "trips": scale.pick(100, 10)}
        rounds: list[dict[str, list[float]]] = [
            call_fresh(
                "benchmarks.tasks:trips",
                arguments,
                limit_seconds=LIMIT_SECONDS,
                environment=environment,
            )
            for _ in range(scale.rounds)
        ]
        return {name: [batch[name] for batch in rounds] for name in rounds[0]}


def _environment(server: ObjectServer, folder: Path, broker: Broker) -> dict[str, str]:
    options = {"endpoint_url": server.endpoint, "key": KEY, "secret": KEY}
    settings: dict[str, Any] = {"home": str(folder / "home"), "progress": "off"}
    (folder / "rootcellar.toml").touch()
    variables = {f"ROOTCELLAR_{name.upper()}": value for name, value in settings.items()}
    for store in ("raw", "derived"):
        variables[f"ROOTCELLAR_STORES__{store}__url"] = f"s3://{server.bucket}/{store}"
        for option, value in options.items():
            variables[f"ROOTCELLAR_STORES__{store}__options__{option}"] = value
    return {
        **variables,
        "ROOTCELLAR_SETTINGS_FILE": str(folder / "rootcellar.toml"),
        "BENCH_BROKER": broker[0],
        "BENCH_BACKEND": broker[1],
        "BENCH_ENDPOINT": server.endpoint,
        "BENCH_BUCKET": server.bucket,
        "BENCH_FOLDER": str(folder),
    }


def trips(folder: str, trips: int) -> dict[str, list[float]]:
    """Within a fresh process: start a worker, and send each task in turn, over and over.

    Each round has its own worker, as where the system puts its processes decides for all of them.
    """
    from benchmarks import tasks_app  # noqa: PLC0415 (reads this process's environment)

    names = list(dict.fromkeys(task for tasks in TASKS.values() for task in tasks.values()))
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.tasks_app:app", "worker"]
    options = ["--pool=prefork", "--concurrency=2", "--loglevel=WARNING", "--without-gossip"]
    quiet = ["--without-mingle", "--without-heartbeat"]
    with open(f"{folder}/worker.log", "wb") as log:  # noqa: PTH123
        # In this process's group, which is ended with it.
        worker = subprocess.Popen([*command, *options, *quiet], stdout=log, stderr=log)
    try:
        # Both children of the worker have all bytes and connections afterwards.
        ref = tasks_app.published.delay(1).get(timeout=ANSWER_SECONDS)
        calls = {name: _call(tasks_app, name, ref) for name in names}
        for _ in range(WARM_TRIPS):
            for call in calls.values():
                _trip(call)
        return _batch(calls, trips)
    finally:
        worker.terminate()
        worker.wait()


def _call(app: Any, name: str, ref: Any) -> Callable[[], Any]:
    """Return what sends a task: `name`, or `name by ref`, with what a chain would hand over."""
    task, _, by = name.partition(" by ")
    return functools.partial(getattr(app, task).delay, ref if by == "ref" else 1)


def _batch(calls: Mapping[str, Callable[[], Any]], count: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in calls}
    order = random.Random(0)
    for _ in range(count // BLOCK_TRIPS):
        for name in order.sample(list(calls), len(calls)):
            times[name] += [_trip(calls[name]) for _ in range(BLOCK_TRIPS)]
    return times


def _trip(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call().get(timeout=ANSWER_SECONDS)
    return (time.perf_counter() - begun) * 1000
