"""Which digest a URI had in which state."""

from __future__ import annotations

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.ref import Pin
from rootcellar.staging.sources import Sources

DIGEST = Digest.of(b"content")


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
