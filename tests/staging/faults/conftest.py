"""An S3 server with a fault proxy before it, and the look around after each test."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import fsspec.asyn
import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.staging import Cache, StagingSession, Stores
from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.publication.output import Output
from rootcellar.testing import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rootcellar.staging import Published, Store

CREDENTIALS = {"key": "testing", "secret": "testing-secret"}
RANGE = 256 * 1024
"""Of a download, so that a small object has several."""

PART = 5 * 1024 * 1024
"""Of an upload: the least that S3 takes."""

STAY = (
    *("MainThread", "fsspecIO", "fault proxy", "asyncio_", "Thread-", "Dummy"),
    "rootcellar-removal",
)
"""Threads that may stay: this one, fsspec's loop, its helpers, the servers', the idle pool's, and
the one that removes, which has nothing to do."""


@dataclass
class Bench:
    """Stores behind the proxy, the server behind that, and a cache.

    `put`, `get` and the like go to the server itself. All is below one prefix of this test's own:
    clients take too long to make for one to each test.
    """

    proxy: FaultProxy
    client: Any
    bucket: str
    stores: Stores
    home: Path
    prefix: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        self.cache = Cache(self.home / "cache")

    @property
    def store(self) -> Store:
        return self.stores.named(self.bucket)

    def uri(self, key: str) -> str:
        return f"{self.bucket}://{self.prefix}/{key}"

    def _full(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": f"root/{self.prefix}/{key}"}

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(**self._full(key), Body=content)

    def get(self, key: str) -> bytes:
        return self.client.get_object(**self._full(key))["Body"].read()

    def delete(self, key: str, **version: str) -> None:
        self.client.delete_object(**self._full(key), **version)

    def delete_versions(self, key: str) -> None:
        listing = self.client.list_object_versions(
            Bucket=self.bucket, Prefix=self._full(key)["Key"]
        )
        for version in listing["Versions"]:
            self.delete(key, VersionId=version["VersionId"])

    def keys(self) -> list[str]:
        """Return the keys of all objects."""
        root = f"root/{self.prefix}/"
        listing = self.client.list_objects_v2(Bucket=self.bucket, Prefix=root)
        return sorted(item["Key"].removeprefix(root) for item in listing.get("Contents", ()))

    def open_uploads(self) -> list[tuple[str, str]]:
        """Return key and id of all multipart uploads that were begun and not ended."""
        root = f"root/{self.prefix}/"
        listing = self.client.list_multipart_uploads(Bucket=self.bucket)
        return [
            (upload["Key"].removeprefix(root), upload["UploadId"])
            for upload in listing.get("Uploads", ())
            if upload["Key"].startswith(root)
        ]

    def abort(self, key: str, upload_id: str) -> None:
        self.client.abort_multipart_upload(**self._full(key), UploadId=upload_id)

    def session(self) -> StagingSession:
        return StagingSession(self.stores, self.cache, run_uid=str(uuid.uuid4()))

    def output(self, session: StagingSession, key: str, content: bytes) -> Output:
        path = session.reserve_output("out", key.replace("/", "-"))
        path.write_bytes(content)
        return Output(uri=self.uri(key), path=path, kind="file")

    def stage(self, key: str, expected: bytes | None = None) -> bytes:
        """Return what a run gets of an object, from its cache or from the store."""
        digest = None if expected is None else Digest.of(expected)
        with self.session() as session:
            located = session.locate(self.uri(key), "file")
            assert located is not None
            staged = session.stage_in(located, argument="a", name="n", expected=digest)
            content = staged.path.read_bytes()
            assert Digest.of(content) == staged.digest
            return content

    def publish(
        self, *contents: tuple[str, bytes], then: Callable[[], object] = lambda: None
    ) -> tuple[Published, ...]:
        """Stage out as a run does; `then` comes when all is transferred."""
        before = self.keys()
        with self.session() as session:
            for key, content in contents:
                session.prepare_output(self.output(session, key, content))
            assert before == self.keys()
            then()
            return session.publish()

    def entries(self) -> dict[str, bytes]:
        """Return the cache's entries by the digest that their name says."""
        return {p.name: p.read_bytes() for p in self.cache.root.glob("cas/**/*") if p.is_file()}


