"""A version is asked as its catalog is."""

from __future__ import annotations

import pytest

from rootcellar.schemas.errors import NotInCatalog


def test_a_version_answers_as_its_catalog_does(catalog, records):
    """Each question is passed on with the version."""
    old, new = (records.version("sky", {"n": 1}, body) for body in ("sun", "rain"))
    made = records.version("pv", {"n": 1}, "1")
    records.record(catalog, [], [old])
    records.record(catalog, [old], [made])
    records.record(catalog, [], [new])
    first, last, pv = (catalog.version(one.ref.version) for one in (old, new, made))

    assert catalog.diff(first, last) == last.diff() == last.diff(first)
    assert str(catalog.why(last)) == str(last.why()) == str(last.why(first.uid))
    assert [pv.run_uid] == [one.uid for one in first.readers()]
    assert [] == list(first.readers("1s", transitive=True))
    assert list(catalog.history(first)) == list(first.history()) == [last, first]
    assert [pv.uid] == [one.uid for one in first.impact().table()]
    assert list(catalog.locations(last)) == list(last.locations())
    assert str(catalog.reproduce(pv)) == str(pv.reproduce())
    with pytest.raises(NotInCatalog, match="no earlier version"):
        first.diff()
