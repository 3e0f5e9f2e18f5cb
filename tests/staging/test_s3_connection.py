"""Where requests to a bucket go."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from rootcellar.schemas.errors import StoreError
from rootcellar.staging.stores.s3 import connection as s3_connection
from rootcellar.staging.stores.s3.connection import Asked, BucketConnection
from rootcellar.staging.stores.s3.options import DirectOptions


def test_regions_that_name_each_other_are_given_up(monkeypatch):
    """The request ends with an error, and does not go to and fro for ever."""
    asked = []

    class Elsewhere:
        def __init__(self, endpoint):
            self.host = endpoint.host

        @contextmanager
        def exchange(self, _request):
            asked.append(self.host)
            assert len(asked) < 10, "to and fro"
            other = "eu-west-1" if "us-east-1" in self.host else "us-east-1"
            headers = {"x-amz-bucket-region": other}
            yield SimpleNamespace(status=301, headers=headers, content=lambda: b"")

    monkeypatch.setattr(s3_connection, "Wire", Elsewhere)
    url = "https://bucket.s3.us-east-1.amazonaws.com"
    connection = BucketConnection(url, DirectOptions(), "us-east-1", lambda: None)

    with pytest.raises(StoreError):
        connection.ask(Asked(method="GET", key="a", uri="raw://a"))

    assert 3 == len(asked)
