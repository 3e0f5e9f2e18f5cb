"""Which digest a URI had in which state, told apart by where the store really is."""

from __future__ import annotations

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.ref import Pin
from rootcellar.staging import Stores
from rootcellar.staging.cache.sources import Sources

DIGEST = Digest.of(b"content")
PIN = Pin(size_bytes=7, etag="the-same")


def noted(cache, address, pin):
    """Return the digest as a process would find it that has read nothing yet."""
    return Sources(str(cache.root)).digest(address, pin)


def test_a_digest_is_of_one_state_of_one_object(cache, memory_stores):
    """Neither another object nor another state has it."""
    address, other = (memory_stores.store_for(f"raw://{key}") for key in "ab")
    pin, later = Pin(size_bytes=7, etag="1"), Pin(size_bytes=7, etag="2")
    cache.sources.note(address, pin, DIGEST)

    for digest_of in (cache.sources.digest, lambda *of: noted(cache, *of)):
        assert DIGEST == digest_of(address, pin)
        assert digest_of(address, later) is None
        assert digest_of(other, pin) is None


def test_what_was_read_is_not_read_again(cache, memory_stores):
    """But what another process notes later is found."""
    address, pin = memory_stores.store_for("raw://a"), Pin(size_bytes=7, etag="1")
    assert cache.sources.digest(address, pin) is None
    Sources(str(cache.root)).note(address, pin, DIGEST)
    assert DIGEST == cache.sources.digest(address, pin)
    for note in (cache.root / "sources").iterdir():
        note.unlink()

    assert DIGEST == cache.sources.digest(address, pin)
    assert noted(cache, address, pin) is None


def test_what_a_process_remembers_is_bounded(cache, memory_stores):
    """However many inputs it has; what it forgot is read again."""
    address = memory_stores.store_for("raw://a")
    first = Pin(size_bytes=7, etag="first")
    cache.sources.note(address, first, DIGEST)
    for number in range(5000):
        cache.sources._know(f"raw://{number}\netag:1", DIGEST)

    assert 2048 >= len(cache.sources._known)
    assert DIGEST == cache.sources.digest(address, first)


def test_an_entry_that_is_gone_comes_again_though_its_digest_is_remembered(cache, memory_stores):
    """Whether it is there is looked at each time, and so is whether somebody wrote to it."""
    address = memory_stores.store_for("raw://a")
    pin = address.store.write_small("a", b"content")
    first = cache.fetch(address, pin)
    assert cache.known(address, pin) is not None

    assert cache.evictor.evict_one(first.digest)
    assert cache.known(address, pin) is None
    assert b"content" == cache.fetch(address, pin).path.read_bytes()
    first.path.chmod(0o644)
    first.path.write_bytes(b"CONTENT")
    assert cache.known(address, pin) is None
    assert b"content" == cache.fetch(address, pin).path.read_bytes()


def test_a_half_note_is_none(cache, memory_stores):
    """What a loss of power left of it costs a download, and is not remembered."""
    address, pin = memory_stores.store_for("raw://a"), Pin(size_bytes=7, etag="1")
    Sources(str(cache.root)).note(address, pin, DIGEST)
    (note,) = (cache.root / "sources").iterdir()
    whole = note.read_bytes()
    note.write_bytes(whole[:20])

    assert cache.sources.digest(address, pin) is None
    note.write_bytes(whole)
    assert DIGEST == cache.sources.digest(address, pin)


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

    assert digest == noted(cache, one, PIN)
    assert noted(cache, other, PIN) is None


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

    assert digest == noted(cache, other, PIN)


def test_an_endpoint_from_the_environment_is_a_place(cache, monkeypatch):
    """The same settings under another AWS_ENDPOINT_URL are another store."""
    one = _address("s3://one/x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    other = _address("s3://one/x")
    cache.remember(one, PIN, Digest.of(b"weather"))

    assert noted(cache, other, PIN) is None