def wait_until(condition: Any, limit_seconds: float = 20.0) -> None:
    end = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


@pytest.fixture(name="wait_until")
def wait_until_fixture():
    return wait_until


OPTIONS = {
    **CREDENTIALS,
    "client_kwargs": {"region_name": "us-east-1"},
    "config_kwargs": {"read_timeout": 2.0, "connect_timeout": 2, "retries": {"max_attempts": 1}},
}


@pytest.fixture(scope="module")
def proxy(s3_endpoint) -> Iterator[FaultProxy]:
    with FaultProxy(s3_endpoint) as proxy:
        yield proxy
    assert not [t for t in threading.enumerate() if t.name == "fault proxy"]


@pytest.fixture(scope="module")
def buckets(s3_client) -> dict[str, str]:
    made = {}
    for kind in ("unversioned", "versioned"):
        made[kind] = f"{kind}-{uuid.uuid4()}"
        s3_client.create_bucket(Bucket=made[kind])
    s3_client.put_bucket_versioning(
        Bucket=made["versioned"], VersioningConfiguration={"Status": "Enabled"}
    )
    return made


@pytest.fixture(scope="module", params=["direct", "s3fs"])
def way(request) -> str:
    """Each way to S3 that a store may go."""
    return request.param


@pytest.fixture(scope="module")
def fault_stores(way, proxy, buckets) -> Stores:
    """A store for each bucket, with short times."""
    options = {**OPTIONS, "endpoint_url": proxy.url, "direct": way == "direct"}
    stores = Stores.from_mapping(
        {name: {"url": f"s3://{name}/root", "options": options} for name in buckets.values()}
    )
    expected = {"direct": "DirectS3Store", "s3fs": "S3Store"}[way]
    assert all(type(stores.named(name)).__name__ == expected for name in buckets.values())
    return stores


@pytest.fixture
def make_bench(proxy, buckets, fault_stores, s3_client, tmp_path, monkeypatch):
    monkeypatch.setattr("rootcellar.staging.stores.transfer.RANGE_BYTES", RANGE)
    monkeypatch.setattr("rootcellar.staging.stores.transfer._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("rootcellar.staging.stores.s3.connection._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("rootcellar.staging.stores.s3.over_s3fs._REQUEST_SECONDS", 4.0)
    monkeypatch.setattr("botocore.retryhandler.random", SimpleNamespace(random=lambda: 0.01))
    monkeypatch.setattr("rootcellar.staging.stores.small_upload.SMALL_BYTES", PART)
    monkeypatch.setattr("rootcellar.staging.stores.s3.uploads.PART_BYTES", PART)
    monkeypatch.setattr("rootcellar.staging.stores.s3.s3fs_upload.PART_BYTES", PART)
    made, before = [], set(threading.enumerate())

    def make(kind: str) -> Bench:
        made.append(Bench(proxy, s3_client, buckets[kind], fault_stores, tmp_path))
        return made[-1]

    proxy.clear()
    yield make
    for bench in made:
        look_around(bench, before)


@pytest.fixture
def bench(make_bench) -> Bench:
    return make_bench("unversioned")


@pytest.fixture
def versioned(make_bench) -> Bench:
    return make_bench("versioned")


def look_around(bench: Bench, before: set[threading.Thread]) -> None:
    """Check that nothing is left over: files, locks, uploads, requests, work in threads."""
    loop = fsspec.asyn.loop[0]
    if loop is not None:
        wait_until(lambda: not [t for t in asyncio.all_tasks(loop) if "watched" in repr(t)])
    wait_until(lambda: all(r.ended or "stall" in r.fault for r in bench.proxy.requests))
    finish_removals()
    bench.cache.sweep()
    root = bench.cache.root
    left = [
        p.relative_to(root).as_posix()
        for area in ("tmp", "work", "ended")
        for p in root.glob(f"{area}/*")
    ]
    assert [] == left
    assert [] == [p.name for p in root.rglob("*.tmp")]
    assert [] == bench.open_uploads()
    for name, content in bench.entries().items():
        assert name == Digest.of(content).hex
    begun = set(threading.enumerate()) - before
    assert [] == [t.name for t in begun if not t.name.startswith(STAY)]
