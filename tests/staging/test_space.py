"""Space is reserved before the first byte comes (C6)."""

from __future__ import annotations

import contextlib
import os
import resource
import threading

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CacheFull, CacheUnusable, StoreUnavailable
from rootcellar.staging.cache.admission import Admission
from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.stores.folder import FolderStore
from rootcellar.staging.workdir.workdir import Workdir


def content(letter, size_bytes=1000):
    return letter.encode() * size_bytes


def test_an_entry_larger_than_the_budget_is_refused_before_a_byte_comes(cache_of, put, tmp_path):
    """The error has both numbers, the URI and both remedies."""
    cache = cache_of(5000)
    address, pin = put("big.bin", content("x", 6000))
    (tmp_path / "store" / "big.bin").unlink()  # reading it would fail otherwise

    with pytest.raises(CacheUnusable, match=r"6\.0 kB.*5\.0 kB") as raised:
        cache.fetch(address, pin)

    assert not isinstance(raised.value, CacheFull)
    assert "raw://big.bin" == raised.value.uri
    assert "ROOTCELLAR_CACHE_BUDGET" in raised.value.remedy
    assert "STREAMED" in raised.value.remedy
    assert [] == list((cache.root / "tmp").iterdir())


def test_a_budget_that_runs_hold_is_a_passing_error_with_the_numbers(cache_of, put):
    """Nothing that is leased goes; the error says how much that is, and to try again."""
    cache = cache_of(2500)
    workdir = Workdir(cache, "run-1")
    for letter in "ab":
        cached = cache.fetch(*put(letter, content(letter)))
        workdir.place(cached, argument=letter, ordinal=0, name=letter)

    with pytest.raises(
        CacheFull, match=r"needs 1\.0 kB.*2\.5 kB.*2\.0 kB of it are in use"
    ) as raised:
        cache.fetch(*put("c", content("c")))

    assert raised.value.transient
    assert {"a", "b"} == {path.name for path in workdir.path.iterdir() if path.is_file()}
    workdir.close()
    finish_removals()
    assert not cache.fetch(*put("c", content("c"))).hit


def test_a_download_waits_for_a_release(cache_of, put, wait_until):
    """As soon as a run ends its entries may go, and who waits goes on."""
    cache = cache_of(1500, wait_seconds=60)
    workdir = Workdir(cache, "run-1")
    workdir.place(cache.fetch(*put("a", content("a"))), argument="a", ordinal=0, name="a")
    wanted, fetched = put("b", content("b")), []
    waiter = threading.Thread(target=lambda: fetched.append(cache.fetch(*wanted)))
    waiter.start()
    wait_until(lambda: any((cache.root / "locks").glob("source-*")))
    assert fetched == []

    workdir.close()
    waiter.join(30)

    assert [content("b")] == [one.path.read_bytes() for one in fetched]


def test_who_holds_everything_alone_does_not_wait(cache_of, put, monkeypatch):
    """Nobody else's end would give room, so the error comes at once."""
    cache = cache_of(1500, wait_seconds=60)
    workdir = Workdir(cache, "run-1")
    own = cache.within(workdir.aside)
    workdir.place(own.fetch(*put("a", content("a"))), argument="a", ordinal=0, name="a")
    monkeypatch.setattr(Admission, "_wait_for_release", lambda *_: pytest.fail("waited"))

    with pytest.raises(CacheUnusable, match="other inputs of the same run hold"):
        own.fetch(*put("b", content("b")))


def test_the_ledger_equals_what_is_there(cache_of, put, ledger_and_disk, tmp_path):
    """After downloads, publications, hits, quarantine and eviction no byte is lost or double."""
    cache = cache_of(100_000)
    for letter in "abc":
        cache.fetch(*put(letter, content(letter)))
        cache.fetch(*put(letter, content(letter)))
    (tmp_path / "mine").write_bytes(content("d"))
    cache.add(tmp_path / "mine", Digest.of(content("d")))
    workdir = Workdir(cache, "run-1")
    output = workdir.reserve("out", "e")
    output.write_bytes(content("e"))
    cache.add(output, Digest.of(content("e")))
    cache.add(output, Digest.of(content("e")))
    cache.forget(Digest.of(content("a")))
    cache.evictor.evict_one(Digest.of(content("b")))

    assert (4000, 4000) == ledger_and_disk(cache)
    assert 4000 == cache.evictor.count().used_bytes


def test_a_failed_download_gives_its_bytes_back(cache_of, put, ledger_and_disk, monkeypatch):
    """A store that fails in the middle costs no space (C6)."""
    cache = cache_of(10_000)
    cache.fetch(*put("a", content("a")))

    class Failing:
        def advance(self, size_bytes):
            raise StoreUnavailable("not now")

    with pytest.raises(StoreUnavailable):
        cache.fetch(*put("b", content("b")), progress=Failing())

    assert (1000, 1000) == ledger_and_disk(cache)
    assert [] == list((cache.root / "tmp").iterdir())


