"""Hits, misses and streamed inputs as rows: what was read, and versions whose bytes never were."""

from __future__ import annotations

import dataclasses

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import InputRecord


def unread(records, etag="e1", **fields):
    """A sighting of a state whose bytes nobody has read whole."""
    one = records.version("weather", {"station": 3}, "12345", origin="observed", **fields)
    pin = one.ref.pin.model_copy(update={"etag": etag})
    ref = one.ref.model_copy(
        update={"digest": Digest.unread(one.ref.uri, pin.token), "pin": pin}, deep=True
    )
    return dataclasses.replace(one, ref=ref)


def read(version, argument="weather", **fields):
    return InputRecord(argument=argument, ordinal=0, version=version, **fields)


def finish(catalog, records, *inputs):
    start = records.started()
    catalog.start_run(start)
    ended = dataclasses.replace(records.ended(start.uid), inputs=inputs)
    catalog.finish_run(ended)
    return start.uid


def test_counts_come_back(catalog, records):
    """Of each input, and of the run together with its hit ratio and rate."""
    one = records.version("weather", {"station": 1}, "a", origin="observed")
    streamed = read(
        unread(records), cache="streamed", transferred_bytes=600, seconds=0.3, misses=1, requests=7
    )
    hit = read(one, "other", cache="hit", seconds=5.0, hits=3)

    uid = finish(catalog, records, streamed, hit)
    run, (first, second) = catalog.run(uid), catalog.inputs(uid)

    assert ("other", "hit", 3, 0, 0) == (
        first.argument, first.cache, first.hits, first.misses, first.requests
    )  # fmt: skip
    assert ("streamed", 0, 1, 7) == (second.cache, second.hits, second.misses, second.requests)
    assert 2000 == pytest.approx(second.bytes_per_second)
    assert (3, 1, 0.75, 600) == (run.hits, run.misses, run.hit_ratio, run.downloaded_bytes)
    assert (0.3, 2000.0) == (run.download_seconds, pytest.approx(run.download_rate))


def test_counts_are_columns(catalog, records):
    """Tables of runs and of inputs have them."""
    uid = finish(catalog, records, read(unread(records), cache="streamed", requests=7))

    assert {"hits", "misses", "download_seconds"} <= set(catalog.runs().to_pandas().columns)
    assert [7] == list(catalog.inputs(uid).to_pandas()["requests"])


def test_one_state_that_was_streamed_twice_is_one_version(catalog, records):
    """Whoever streams it, and though nobody knows its digest; another state is another version."""
    finish(catalog, records, read(unread(records), cache="streamed"))
    finish(catalog, records, read(unread(records), cache="streamed"))
    finish(catalog, records, read(unread(records, etag="e2"), cache="streamed"))

    found = catalog.versions("weather")

    assert [2, 1] == [one.seq for one in found]
    assert all(one.digest.is_unread for one in found)


def test_a_digest_is_learned_once_the_bytes_are_read(catalog, records):
    """It stays the same version, with its lineage, and the content is known from then on."""
    seen = unread(records)
    finish(catalog, records, read(seen, cache="streamed"))
    before = catalog.ref_at(seen.ref.uri, seen.ref.pin)
    digest = Digest.of(b"12345")
    known = dataclasses.replace(
        seen, ref=seen.ref.model_copy(update={"digest": digest}), is_learned=True
    )
    finish(catalog, records, read(known, cache="miss"))
    finish(catalog, records, read(known, cache="hit"))

    (found,) = catalog.versions("weather")

    assert before.digest.is_unread
    assert (seen.ref.version, digest) == (found.uid, found.digest)
    assert digest == catalog.ref_at(seen.ref.uri, seen.ref.pin).digest
    assert 5 == found.size_bytes
