"""A soft time limit in a transfer that stalls: it ends now, and nothing comes of it later."""

from __future__ import annotations

import random
import signal
import threading
import time
from dataclasses import replace

import pytest

from rootcellar.staging import Stores
from rootcellar.testing import Fault, Match

PART = 5 * 1024 * 1024
RANGE = 256 * 1024
SMALL = random.Random(1).randbytes(200_000)
BIG = random.Random(2).randbytes(2 * PART + 1000)
PROMPT_SECONDS = 6.0


class SoftLimitError(Exception):
    pass


@pytest.fixture
def strike(wait_until):
    """Raise in this thread, as Celery's soft time limit does, once a condition holds."""

    def raise_limit(*_):
        raise SoftLimitError

    threads = []

    def when(condition):
        def wait():
            wait_until(condition)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

        threads.append(threading.Thread(target=wait))
        threads[-1].start()

    old = signal.signal(signal.SIGUSR1, raise_limit)
    yield when
    signal.signal(signal.SIGUSR1, old)
    for thread in threads:
        thread.join()


@pytest.fixture
def patient(bench, way, monkeypatch):
    """Stores that would wait for a minute, so that nothing but the limit ends a stall."""
    monkeypatch.setattr("rootcellar.staging.stores.s3.over_s3fs._REQUEST_SECONDS", 60.0)
    options = {
        "key": "testing",
        "secret": "testing-secret",
        "endpoint_url": bench.proxy.url,
        "direct": way == "direct",
        "client_kwargs": {"region_name": "us-east-1"},
        "config_kwargs": {"read_timeout": 60},
    }
    location = {"url": f"s3://{bench.bucket}/root", "options": options}
    return replace(bench, stores=Stores.from_mapping({bench.bucket: location}))


def stalled(bench):
    return lambda: any("stall" in request.fault for request in bench.proxy.requests)


@pytest.mark.parametrize(
    "fault",
    [Fault.stall(), Fault.stall(after_bytes=1000)],
    ids=["before the reply", "in the body"],
)
@pytest.mark.parametrize(("size", "nth"), [(SMALL, 1), (BIG[: 6 * RANGE], 3)], ids=["one", "many"])
def test_a_limit_ends_a_stalled_download(patient, strike, fault, size, nth):
    """At once; no file, no lock and no thread of it is left, and the next run gets the object."""
    patient.put("a", size)
    patient.proxy.add(fault, when=Match(method="GET", nth=nth))
    strike(stalled(patient))
    started = time.monotonic()

    with pytest.raises(SoftLimitError):
        patient.stage("a")

    assert time.monotonic() - started < PROMPT_SECONDS
    assert {} == patient.entries()
    assert size == patient.stage("a")


@pytest.mark.parametrize(
    ("content", "when", "fault"),
    [
        (SMALL, Match(method="PUT"), Fault.stall()),
        (SMALL, Match(method="PUT"), Fault.stall(after_bytes=1000, of="request")),
        (BIG, Match(method="POST", query="uploads*"), Fault.stall()),
        (BIG, Match(query="*partNumber=2*"), Fault.stall()),
        (BIG, Match(query="*partNumber=2*"), Fault.stall(after_bytes=1000, of="request")),
        (BIG, Match(method="POST", query="uploadId=*"), Fault.stall()),
    ],
    ids=["put", "in a put", "begin", "part", "in a part", "complete"],
)
def test_a_limit_ends_a_stalled_upload(patient, strike, content, when, fault):
    """At once; its parts are given up, and nothing becomes visible then or later."""
    patient.put("a", b"before")
    patient.proxy.add(fault, when=when)
    strike(stalled(patient))
    started = time.monotonic()

    with pytest.raises(SoftLimitError):
        patient.publish(("a", content))

    assert time.monotonic() - started < PROMPT_SECONDS
    patient.proxy.clear()  # what still hangs is let go
    assert b"before" == patient.get("a")
    assert [] == patient.open_uploads()


def test_a_body_that_fails_publishes_nothing(bench):
    """What was transferred before is given up."""
    with pytest.raises(ZeroDivisionError):
        bench.publish(("a", BIG), ("b", SMALL), then=lambda: 1 // 0)

    assert [] == bench.keys()
    assert [] == bench.open_uploads()


def test_a_store_that_is_away_and_comes_back(bench):
    """The run fails with a transient error; the next one finds all as it was."""
    bench.put("a", SMALL)
    bench.proxy.add(Fault.reset(), times=None)
    with pytest.raises(ConnectionError):
        bench.stage("a")
    bench.proxy.clear()

    assert SMALL == bench.stage("a")


def test_a_store_that_goes_away_before_publication(bench):
    """All was transferred, and nothing becomes visible; the parts wait for the bucket's rule."""
    with pytest.raises(ConnectionError):
        bench.publish(("a", BIG), then=lambda: bench.proxy.add(Fault.reset(), times=None))

    bench.proxy.clear()
    assert [] == bench.keys()
    ((key, upload_id),) = bench.open_uploads()
    bench.abort(key, upload_id)
