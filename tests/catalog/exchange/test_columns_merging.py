"""Columns and their bounds on their way into another catalog."""

from __future__ import annotations

import pytest

from rootcellar.catalog.catalog import Catalog
from rootcellar.schemas.columns import Column, ColumnStatistics
from rootcellar.schemas.digest import Digest


@pytest.fixture
def laptop(tmp_path):
    """A catalog of its own in a SQLite file."""
    with Catalog(f"sqlite:///{tmp_path}/laptop.sqlite") as laptop:
        yield laptop


def test_a_table_arrives_with_its_columns(laptop, catalog, records):
    """Once per schema, with the bounds of each version."""
    for number, kind in enumerate(("int64", "double", "int64")):
        made = records.version(
            "pv", {"n": number}, str(number), schema_fingerprint=Digest.of(kind.encode()),
            columns=(Column("n", kind),),
            statistics=(ColumnStatistics(name="n", null_count=number),),
        )  # fmt: skip
        records.record(laptop, [], [made])
    laptop.push(catalog)
    tables = sorted(catalog.versions("pv"), key=lambda one: one.key["n"])

    assert [("int64",), ("double",), ("int64",)] == [one.schema.column("type") for one in tables]
    assert [0, 1, 2] == [one.statistics[0].null_count for one in tables]


def test_bounds_arrive_where_the_schema_is_not_kept(laptop, catalog, records):
    """Of a monstrous schema the fingerprint arrives, and what is known of its values."""
    made = records.version(
        "pv", {"n": 1}, schema_fingerprint=Digest.of(b"wide"),
        columns=tuple(Column("x" * 10_000 + str(n), "int8") for n in range(101)),
        statistics=(ColumnStatistics(name="n", minimum=1, maximum=2),),
    )  # fmt: skip
    records.record(laptop, [], [made])
    laptop.push(catalog)
    one = catalog.find(made.ref.version)

    assert ([], list(made.statistics)) == (list(one.schema), list(one.statistics))


def test_a_table_that_is_pushed_twice_is_there_once(laptop, catalog, records):
    """A merge that is repeated brings nothing new."""
    made = records.version(
        "pv", {"n": 1}, schema_fingerprint=Digest.of(b"a"), columns=(Column("n", "int8"),),
        statistics=(ColumnStatistics(name="n", minimum=1, maximum=2),),
    )  # fmt: skip
    records.record(laptop, [], [made])
    laptop.push(catalog)
    merged = laptop.push(catalog)
    one = catalog.find(made.ref.version)

    assert (0, 0) == (merged.runs, merged.versions)
    assert (list(made.columns), list(made.statistics)) == (list(one.schema), list(one.statistics))
