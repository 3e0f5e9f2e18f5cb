"""The worker's app: the same small task bare, staged, and with boto3 written by hand.

`BENCH_BROKER` and `BENCH_BACKEND` say where messages go, `BENCH_ENDPOINT` and `BENCH_BUCKET` where
objects are, `BENCH_FOLDER` where local files are.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from celery import Celery, Task

from benchmarks.place import KEY
from rootcellar import OUTPUT, Artifact, Json, Registry, RetryPolicy, Text, install

FOLDER = Path(os.environ["BENCH_FOLDER"])
registry = Registry("bench")


@registry.register
class Weather(Artifact, uri="raw://weather/{station:03d}.txt", format=Text()):
    station: int


@registry.register(arguments=["total"])
class Total(Artifact, uri="derived://total/{station:03d}.json", format=Json()):
    station: int


app = Celery("bench")
app.conf.update(
    broker_url=os.environ["BENCH_BROKER"],
    result_backend=os.environ["BENCH_BACKEND"],
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
)
install(app, registry, policy=RetryPolicy.off())


@functools.cache
def client() -> Any:
    """One client per process, as a careful person makes it."""
    import boto3  # noqa: PLC0415 (not for the other tasks)

    endpoint = os.environ["BENCH_ENDPOINT"]
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        region_name="us-east-1",
    )


@app.task(base=Task)
def bare(station: int) -> int:
    return (FOLDER / f"{station}.txt").stat().st_size


@app.task
def published(station: int, *, weather: Path = OUTPUT) -> None:
    """Make the input, so that its ref can be handed on."""
    weather.write_bytes((FOLDER / f"{station}.txt").read_bytes())


@app.task
def staged(weather: Path) -> int:
    return weather.stat().st_size


@app.task(base=Task)
def by_hand(station: int) -> int:
    with tempfile.NamedTemporaryFile() as file:
        key = f"raw/weather/{station:03d}.txt"
        client().download_file(os.environ["BENCH_BUCKET"], key, file.name)
        return Path(file.name).stat().st_size


@app.task(base=Task)
def bare_output(station: int) -> int:
    size = (FOLDER / f"{station}.txt").stat().st_size
    (FOLDER / f"{station}.json").write_text(json.dumps({"size": size}))
    return size


@app.task
def staged_output(weather: Path, *, total: Path = OUTPUT) -> None:
    total.write_text(json.dumps({"size": weather.stat().st_size}))


@app.task(base=Task)
def by_hand_output(station: int) -> int:
    size = int(by_hand.run(station))
    bucket, key = os.environ["BENCH_BUCKET"], f"hand/{station:03d}.json"
    client().put_object(Bucket=bucket, Key=key, Body=json.dumps({"size": size}).encode())
    return size
