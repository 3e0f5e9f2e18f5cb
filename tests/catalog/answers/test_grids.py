"""Missing keys, against plain loops over sets of keys."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.catalog import lookup
from rootcellar.schemas.errors import CatalogError, NotInCatalog

MANY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# `1` and `"1"` are two keys.
VALUES = st.sampled_from([1, 2, "1", "n"])


@pytest.fixture
def salts():
    """Numbers that keep the examples of one test apart in one catalog."""
    return iter(range(1_000_000))


def make(catalog, records, type_name, keys):
    """Record one version of each."""
    made = [records.version(type_name, key, f"{key}") for key in keys]
    if made:
        records.record(catalog, [], made)


def sets_of(*fields):
    """Keys with these fields, each once."""
    one = st.tuples(*(VALUES for _ in fields))
    return st.sets(one, max_size=6).map(
        lambda found: [dict(zip(fields, values, strict=True)) for values in found]
    )


@MANY
@given(have=sets_of("station", "year"), lack=sets_of("year", "tilt"))
def test_gaps_are_what_plain_loops_find(catalog, records, salts, have, lack):
    """Keys that agree in the shared field belong together; all else does not matter."""
    salt = next(salts)
    make(catalog, records, f"have{salt}", have)
    make(catalog, records, f"lack{salt}", lack)
    expected = [key for key in have if not any(same(key["year"], other["year"]) for other in lack)]
    if not have:
        with pytest.raises(NotInCatalog):
            catalog.gaps(have=f"have{salt}", lack=f"lack{salt}")
        return
    found = catalog.gaps(have=f"have{salt}", lack=f"lack{salt}")

    assert sorted(map(repr, expected)) == sorted(repr(dict(row)) for row in found)
    assert f"{len(expected)} of {len(have)} lack lack{salt}" == found.note


def same(one, other):
    """Whether two key values are one."""
    return type(one) is type(other) and one == other


@MANY
@given(there=sets_of("station", "tilt"), stations=st.lists(VALUES, min_size=1, max_size=3))
def test_a_grid_is_what_plain_loops_find(catalog, records, salts, there, stations):
    """Each combination once, present if it was made; a field left out takes what is recorded."""
    name = f"grid{next(salts)}"
    if not there:
        return
    make(catalog, records, name, there)
    found = catalog.coverage(name, station=stations)
    tilts = {repr(key["tilt"]): key["tilt"] for key in there}
    wanted = {repr(station): station for station in stations}
    expected = {
        (repr(station), repr(tilt)): "present"
        if {"station": station, "tilt": tilt} in there
        else "missing"
        for station, tilt in product(wanted.values(), tilts.values())
    }

    rows = [dict(row) for row in found]
    assert expected == {(repr(r["station"]), repr(r["tilt"])): r["state"] for r in rows}
    assert len(expected) == len(found)
    heads = {one.uid for one in catalog.heads(name)}
    assert all((row["version"] in heads) == (row["state"] == "present") for row in rows)


def test_gaps_may_be_narrowed_and_cut(catalog, records):
    """Fields of the key select; the note counts what a limit left out."""
    make(catalog, records, "weather", [{"station": n} for n in range(5)])
    make(catalog, records, "pv", [{"station": 1, "tilt": 30}])

    found = catalog.gaps(have="weather", lack="pv", station=[1, 2, 3], limit=1)

    assert ([{"station": 2}], "2 of 3 lack pv; first 1 of more") == (
        [dict(row) for row in found],
        found.note,
    )


def test_a_key_of_a_gap_can_be_passed_on(catalog, records):
    """A row is a mapping by key field, with the values as keys have them."""
    make(catalog, records, "weather", [{"station": 3, "day": "2026-05-01"}])

    for row in catalog.gaps(have="weather", lack="pv"):
        assert {"station": 3, "day": "2026-05-01"} == dict(**row)


def test_what_nobody_ever_made_lacks_throughout(catalog, records):
    """A type without records has gaps everywhere, whether or not it was declared."""
    make(catalog, records, "weather", [{"station": 1}])
    catalog.declare([records.type_record("pv")])

    assert 1 == len(catalog.gaps(have="weather", lack="pv"))
    assert 1 == len(catalog.gaps(have="weather", lack="wind"))


def test_types_without_a_common_field_have_no_gaps(catalog, records):
    """There is nothing to compare, which is an error and not an empty answer."""
    make(catalog, records, "weather", [{"station": 1}])
    make(catalog, records, "price", [{"zone": "north"}])

    with pytest.raises(CatalogError, match="no field in common") as caught:
        catalog.gaps(have="weather", lack="price")
    assert "station" in caught.value.remedy


def test_a_grid_of_all_fields_reads_no_list_of_keys(catalog, records, monkeypatch):
    """There may be millions; one tells how a key is written."""
    make(catalog, records, "pv", [{"station": one, "tilt": 1} for one in range(5)])
    read, keys = [], lookup.keys
    monkeypatch.setattr(lookup, "keys", lambda *a, **k: read.append(keys(*a, **k)) or read[-1])

    found = catalog.coverage("pv", station=[1, 9], tilt=1)
    rest = catalog.coverage("pv", station=[1, 9])

    assert ["present", "missing"] == list(found.column("state")) == list(rest.column("state"))
    assert [1, 5] == [len(one) for one in read]


def test_a_grid_takes_days_and_ranges(catalog, records):
    """Dates as keys hold them; a value that is given twice counts once."""
    make(catalog, records, "w", [{"day": "2026-05-01", "n": 1}])

    found = catalog.coverage("w", day=[date(2026, 5, 1), date(2026, 5, 1)], n=range(1, 4))

    assert ("present", "missing", "missing") == found.column("state")
    assert "1 of 3 present, 2 missing" == found.note


def test_a_grid_tells_what_is_stale(catalog, records):
    """As `stale` tells it, and among what is present in the count."""
    skies = [records.version("w", {"n": n}, "sun", origin="observed") for n in (1, 2)]
    for number, sky in enumerate(skies, start=1):
        records.record(catalog, [sky], [records.version("pv", {"n": number}, "power")])
    later = records.START + timedelta(days=1)
    newer = records.version("w", {"n": 2}, "rain", origin="observed", recorded_at=later)
    records.record(catalog, [newer], [], task="look")

    found = catalog.coverage("pv", n=[1, 2, 3])

    assert ("present", "stale", "missing") == found.column("state")
    assert "2 of 3 present, 1 of them stale, 1 missing" == found.note
    assert {one.version for one in catalog.stale("pv")} == {
        row["version"] for row in found if row["state"] == "stale"
    }


def test_a_key_field_keeps_its_name(catalog, records):
    """A state is a state of the country; the table's own column gives way."""
    make(catalog, records, "w", [{"state": "Bayern"}])

    found = catalog.coverage("w", state=["Bayern", "Hessen"])

    assert ("Bayern", "Hessen") == found.column("state")
    assert ("present", "missing") == found.column("state_")


def test_a_type_without_key_has_a_grid_of_one(catalog, records):
    """It is there."""
    make(catalog, records, "atlas", [{}])

    assert ("present",) == catalog.coverage("atlas").column("state")
    assert [] == list(catalog.gaps(have="atlas", lack="atlas"))


def test_a_grid_that_is_too_large_is_refused(catalog, records):
    """Rather than filling the memory."""
    make(catalog, records, "w", [{"a": 1, "b": 1}])

    with pytest.raises(CatalogError, match="its grid has 1002001 keys"):
        catalog.coverage("w", a=range(1001), b=range(1001))


def test_a_misspelt_field_of_a_grid_is_refused(catalog, records):
    """As for versions."""
    make(catalog, records, "w", [{"a": 1}])

    with pytest.raises(NotInCatalog, match="no field 'b'"):
        catalog.coverage("w", b=1)
