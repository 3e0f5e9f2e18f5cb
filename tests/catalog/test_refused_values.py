"""Values that databases refuse, in records: numbers of other libraries, and what is very long."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rootcellar.schemas.record import ErrorRecord, PhaseSeconds

URI_BYTES = 4_096


def test_long_uris_that_differ_at_their_end_are_told_apart(catalog, records):
    """No index holds them whole, and none takes one for the other."""
    start = "raw://" + "w\N{LATIN SMALL LETTER E WITH ACUTE}" * ((URI_BYTES - 8) // 3)
    made = [records.version("pv", {"n": n}, f"{n}", uri=f"{start}{n}") for n in range(2)]
    records.record(catalog, [], made)
    found = [catalog.version_at(one.ref.uri, one.ref.pin) for one in made]

    assert URI_BYTES - 4 <= len(made[0].ref.uri.encode()) <= URI_BYTES
    assert [one.ref.version for one in made] == [one.uid for one in found]
    assert [one.ref.uri for one in made] == [catalog.find(one.ref.uri).uri for one in made]


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\0\udc80" * 1_000_000], ids=["10 MB", "odd"])
def test_ten_megabytes_are_recorded(catalog, records, text):
    """As an argument, as a message and as a traceback; nothing is cut here."""
    start = records.started(arguments={"a": text})
    error = ErrorRecord(phase="body", error="E", message=text, traceback=text)
    catalog.start_run(start)
    catalog.finish_run(records.ended(start.uid, state="failed", error=error))
    run = catalog.run(start.uid)
    clean = text.replace("\0", "\\x00").replace("\udc80", "\\udc80")

    assert {"a": clean} == run.arguments
    assert (clean, clean) == (run.error.message, run.error.traceback)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.float64(math.nan), "nan"),
        (np.float64(1.5), 1.5),
        (np.float32(1.5), 1.5),
        (np.int64(7), 7),
        (np.uint8(7), 7),
        (np.bool_(True), True),  # noqa: FBT003  # a value
        (np.str_("a\0b"), "a\\x00b"),
        (10**400, 10**400),
    ],
)
def test_numbers_of_numpy_are_numbers(catalog, records, value, kept):
    """An argument is recorded as the plain value that it is."""
    start = records.started(arguments={"a": value, "deep": [{"b": value}]})
    catalog.start_run(start)

    assert {"a": kept, "deep": [{"b": kept}]} == catalog.run(start.uid).arguments


def test_counts_of_numpy_are_counts(catalog, records):
    """A format that counts rows with numpy gives what its column takes."""
    made = records.version("pv", {"n": 1}, "x", row_count=np.int64(8760), members=np.int32(3))
    uid = records.record(
        catalog, [], [made], phases=PhaseSeconds(body=np.float64(1.5)), reuse_key=np.str_("key")
    )
    version = catalog.head("pv", {"n": 1})

    assert (8760, int) == (version.row_count, type(version.row_count))
    assert [version.uid] == [one.uid for one in catalog.versions() if one.row_count == 8760]
    assert 1.5 == catalog.run(uid).phases.body
    assert uid == catalog.reusable("key").run_uid