def test_a_bulk_reservation_serves_many_downloads(cache_of, put, ledger_and_disk):
    """Members draw from it, from several threads; what they do not use is given back."""
    cache = cache_of(20_000)
    wanted = [put(f"m{number}", bytes([number]) * 1000) for number in range(10)]

    with cache.reserve(15_000) as reserved:
        assert (15_000, 15_000) == ledger_and_disk(cache)
        threads = [threading.Thread(target=reserved.fetch, args=one) for one in wanted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert (15_000, 15_000) == ledger_and_disk(cache)

    assert (10_000, 10_000) == ledger_and_disk(cache)
    assert all(reserved.fetch(*one).hit for one in wanted)


@pytest.fixture
def files_of_at_most():
    """Limit the size of files that this process may write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_bulk_reservation_may_be_larger_than_any_file(
    cache_of, put, ledger_and_disk, files_of_at_most
):
    """A limit on the size of files is for each member, and not for all of them together."""
    cache = cache_of(10**8)
    wanted = [put(f"m{number}", bytes([number]) * 1_000_000) for number in range(5)]

    files_of_at_most(2_000_000)
    with cache.reserve(5_000_000) as reserved:
        for one in wanted:
            reserved.fetch(*one)

    assert (5_000_000, 5_000_000) == ledger_and_disk(cache)


def test_a_bulk_reservation_larger_than_the_budget_is_refused(cache_of):
    """A folder that can never fit is refused before its first member is downloaded."""
    with (
        pytest.raises(CacheUnusable, match=r"30\.0 kB.*20\.0 kB"),
        cache_of(20_000).reserve(30_000),
    ):
        pass


def test_the_floor_stays_free(cache_of, put):
    """What is free beyond the floor counts, not what is free."""
    free = os.statvfs("/tmp").f_bavail * os.statvfs("/tmp").f_frsize
    cache = cache_of(10**15, floor=free + 10**9)

    with pytest.raises(CacheFull, match="stay free"):
        cache.fetch(*put("a", content("a")))


def test_a_ledger_that_is_lost_or_torn_is_counted_anew(cache_of, put, ledger_and_disk):
    """It can be worked out of the entries at any time."""
    cache = cache_of(3500)
    for letter in "abc":
        cache.fetch(*put(letter, content(letter)))
    for damage in (b"", b"12 nonsense", b"999999999 0 0\n"):
        (cache.root / "usage").write_bytes(damage)
        cache.fetch(*put(f"again-{len(damage)}", content(str(len(damage)))))

        counted, there = ledger_and_disk(cache)
        assert counted == there <= 3500


def test_an_object_that_grows_while_it_is_read_stays_within_the_budget(
    cache_of, put, ledger_and_disk
):
    """Its new size is counted, though less was reserved."""
    cache = cache_of(10_000)
    address, pin = put("a", content("a"))
    address.store.write_small("a", content("b", 3000))

    cached = cache.fetch(address, pin)

    assert content("b", 3000) == cached.path.read_bytes()
    assert (3000, 3000) == ledger_and_disk(cache)


@pytest.mark.parametrize("is_pooled", [False, True])
def test_an_object_that_grew_too_large_is_refused_before_its_bytes_come(
    cache_of, put, ledger_and_disk, monkeypatch, is_pooled
):
    """Its new size is reserved before it is read, and what was reserved is given back."""
    cache = cache_of(10_000)
    address, pin = put("a", content("a"))
    address.store.write_small("a", content("b", 300_000))
    read, stream = [], FolderStore.stream

    def counted(*arguments):
        for chunk in stream(*arguments):
            read.append(len(chunk))
            yield chunk

    monkeypatch.setattr(FolderStore, "stream", counted)
    reserved = cache.reserve(5000) if is_pooled else contextlib.nullcontext(cache)
    with reserved as own, pytest.raises(CacheUnusable, match=r"300\.0 kB.*10\.0 kB") as raised:
        own.fetch(address, pin)

    assert "raw://a" == raised.value.uri
    assert not raised.value.transient
    assert [] == read
    assert (0, 0) == ledger_and_disk(cache)


@pytest.mark.parametrize("size_bytes", [500, 1500, 4000])
def test_what_a_replaced_object_needs_more_is_reserved_beside_those_of_many(
    cache_of, put, ledger_and_disk, size_bytes
):
    """What was drawn for its old size goes back to the others."""
    cache = cache_of(10_000)
    address, pin = put("a", content("a"))
    address.store.write_small("a", content("b", size_bytes))
    with cache.reserve(2000) as many:
        many.fetch(address, pin)
        cached = many.fetch(*put("c", content("c")))

    assert content("c") == cached.path.read_bytes()
    assert (size_bytes + 1000, size_bytes + 1000) == ledger_and_disk(cache)


def test_outputs_that_do_not_fit_are_not_kept(cache_of, ledger_and_disk):
    """Publishing waits for nobody: the output is simply not in the cache."""
    cache = cache_of(1500)
    workdir = Workdir(cache, "run-1")
    for letter in "ab":
        output = workdir.reserve(letter, letter)
        output.write_bytes(content(letter))
        if letter == "a":
            cache.add(output, Digest.of(content("a")))

    with pytest.raises(CacheFull):
        cache.add(output, Digest.of(content("b")))

    assert (1000, 1000) == ledger_and_disk(cache)
