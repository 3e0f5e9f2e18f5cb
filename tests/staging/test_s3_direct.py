"""Our own requests to S3: what is tried again, what is left to s3fs, and what stays in memory."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest

from rootcellar.schemas.errors import DigestMismatch, ObjectChanged, StoreUnavailable
from rootcellar.schemas.ref import Pin
from rootcellar.staging import Stores
from rootcellar.staging.engine.pipeline import pipelined
from rootcellar.staging.stores import small_upload, transfer
from rootcellar.staging.stores.s3 import connection as s3_connection
from rootcellar.staging.stores.s3 import uploads as s3_transfer
from rootcellar.staging.stores.s3.connection import _bucket_url
from rootcellar.staging.stores.s3.direct import DirectS3Store
from rootcellar.staging.stores.s3.options import DirectOptions, NotDirectError
from rootcellar.staging.stores.s3.over_s3fs import S3Store


def opened(url="s3://bucket/root", **options):
    return Stores.from_mapping({"raw": {"url": url, "options": options}}).named("raw")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(s3_connection, "_FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(transfer, "_FIRST_PAUSE_SECONDS", 0.0)


def store_at(served, **more):
    options = {"key": "k", "secret": "s", "endpoint_url": served.endpoint}
    return opened(**options, client_kwargs={"region_name": "us-east-1"}, **more)


OK = (200, {"ETag": '"e"'}, b"hello")
BUSY = (503, {}, b"<Error><Code>SlowDown</Code></Error>")


def test_what_is_transient_is_tried_again(served):
    """A busy store costs patience, not the run."""
    served.answers = [BUSY, BUSY, OK]

    assert b"hello" == store_at(served).read("a", Pin(size_bytes=5, etag="e"), 0, 5)


def test_what_stays_busy_is_given_up(served):
    """After as many tries as the options say."""
    served.answers = [BUSY]
    config = {"retries": {"max_attempts": 2}}

    with pytest.raises(StoreUnavailable, match="SlowDown"):
        store_at(served, config_kwargs=config).read("a", Pin(size_bytes=5), 0, 5)

    assert 3 == len(served.seen)


def test_another_etag_than_asked_for_is_a_change(served):
    """From servers that do not know If-Match."""
    served.answers = [OK]

    with pytest.raises(ObjectChanged):
        store_at(served).read("a", Pin(size_bytes=5, etag="other"), 0, 5)


def test_more_than_was_asked_for_is_a_change(served):
    """Where only a size is known, another object is not received to its end first."""
    served.answers = [OK]

    with pytest.raises(ObjectChanged):
        store_at(served).read("a", Pin(size_bytes=4), 0, 4)


@pytest.mark.parametrize("error", [None, StoreUnavailable("the local file became shorter")])
def test_a_file_that_is_cut_off_while_it_is_sent(s3_stores, tmp_path, monkeypatch, error):
    """The error says what was done to the file, and not that the store is away."""
    monkeypatch.setattr(small_upload, "SMALL_BYTES", 0)
    source = tmp_path / "a"
    source.write_bytes(b"content")

    def send(_upload, _file, part):
        os.truncate(source, 3)
        if error is not None:
            raise error
        return part

    monkeypatch.setattr(s3_transfer.DirectUpload, "_send", send)
    with pytest.raises(DigestMismatch, match="was changed while"):
        s3_stores.named("raw").upload("a", source)


def test_of_many_what_is_not_as_pinned_is_left(served):
    """Of another state or size, or refused: for `read`, which tells; nothing is tried again."""
    store = store_at(served)
    served.answers = [OK]
    wanted = [(number, "a", Pin(size_bytes=5, etag="e")) for number in range(20)]
    wanted[3], wanted[7] = (3, "b", Pin(size_bytes=5, etag="f")), (7, "c", Pin(size_bytes=6))

    found = {number: content and bytes(content) for number, content in store.read_many(wanted)}

    assert {n: None if n in {3, 7} else b"hello" for n in range(20)} == found
    assert 20 == len(served.seen)

    served.answers = [BUSY]
    assert dict.fromkeys(range(20)) == dict(store.read_many(wanted))
    assert dict.fromkeys(range(3)) == dict(store.write_many((n, "a", b"") for n in range(3)))


@pytest.mark.parametrize("is_versioned", [False, True])
def test_many_small_objects_go_and_come(s3_stores, s3_client, bucket, is_versioned):
    """With the pins that `stat` gives, and held to them by a real server."""
    if is_versioned:
        s3_client.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    store = s3_stores.named("raw")
    contents = {f"many/{size}+ä": os.urandom(size) for size in (0, 1, 20_000, 262_144)}

    pins = dict(store.write_many((key, key, content) for key, content in contents.items()))
    assert {key: store.stat(key) for key in contents} == pins

    store.write_small("many/1+ä", b"2")
    wanted = [(key, key, pin) for key, pin in pins.items()]
    found = {key: content and bytes(content) for key, content in store.read_many(wanted)}
    gone = {} if is_versioned else {"many/1+ä": None}
    assert {**contents, **gone} == {key: content or b"" for key, content in found.items()} | gone


def test_an_error_in_an_answer_of_success_is_seen(served):
    """Completing an upload may fail after it answered 200."""
    late = (200, {}, b"<Error><Code>InternalError</Code></Error>")
    served.answers = [late]

    with pytest.raises(StoreUnavailable, match="InternalError"):
        list(store_at(served).list(""))


def test_a_lost_answer_to_the_last_request_is_looked_up(served, tmp_path, monkeypatch):
    """An upload that was joined, and the answer lost, is published if its etag proves it."""
    monkeypatch.setattr(small_upload, "SMALL_BYTES", 0)
    (tmp_path / "a").write_bytes(b"a")
    joined = "0c8a64a7e7b8a19a4d3bc1d0b6a2c1c5"
    part = '"0cc175b9c0f1b6a831c399e269772661"'
    served.answers = [
        (200, {}, b"<R><UploadId>u</UploadId></R>"),
        (200, {"ETag": part}, b""),
        (404, {}, b"<Error><Code>NoSuchUpload</Code></Error>"),
        (404, {}, b"<Error><Code>NoSuchUpload</Code></Error>"),
    ]
    store = store_at(served, config_kwargs={"retries": {"max_attempts": 1}})
    pending = store.upload("a", tmp_path / "a")
    import hashlib

    joined = hashlib.md5(bytes.fromhex(part.strip('"'))).hexdigest()
    served.answers.append((200, {"ETag": f'"{joined}-1"', "Content-Length": "1"}, b"a"))

    pin = pending.publish()

    assert f"{joined}-1" == pin.etag


@pytest.mark.parametrize(
    ("url", "bucket", "virtual", "expected"),
    [
        ("https://s3.eu-west-1.amazonaws.com", "b", None, "https://b.s3.eu-west-1.amazonaws.com"),
        (
            "https://s3.eu-west-1.amazonaws.com",
            "b.c",
            None,
            "https://s3.eu-west-1.amazonaws.com/b.c",
        ),
        ("http://minio:9000", "b", None, "http://minio:9000/b"),
        ("http://minio:9000/s3/", "b", None, "http://minio:9000/s3/b"),
        ("http://minio:9000", "b", True, "http://b.minio:9000"),
    ],
)
def test_a_bucket_is_a_host_or_a_path(url, bucket, virtual, expected):
    """As botocore decides it."""
    assert expected == _bucket_url(url, bucket, "eu-west-1", virtual_hosts=virtual)


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        ("https://s3-fips.eu-west-1.amazonaws.com", "b"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "b"),
        ("https://user@host", "b"),
        ("https://s3.eu-west-1.amazonaws.com", "b--use1-az4--x-s3"),
    ],
)
def test_places_that_are_not_understood_are_left_to_s3fs(url, bucket):
    """Rather than guessed."""
    with pytest.raises(NotDirectError):
        _bucket_url(url, bucket, "eu-west-1", virtual_hosts=None)


@pytest.mark.parametrize(
    "options",
    [
        {"session": object()},
        {"s3_additional_kwargs": {"SSECustomerKey": "canary"}},
        {"config_kwargs": {"signature_version": "s3"}},
        {"config_kwargs": {"s3": {"use_accelerate_endpoint": True}}},
        {"config_kwargs": {"proxies": {"http": "canary"}}},
        {"client_kwargs": {"canary": 1}},
        {"use_ssl": False},
    ],
)
def test_options_that_are_not_understood_go_by_s3fs(options, caplog):
    """Said once, and without their values."""
    caplog.set_level(logging.INFO)

    assert isinstance(opened(**options), S3Store)
    assert "goes by s3fs" in caplog.text
    assert "canary" not in caplog.text.replace("client_kwargs", "") or "client_kwargs" in options


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
def test_a_proxy_goes_by_s3fs(name, served, monkeypatch):
    """Our own requests know none."""
    monkeypatch.setenv(name, "http://proxy:3128")

    assert isinstance(store_at(served), S3Store)


def test_options_are_read_as_s3fs_reads_them():
    """Under each of their names."""
    given = {
        "username": "k",
        "password": "s",
        "token": "t",
        "requester_pays": True,
        "client_kwargs": {"endpoint_url": "http://x", "region_name": "r", "verify": False},
        "config_kwargs": {
            "connect_timeout": 3,
            "retries": {"max_attempts": 0, "mode": "standard"},
            "s3": {"addressing_style": "path"},
        },
        "s3_additional_kwargs": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "id"},
        "default_block_size": 1,
    }

    found = DirectOptions.of(given)

    expected = DirectOptions(
        key="k",
        secret="s",
        token="t",
        endpoint_url="http://x",
        region="r",
        verify=False,
        virtual_hosts=False,
        connect_seconds=3,
        tries=1,
        headers={"x-amz-request-payer": "requester"},
        write_headers={
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": "id",
        },
    )
    assert expected == found
    assert found.is_complete
    assert "'s'" not in repr(found)


def test_environment_and_profile_are_asked_as_botocore_asks_them(
    bucket, s3_endpoint, tmp_path, monkeypatch
):
    """Keys of a profile, endpoint of the environment."""
    (tmp_path / "credentials").write_text(
        "[grid]\naws_access_key_id = testing\naws_secret_access_key = testing-secret\n"
    )
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store = opened(f"s3://{bucket}", profile="grid")

    pin = store.write_small("a", b"bytes")

    assert isinstance(store, DirectS3Store)
    assert pin == store.stat("a")


@pytest.mark.parametrize("told", [{"key": "k", "secret": "s"}, {}])
def test_certificates_are_those_that_the_environment_names(monkeypatch, tmp_path, told):
    """As with botocore: where a network has an authority of its own; options go before."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    options = DirectOptions(endpoint_url="https://127.0.0.1:1", region="r", **told)

    with pytest.raises(FileNotFoundError):
        s3_connection.connect("bucket", options)
    assert s3_connection.connect("bucket", replace(options, verify=False))


def test_many_threads_share_a_store(s3_stores):
    """Each request has its own connection, and each thread its own bytes."""
    store = s3_stores.named("raw")

    def both_ways(number):
        content = b"%d" % number * 1000
        pin = store.write_small(f"x/{number}", content)
        return content == store.read(f"x/{number}", pin, 0, len(content))

    assert all(pipelined(range(100), both_ways, parallel=16))


def test_memory_stays_small_whatever_the_size(bucket, s3_options, tmp_path):
    """A file of 100 MB is uploaded and downloaded in a fraction of it."""
    code = f"""
        import resource
        from pathlib import Path
        from rootcellar.staging import Address, Stores
        from rootcellar.staging.stores.transfer import download
        options = {s3_options!r}
        stores = Stores.from_mapping({{"raw": {{"url": "s3://{bucket}", "options": options}}}})
        source, target = Path({str(tmp_path / "a")!r}), Path({str(tmp_path / "b")!r})
        store = stores.named("raw")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pin = store.upload("a", source).publish()
        download(Address(store, "a"), target, pin=pin)
        assert target.stat().st_size == source.stat().st_size
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    with (tmp_path / "a").open("wb") as file:
        file.truncate(100_000_000)

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True
    )

    assert int(done.stdout) < 60_000
