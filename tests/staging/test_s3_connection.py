"""Where requests to a bucket go."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from rootcellar.schemas.errors import StoreError
from rootcellar.staging.stores.s3 import connection as s3_connection
from rootcellar.staging.stores.s3.connection import Asked, BucketConnection
from rootcellar.staging.stores.s3.options import DirectOptions


class Elsewhere:
    """Answers as Amazon does for buckets in other regions; counts the connections it stands for."""

    def __init__(self, monkeypatch, told):
        self.told = told
        self.hosts = []
        monkeypatch.setattr(s3_connection, "Wire", lambda endpoint: self.at(endpoint.host))

    def at(self, host):
        @contextmanager
        def exchange(request):
            assert host == request.headers["host"]
            self.hosts.append(host)
            region = self.told(len(self.hosts), host)
            status = 301 if region else 200
            headers = {"x-amz-bucket-region": region} if region else {}
            yield SimpleNamespace(status=status, headers=headers, content=lambda: b"")

        return SimpleNamespace(exchange=exchange)

    def connection(self):
        url = "https://bucket.s3.us-east-1.amazonaws.com"
        return BucketConnection(url, DirectOptions(), "us-east-1", lambda: None)


ASKED = Asked(method="HEAD", key="a", uri="raw://a")


def test_a_bucket_elsewhere_is_followed(monkeypatch):
    """Amazon names the region; this and the next request go there."""
    amazon = Elsewhere(monkeypatch, lambda _, host: "" if "eu-west-1" in host else "eu-west-1")
    connection = amazon.connection()

    assert 200 == connection.ask(ASKED).status
    assert 200 == connection.ask(ASKED).status
    there = "bucket.s3.eu-west-1.amazonaws.com"
    assert ["bucket.s3.us-east-1.amazonaws.com", there, there] == amazon.hosts


def test_all_threads_follow_a_bucket_elsewhere(monkeypatch):
    """Who asked in the old region while another thread turned to the new one follows too."""
    both = threading.Barrier(8, timeout=20)

    def told(number, host):
        if "eu-west-1" in host:
            return ""
        both.wait()
        return "eu-west-1"

    connection = Elsewhere(monkeypatch, told).connection()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: connection.ask(ASKED), range(8)))

    assert [200] * 8 == [answer.status for answer in answers]


def test_a_bucket_that_is_always_elsewhere_is_given_up(monkeypatch):
    """Two regions that name each other are not asked for ever."""
    amazon = Elsewhere(monkeypatch, lambda number, _: f"eu-west-{number % 2}")

    with pytest.raises(StoreError):
        amazon.connection().ask(ASKED)

    assert 3 == len(amazon.hosts)


@pytest.mark.parametrize("region", ["x@evil.example/", "evil.example:80", "a/b", "#"])
def test_a_region_is_a_name(monkeypatch, region):
    """What stands in its place leads to no other host."""
    amazon = Elsewhere(monkeypatch, lambda *_: region)

    with pytest.raises(StoreError):
        amazon.connection().ask(ASKED)

    assert ["bucket.s3.us-east-1.amazonaws.com"] == amazon.hosts
