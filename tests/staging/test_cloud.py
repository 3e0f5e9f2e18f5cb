"""obstore as a way to a bucket, held to the promises of every store, against a local S3 server."""

from __future__ import annotations

import logging
import os

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    AccessDenied,
    ObjectChanged,
    StoreError,
    StoreMissing,
    StoreUnavailable,
)
from rootcellar.schemas.ref import Pin
from rootcellar.staging import Address, Stores
from rootcellar.staging.stores.generic import GenericStore
from rootcellar.staging.stores.transfer import download

obstore_store = pytest.importorskip("obstore.store")
cloud = pytest.importorskip("rootcellar.staging.stores.cloud.store")
cloud_options = pytest.importorskip("rootcellar.staging.stores.cloud.options")

BIG = os.urandom(9 * 1024 * 1024)


def over(bucket, endpoint):
    def make():
        return obstore_store.S3Store(
            bucket,
            prefix="root",
            endpoint=endpoint,
            region="us-east-1",
            access_key_id="testing",
            secret_access_key="testing-secret",
            virtual_hosted_style_request=False,
            client_options={**cloud.CLIENT_OPTIONS, "allow_http": True},
            retry_config={**cloud.RETRY_OPTIONS, "max_retries": 0},
        )

    return cloud.CloudStore("raw://", make)


@pytest.fixture(autouse=True)
def any_process(monkeypatch):
    monkeypatch.setattr(cloud.CloudStore, "_began_in", 0)


@pytest.fixture
def store(bucket, s3_endpoint):
    return over(bucket, s3_endpoint)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(BIG)
    return path


@pytest.mark.parametrize("content", [b"", b"small", BIG], ids=["empty", "small", "parts"])
def test_what_is_uploaded_is_read_back(store, tmp_path, content):
    """Nothing is visible before `publish`, and then all of it."""
    (tmp_path / "a").write_bytes(content)

    pending = store.upload("x/a", tmp_path / "a")
    assert store.stat("x/a") is None
    pin = pending.publish()

    assert (Digest.of(content), len(content)) == (pending.digest, pending.size_bytes)
    assert pin == store.stat("x/a")
    done = download(Address(store, "x/a"), tmp_path / "b", pin=pin)
    assert content == (tmp_path / "b").read_bytes()
    assert Digest.of(content) == done.digest


def test_an_aborted_upload_is_never_seen(store, source):
    """What was not published stays invisible."""
    pending = store.upload("x/a", source)

    pending.abort()
    pending.abort()

    assert store.stat("x/a") is None
    assert [] == list(store.list(""))


def test_a_read_is_held_to_its_pin(store):
    """A replaced or deleted object is not read."""
    pin = store.write_small("a", b"old bytes")
    assert b"d by" == store.read("a", pin, 2, 6)

    store.write_small("a", b"new bytes")
    with pytest.raises(ObjectChanged, match="replaced"):
        store.read("a", pin, 2, 6)
    store.discard("a")
    with pytest.raises(ObjectChanged, match="deleted"):
        store.read("a", pin, 2, 6)


def test_a_pin_of_a_size_alone_holds_by_the_size(store):
    """As a manifest gives it: what somebody put there instead is not read, however large it is."""
    store.write_small("a", b"small")
    pin = Pin(size_bytes=5)
    assert b"small" == store.read("a", pin, 0, 5)

    store.write_small("a", b"far larger")

    with pytest.raises(ObjectChanged, match="replaced"):
        store.read("a", pin, 0, 5)


def test_a_listing_has_the_keys_as_they_are(store):
    """Also those that other tools take for patterns."""
    for key in ["x/*", "x/%41 ä~#", "xy/b"]:
        store.write_small(key, b"a")

    assert {"x/*", "x/%41 ä~#"} == {item.key for item in store.list("x")}
    assert {store.stat("x/*")} == {item.pin for item in store.list("x") if "*" in item.key}


def test_a_missing_bucket_is_a_missing_store(s3_endpoint):
    """Told from a missing object."""
    with pytest.raises(StoreMissing, match="bucket does not exist"):
        over("missing-bucket", s3_endpoint).stat("a")


def test_the_store_can_be_checked(store):
    """The check leaves nothing."""
    store.check(writing=True)

    assert [] == list(store.list(""))


def test_a_key_that_cannot_be_is_refused(store):
    """An error of ours, not of the library."""
    with pytest.raises(StoreError, match="cannot hold such a key"):
        store.stat("a//b")


def test_an_endpoint_that_is_not_there_is_unavailable(bucket):
    """Transient, and without the address."""
    with pytest.raises(StoreUnavailable) as raised:
        over(bucket, "http://127.0.0.1:9").stat("a")

    assert "127.0.0.1" not in str(raised.value)


def test_a_child_of_a_process_that_used_it_is_told(store, tmp_path):
    """Instead of waiting for ever."""
    store.write_small("a", b"")

    child = os.fork()
    if child == 0:
        try:
            store.stat("a")
        except StoreError as error:
            (tmp_path / "told").write_text(error.problem)
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert "forked" in (tmp_path / "told").read_text()


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("gs://b/p", {}),
        ("gs://b/p", {"token": "anon", "project": "x"}),
        ("az://c/p", {"account_name": "a", "account_key": "aGk=", "direct": True}),
        ("abfs://c@account.dfs.core.windows.net/p", {"sas_token": "?sv=1&sig=2"}),
    ],
)
def test_options_that_obstore_knows_go_by_it(url, options, monkeypatch):
    """In the words of gcsfs and adlfs."""
    store = Stores.from_mapping({"far": {"url": url, "options": options}}).named("far")

    assert isinstance(store, cloud.CloudStore)


@pytest.mark.parametrize("options", [{"token": {"a": "secret"}}, {"consistency": "md5"}])
def test_options_that_it_does_not_know_go_by_fsspec(options, caplog):
    """Said once, and without their values."""
    caplog.set_level(logging.INFO)

    store = Stores.from_mapping({"far": {"url": "gs://b", "options": options}}).named("far")

    assert isinstance(store, GenericStore)
    assert next(iter(options)) in caplog.text
    assert "secret" not in caplog.text


def test_denials_are_told(monkeypatch, store):
    """A service that refuses is an AccessDenied."""
    from obstore.exceptions import PermissionDeniedError

    def refuse(*_):
        raise PermissionDeniedError

    monkeypatch.setattr(cloud.obstore, "head", refuse)

    with pytest.raises(AccessDenied):
        store.stat("a")
