"""Tables with other columns: in a difference, and on the way to a cause."""

from __future__ import annotations

import pytest

from rootcellar.catalog.answers.difference import How
from rootcellar.schemas.columns import Column
from rootcellar.schemas.digest import Digest

OLD = (Column("hour", "int32", nullable=False), Column("wind", "int64"), Column("rain", "double"))
NEW = (Column("hour", "int32"), Column("wind", "double"), Column("snow", "double"))


@pytest.fixture
def table(lab):
    """Makes a version of a table with these columns."""

    def make(type_name, body, columns, **fields):
        fingerprint = Digest.of(repr(columns).encode())
        return lab.version(
            type_name, body, columns=columns, schema_fingerprint=fingerprint, **fields
        )

    return make


def test_a_difference_names_each_column(lab, table):
    """What is of another type, what came and what went; nullability is part of the type."""
    before, after = table("pv", "1", OLD), table("pv", "2", NEW)
    for one in (before, after):
        lab.run("fit", [], [one])

    difference = lab.catalog.diff(before.ref, after.ref)

    assert [
        "hour int32, was int32 not null",
        "wind double, was int64",
        "snow double, was not there",
        "rain not there, was double",
    ] == [str(change) for change in difference.of("schema")]


def test_columns_in_another_order_are_said_to_be(lab, table):
    """The same columns the other way round are no others."""
    before, after = table("pv", "1", OLD), table("pv", "2", OLD[::-1])
    for one in (before, after):
        lab.run("fit", [], [one])

    (change,) = lab.catalog.diff(before.ref, after.ref).of("schema")

    assert How.OTHER_ORDER is change.how
    assert "columns: the same, in another order" == str(change)


def test_a_schema_known_by_its_digest_alone_differs_as_such(lab, table):
    """Where one side's columns were not kept, the digests are compared."""
    fingerprint = str(Digest.of(b"old"))
    before = lab.version("pv", "1", schema_fingerprint=fingerprint)
    after = table("pv", "2", NEW)
    for one in (before, after):
        lab.run("fit", [], [one])

    (change,) = lab.catalog.diff(before.ref, after.ref).of("schema")

    assert (fingerprint, after.schema_fingerprint) == (change.before, change.after)


def test_why_tells_of_the_columns_of_inputs_and_of_the_two_themselves(lab, table):
    """An input with other columns is named with them, and so is the result."""
    skies = [table("weather", body, columns) for body, columns in (("a", OLD[:2]), ("b", NEW[:2]))]
    powers = [table("pv", "1", OLD), table("pv", "2", NEW)]
    for sky, power, source in zip(skies, powers, ("code", "other"), strict=True):
        lab.run("look", [], [sky], source=source)
        lab.run("fit", {"weather": [sky]}, [power])

    why = lab.catalog.why(powers[1].ref)

    (cause,) = why.causes
    assert (
        "weather: weather(n=1) version 2, was version 1; other columns:"
        " hour int32, was int32 not null; wind double, was int64"
    ) == cause.text
    assert ["weather", "hour", "wind"] == [change.what for change in cause.changes]
    assert ["hour", "wind", "snow", "rain"] == [change.what for change in why.columns]
    shape = (
        "other columns: hour int32, was int32 not null; wind double, was int64;"
        " snow double, was not there; and 1 more"
    )
    assert f"  {shape}" == str(why).splitlines()[-2]
    assert f"{shape}; not examined: 0; unrecorded inputs cannot be excluded" == why.table().note
    assert ["code"] == [root.kind for root in why.roots]


def test_why_says_nothing_of_columns_that_are_the_same(lab, table):
    """Equal columns are no news."""
    powers = [table("pv", body, OLD) for body in "12"]
    for power, source in zip(powers, ("code", "other"), strict=True):
        lab.run("fit", [], [power], source=source)

    why = lab.catalog.why(powers[1].ref)

    assert () == why.columns
    assert "columns" not in str(why)
