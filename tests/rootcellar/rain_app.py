"""Streamed inputs for tests: types, bodies and an app that a real worker can run."""

import os
import signal
from typing import Annotated

import pyarrow as pa
from celery import Celery

from rootcellar import (
    OUTPUT,
    STREAMED,
    Artifact,
    Csv,
    File,
    Folder,
    Parquet,
    Registry,
    RetryPolicy,
    Staged,
    install,
)

registry = Registry("rain")


@registry.register(arguments=["rain", "rains"])
class Rain(Artifact, uri="raw://rain/{town}.parquet", format=Parquet()):
    town: str


@registry.register
class Drops(Artifact, uri="raw://drops/{town}", format=Folder("*.parquet", member=Parquet())):
    town: str


@registry.register
class Dump(Artifact, uri="raw://dump/{town}.bin", format=File()):
    town: str


@registry.register(arguments=["total", "totals"])
class Total(Artifact, uri="derived://total/{town}.csv", format=Csv()):
    town: str


app = Celery("rain", set_as_current=False)
install(app, registry, policy=RetryPolicy.off())


def total_of(rain: Annotated[Staged[Rain], STREAMED], *, total: Staged[Total] = OUTPUT) -> None:
    found = rain.dataset().to_table(columns=["mm"])
    total.save(pa.table({"sum": [sum(found["mm"].to_pylist())]}))


def head_of(dump: Annotated[Staged[Dump], STREAMED], size: int = 10) -> str:
    with dump.open() as file:
        return file.read(size).hex()


def killed(rain: Annotated[Staged[Rain], STREAMED]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


total_of_task = app.task(total_of, name="total_of", shared=False)
head_of_task = app.task(head_of, name="head_of", shared=False)
