"""Which digest a URI had: told apart by where the store really is."""

from __future__ import annotations

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.ref import Pin
from rootcellar.staging import Stores
from rootcellar.staging.sources import source_name

PIN = Pin(size_bytes=7, etag="the-same")
ENDPOINT = {"endpoint_url": "http://127.0.0.1:9"}


def _address(url: str, **options: object):
    return Stores.from_mapping({"raw": {"url": url, "options": options}}).store_for("raw://a.dat")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_address("s3://one/x"), _address("s3://two/x")),
        (_address("s3://one/x"), _address("s3://one/x", **ENDPOINT)),
        (_address("s3://one/x"), _address("s3://one/x", client_kwargs=ENDPOINT)),
        (_address("/data/one"), _address("/data/two")),
        (_address("memory://one"), _address("memory://two")),
    ],
)
def test_two_places_under_one_uri_do_not_share_bytes(cache, one, other):
    """A host's cache does not serve one bucket's bytes for another's, should the tokens agree."""
    digest = Digest.of(b"weather")
    cache.remember(one, PIN, digest)

    assert digest == cache.sources.digest(source_name(one, PIN))
    assert cache.sources.digest(source_name(other, PIN)) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_address("s3://one/x"), _address("s3://one/x", key="k", secret="s", token="t")),
        (_address("s3://one/x"), _address("s3://one/x", config_kwargs={"read_timeout": 3})),
        (_address("/data/one"), _address("file:///data/../data/one")),
    ],
)
def test_one_place_shares_its_bytes_whoever_asks(cache, one, other):
    """Other credentials, or another patience, make no other place."""
    digest = Digest.of(b"weather")
    cache.remember(one, PIN, digest)

    assert digest == cache.sources.digest(source_name(other, PIN))


def test_an_endpoint_from_the_environment_is_a_place(cache, monkeypatch):
    """The same settings under another AWS_ENDPOINT_URL are another store."""
    one = _address("s3://one/x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    other = _address("s3://one/x")
    cache.remember(one, PIN, Digest.of(b"weather"))

    assert cache.sources.digest(source_name(other, PIN)) is None
