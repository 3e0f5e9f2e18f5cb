"""The suite's own server, where nginx is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Last: what is installed stays in front of the folders of its source.
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from benchmarks.server import ObjectServer, why_not  # noqa: E402  needs the line above


@pytest.fixture(scope="session")
def runs_here():
    """Skip, with the reason, where the server cannot run."""
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def one_server(runs_here):
    with ObjectServer() as server:
        yield server


@pytest.fixture
def server(one_server):
    """The server with an empty bucket."""
    one_server.clear()
    return one_server


@pytest.fixture
def s3(server):
    """A client of the usual kind."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    yield client
    client.close()
