"""Where URIs lead, and which are refused."""

from __future__ import annotations

import uuid

import pytest

from rootcellar.schemas.errors import InvalidKey, SettingsError, StoreMissing
from rootcellar.staging import StoreLocation, Stores


@pytest.mark.parametrize(
    "uri",
    [
        "raw://../x",
        "raw://a/../x",
        "raw:///etc/passwd",
        "raw://a//b",
        "raw://",
        "raw://a/",
        "raw://a::file:///etc/passwd",
        "raw://a?versionId=1",
        "raw://a\\b",
        "raw://a\nb",
        "raw://a\0",
        "plain/path",
        "",
    ],
)
def test_uris_that_could_address_something_else_are_refused(folder_stores, uri):
    """No URI leaves its store."""
    with pytest.raises(InvalidKey):
        folder_stores.store_for(uri)


def test_an_unknown_scheme_names_the_known_stores(folder_stores):
    """A wrong scheme is answered with the stores there are and the setting to make."""
    with pytest.raises(StoreMissing, match=r"known are: raw.*stores\.data"):
        folder_stores.store_for("data://a")


def test_an_allowed_protocol_is_addressed_directly(tmp_path):
    """With the protocol allowed, a URI needs no store."""
    stores = Stores.from_mapping({}, allowed_protocols=["file", "memory"])
    (tmp_path / "a").write_bytes(b"x")

    for uri in (f"file://{tmp_path}/a", f"memory://{uuid.uuid4()}/b"):
        address = stores.store_for(uri)
        assert uri == address.uri
        assert (address.store.stat(address.key) is None) == uri.startswith("memory")


def test_options_and_passwords_are_never_printed():
    """No repr of a store or its configuration holds a secret."""
    location = StoreLocation(
        name="raw", url="sftp://user:hunter2@host/", options={"password": "hunter2"}
    )

    assert "hunter2" not in repr(location) + repr(Stores([location]))


@pytest.mark.parametrize(("name", "url"), [("raw data", "/x"), ("raw", ""), ("raw", "a::b")])
def test_a_wrong_configuration_is_refused(name, url):
    """Names that cannot be schemes and chained URLs are settings errors."""
    with pytest.raises(SettingsError):
        StoreLocation(name=name, url=url)


def test_with_a_default_folder_every_name_is_a_store(tmp_path):
    """Without settings a store is a folder of its own, made on first use."""
    stores = Stores.from_mapping({}, default_folder=tmp_path / "stores")

    assert stores.named("raw").stat("a") is None
    assert (tmp_path / "stores" / "raw").is_dir()


def test_a_place_is_checked_without_the_network(tmp_path):
    """A folder is looked for; a bucket is not asked for, nor its client made."""
    bucket = {"url": "s3://b/x", "options": {"endpoint_url": "http://127.0.0.1:1"}}
    stores = Stores.from_mapping(
        {"far": bucket, "here": str(tmp_path), "gone": str(tmp_path / "x")}
    )
    stores.check_place("far://a/b")
    stores.check_place("here://a/b")

    for uri in ("gone://a", "unknown://a"):
        with pytest.raises(StoreMissing, match=uri.partition(":")[0]):
            stores.check_place(uri)
    (tmp_path / "x").mkdir()
    stores.check_place("gone://a")
