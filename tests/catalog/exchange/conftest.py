"""A consumer of OpenLineage's events, and a relay that tells it of made-up runs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from openlineage.client.serde import Serde

from rootcellar.catalog.exchange.dataset_names import DatasetNames
from rootcellar.catalog.exchange.relay import RelayOptions
from rootcellar.schemas.columns import Column, ColumnStatistics
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import ErrorRecord, PhaseSeconds, RunState

COMMIT = "c0ffee" * 6 + "c0de"
COLUMNS = (Column("hour", "int32", nullable=False), Column("mw", "double"))
STORES = {"raw": "s3://grid/raw", "derived": "/srv/derived"}


class Consumer:
    """Takes events as a transport does: after serializing them."""

    def __init__(self):
        self.events = []
        self.fails = []

    def emit(self, event):
        if self.fails and (error := self.fails.pop(0)):
            raise error
        self.events.append(json.loads(Serde.to_json(event)))

    def of(self, uid):
        """The types of a run's events, in order."""
        return [one["eventType"] for one in self.events if one["run"]["runId"] == uid]


@pytest.fixture
def consumer():
    return Consumer()


@pytest.fixture(scope="session")
def options():
    """How a consumer is told."""
    return _options


@pytest.fixture(scope="session")
def drain():
    """All steps of a relay until nothing is left."""
    return _drain


@pytest.fixture
def everything(catalog, records):
    """Records a run in each state, with all that can be recorded; returns their uids by state."""
    return lambda: _everything(catalog, records)


@pytest.fixture
def told(catalog, consumer):
    """A relay that begins with the first run."""
    one = catalog.relay(_options(consumer))
    one.begin(from_first=True)
    return one


def _options(consumer, **fields):
    fields = {
        "names": DatasetNames(stores=STORES),
        "version": "1.2.3",
        "repository": {COMMIT: "https://github.com/grid/plant"}.get,
        **fields,
    }
    return RelayOptions(namespace="celery://grid", client=consumer, **fields)


def _drain(one):
    """All steps until nothing is left."""
    while not (step := one.step()).is_done:
        assert not step.problem, step.problem


def _everything(catalog, records):
    """A run in each state, with all that can be recorded."""
    catalog.declare([records.type_record("weather"), records.type_record("pv")])
    environment = records.ENVIRONMENT.__class__(
        python="3.11.9", platform="linux", packages={"celery": "5.5.0"}
    )
    sky = [
        records.version("weather", {"station": n}, f"sky {n}", origin="observed") for n in (1, 2)
    ]
    made = records.version(
        "pv",
        {"day": "2026-01-01"},
        "rows",
        row_count=3,
        media_type="application/vnd.apache.parquet",
        schema_fingerprint=Digest.of(b"columns"),
        columns=COLUMNS,
        statistics=(ColumnStatistics(name="hour", null_count=0, minimum=0, maximum=2),),
    )
    code = replace(records.CODE, git_commit=COMMIT)
    parent = records.record(catalog, [], [], task="plan")
    uids = {}
    for state in RunState:
        start = records.started(
            task_id="c1", parent_run=parent, arguments={"tilt": 30, "name": "ü"}, retries=1,
            environment=environment, code=code,
        )  # fmt: skip
        error = ErrorRecord(phase="body", error="ValueError", message="no", traceback="tb")
        if state is RunState.RUNNING:
            catalog.start_run(start)
        elif state is RunState.LOST:
            catalog.start_run(start)
            catalog.mark_lost([start.uid])
        else:
            end = records.ended(
                start.uid, sky, [made] if state is RunState.SUCCEEDED else [], state=state,
                error=error if state in {RunState.FAILED, RunState.RETRIED} else None,
                reused_run=parent if state is RunState.REUSED else "",
                phases=PhaseSeconds(stage_in=1.5, body=2, stage_out=0.25),
            )  # fmt: skip
            catalog.finish_run(end, start)
        uids[state] = start.uid
    return uids
