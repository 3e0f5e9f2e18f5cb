"""A file of middling size goes by one request, and its digest is of what was sent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import AccessDenied, DigestMismatch, StoreUnavailable
from rootcellar.staging import Stores
from rootcellar.staging.engine.pipeline import pipelined
from rootcellar.staging.publication.output import Output
from rootcellar.staging.publication.publication import Publication
from rootcellar.staging.stores.s3 import connection as s3_connection
from rootcellar.staging.stores.s3 import whole as s3_whole
from rootcellar.staging.stores.store import WholeFileStore
from rootcellar.testing import Fault, FaultProxy, Match

CONTENT = os.urandom(3_000_000)
PUT = Match(method="PUT")


@pytest.fixture
def proxy(s3_endpoint):
    with FaultProxy(s3_endpoint) as proxy:
        yield proxy


@pytest.fixture
def proxied(proxy, bucket, s3_options, monkeypatch):
    monkeypatch.setattr(s3_connection, "_FIRST_PAUSE_SECONDS", 0.0)
    config = {"read_timeout": 2.0, "retries": {"max_attempts": 1}}
    options = {**s3_options, "endpoint_url": proxy.url, "config_kwargs": config}
    return Stores.from_mapping({"raw": {"url": f"s3://{bucket}/root", "options": options}})


@pytest.fixture
def store(proxied):
    return proxied.named("raw")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def keys(s3_client, bucket):
    def listed():
        found = s3_client.list_objects_v2(Bucket=bucket).get("Contents", [])
        return [item["Key"] for item in found]

    return listed


def test_a_member_takes_one_request(proxied, proxy, tmp_path, s3_client, bucket):
    """And is what its line in the manifest says."""
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "member").write_bytes(CONTENT)
    publication, root = Publication(proxied), f"v-{uuid.uuid4()}"

    publication.prepare(Output(uri="raw://a", path=folder, kind="folder", root=root))
    publication.commit()

    key = f"root/a/{root}/member"
    assert 1 == len(proxy.matching(Match(key="*/member")))
    assert CONTENT == s3_client.get_object(Bucket=bucket, Key=key)["Body"].read()
    (local,) = publication.local_files()
    assert Digest.of(CONTENT) == local.digest


def test_what_is_returned_is_what_is_there(store, source):
    """Digest, size and pin, and progress hears of all bytes."""
    heard = []
    progress = type("Progress", (), {"advance": lambda _, size: heard.append(size)})()

    written = store.write_file("a", source, progress)

    assert isinstance(store, WholeFileStore)
    assert (Digest.of(CONTENT), len(CONTENT)) == (written.digest, written.size_bytes)
    assert store.stat("a").etag == written.pin.etag
    assert [len(CONTENT)] == heard


@pytest.mark.parametrize(
    "fault",
    [
        Fault.status(503),
        Fault.reset(),
        Fault.reset(after_bytes=1_500_000, of="request"),
        Fault.cut(),
        Fault.stall(),
        Fault.lose_reply(),
    ],
)
def test_what_is_sent_again_is_hashed_again(store, proxy, source, fault, s3_client, bucket):
    """The digest is of the whole body that arrived, however much went before."""
    proxy.add(fault, when=PUT)

    written = store.write_file("a", source)

    assert Digest.of(CONTENT) == written.digest
    assert CONTENT == s3_client.get_object(Bucket=bucket, Key="root/a")["Body"].read()
    assert 2 == len(proxy.matching(PUT))


def test_what_fails_for_ever_leaves_nothing(store, proxy, source, keys):
    """No half of an object is visible."""
    proxy.add(Fault.reset(after_bytes=1_500_000, of="request"), when=PUT, times=None)

    with pytest.raises(StoreUnavailable):
        store.write_file("a", source)

    assert [] == keys()


def test_a_refusal_is_an_answer(store, proxy, source, keys):
    """It is not tried again."""
    proxy.add(Fault.status(403), when=PUT, times=None)

    with pytest.raises(AccessDenied):
        store.write_file("a", source)

    assert (1, []) == (len(proxy.matching(PUT)), keys())


@pytest.mark.parametrize("change", ["cut off", "written to"])
def test_a_file_that_something_writes_to_is_refused(store, source, monkeypatch, change):
    """Whether its bytes run short or only its time tells."""
    see = s3_whole._Sent.see

    def meddle(sent, position, piece):
        see(sent, position, piece)
        if change == "cut off":
            os.truncate(source, 10)
        else:
            source.write_bytes(CONTENT[::-1])

    monkeypatch.setattr(s3_whole._Sent, "see", meddle)

    with pytest.raises(DigestMismatch, match="was changed"):
        store.write_file("a", source)


def test_an_answer_before_the_end_is_no_success(store, source, monkeypatch):
    """A digest of a part would be recorded for the whole."""
    monkeypatch.setattr(s3_whole._Sent, "see", lambda *_: None)

    with pytest.raises(StoreUnavailable, match="before it had"):
        store.write_file("a", source)


@pytest.mark.parametrize("why", ["empty", "large", "signed"])
def test_what_goes_another_way_is_not_begun(store, proxy, source, monkeypatch, why):
    """None, and no request."""
    if why == "empty":
        source.write_bytes(b"")
    elif why == "large":
        monkeypatch.setattr(s3_whole, "MOST_BYTES", len(CONTENT) - 1)
    else:
        store.connection.signs_bodies = True

    assert store.write_file("a", source) is None
    assert () == proxy.matching(PUT)


def test_what_is_no_longer_wanted_is_cut_off(store, proxy, source, keys, wait_until):
    """When another item fails, the request ends, and nothing is there."""
    proxy.add(Fault.slow(100_000, of="request"), when=PUT, times=None)

    def work(item):
        if item:
            wait_until(lambda: proxy.matching(PUT))
            raise LookupError
        store.write_file("a", source)

    started = time.monotonic()
    with pytest.raises(LookupError):
        list(pipelined([0, 1], work, parallel=2))

    assert time.monotonic() - started < 15
    assert [] == keys()


KILLED = """
import sys
from pathlib import Path
from rootcellar.staging import Stores
options = {"key": "k", "secret": "s", "endpoint_url": sys.argv[1],
           "client_kwargs": {"region_name": "us-east-1"}}
stores = Stores.from_mapping({"raw": {"url": sys.argv[2], "options": options}})
stores.named("raw").write_file("a", Path(sys.argv[3]))
"""


def test_a_killed_process_leaves_nothing(proxy, bucket, source, keys, wait_until):
    """An object is there whole or not at all."""
    proxy.add(Fault.slow(100_000, of="request"), when=PUT, times=None)
    command = [sys.executable, "-c", KILLED, proxy.url, f"s3://{bucket}/root", str(source)]

    with subprocess.Popen(command) as process:
        wait_until(lambda: proxy.matching(PUT))
        process.kill()

    assert process.returncode < 0
    assert [] == keys()
