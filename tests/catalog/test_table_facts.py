"""Columns and their bounds beside versions: written once, whole, and in any order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from rootcellar.catalog import table_facts
from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.schema_tables import column_statistics, table_schema
from rootcellar.schemas.columns import Column, ColumnStatistics
from rootcellar.schemas.digest import Digest

COLUMNS = (Column("station", "int64", nullable=False), Column("wind", "double"))
STATISTICS = (
    ColumnStatistics(name="station", null_count=0, minimum=1, maximum=2**64 - 1),
    ColumnStatistics(name="wind", null_count=3, minimum="-inf", maximum=4.5),
)


@pytest.fixture
def table(records):
    """Makes a version of a table."""

    def make(key, body="", **fields):
        fields = {
            "media_type": "application/vnd.apache.parquet",
            "row_count": 10,
            "schema_fingerprint": Digest.of(repr(fields.get("columns", COLUMNS)).encode()),
            "columns": COLUMNS,
            "statistics": STATISTICS,
            **fields,
        }
        return records.version("weather", {"station": key}, body, **fields)

    return make


def count(catalog, one):
    """How many rows a table has."""
    query = select(func.count()).select_from(one)
    return catalog._database.read(lambda connection: connection.execute(query).scalar())


def test_a_table_keeps_its_columns_and_what_is_known_of_them(catalog, records, table):
    """A version tells its columns, their nulls and bounds as they were recorded."""
    one = table(1)
    records.record(catalog, outputs=[one])

    found = catalog.version(one.ref.version)

    assert COLUMNS == tuple(found.schema)
    assert STATISTICS == tuple(found.statistics)
    assert [
        ("station", "int64", 0, 1, 2**64 - 1),
        ("wind", "double", 3, "-inf", 4.5),
    ] == list(found.statistics.rows)


@pytest.mark.parametrize("at_once", [True, False])
def test_both_ways_of_entering_a_run_keep_them(catalog, records, table, at_once):
    """A run that is entered in one piece, and one in two, keep the same."""
    one = table(1)
    start = records.started()
    if not at_once:
        catalog.start_run(start)
    catalog.finish_run(records.ended(start.uid, outputs=[one]), start if at_once else None)

    found = catalog.version(one.ref.version)

    assert (COLUMNS, STATISTICS) == (tuple(found.schema), tuple(found.statistics))


def test_a_schema_is_kept_once(catalog, records, table):
    """Many versions with the same columns have one row for them, and one each for their bounds."""
    for number in range(3):
        records.record(catalog, outputs=[table(number, str(number))])

    assert (1, 3) == (count(catalog, table_schema), count(catalog, column_statistics))


def test_what_is_no_table_leaves_no_rows(catalog, records):
    """A run without tables writes to neither table."""
    records.record(catalog, outputs=[records.version("weather", {"station": 1})])

    assert (0, 0) == (count(catalog, table_schema), count(catalog, column_statistics))


def test_entering_a_run_again_changes_nothing(catalog, records, table):
    """A record that arrives twice is entered once."""
    one = table(1)
    start = records.started()
    for _ in range(2):
        catalog.finish_run(records.ended(start.uid, outputs=[one]), start)

    assert STATISTICS == tuple(catalog.version(one.ref.version).statistics)
    assert 1 == count(catalog, column_statistics)


def test_a_table_that_was_read_before_its_run_is_known_gets_them(catalog, records, table):
    """A version that a reader brought in first learns of its columns from its producer."""
    one = table(1)
    bare = replace(
        one, origin="observed", columns=(), statistics=(), schema_fingerprint=None, row_count=None
    )
    records.record(catalog, inputs=[bare], outputs=[records.version("fit", {}, "x")], task="fit")

    records.record(catalog, outputs=[one])

    found = catalog.version(one.ref.version)
    assert (COLUMNS, STATISTICS) == (tuple(found.schema), tuple(found.statistics))


def test_a_sighting_of_what_a_late_run_made_gets_them(catalog, records, table):
    """Bytes that were taken for foreign while their record waited tell of their columns too."""
    one = table(1, "bytes")
    later = one.recorded_at + timedelta(seconds=1)
    seen = replace(
        records.version("weather", {"station": 1}, "bytes", origin="observed", recorded_at=later),
        media_type=one.media_type,
    )
    records.record(catalog, inputs=[seen], outputs=[records.version("fit", {}, "x")], task="fit")
    start = records.started()

    catalog.finish_late(records.ended(start.uid, outputs=[one]), start)

    found = catalog.version(seen.ref.version)
    assert (COLUMNS, STATISTICS) == (tuple(found.schema), tuple(found.statistics))


def test_what_databases_refuse_is_kept_written_out(catalog, records, table):
    """NUL and lone surrogates in names and bounds do not cost a run its record."""
    one = table(
        1,
        columns=(Column("a\0b", "string"),),
        statistics=(
            ColumnStatistics(name="a\0b", null_count=0, minimum="\0", maximum="\udc80"),
            ColumnStatistics(name="c", null_count=0, minimum=float("nan"), maximum=float("inf")),
        ),
    )
    records.record(catalog, outputs=[one])

    found = catalog.version(one.ref.version)

    assert ["a\\x00b"] == [column.name for column in found.schema]
    assert [("\\x00", "\\udc80"), ("nan", "inf")] == [
        (told.minimum, told.maximum) for told in found.statistics
    ]


def test_a_monstrous_schema_is_known_by_its_digest_alone(catalog, records, table):
    """Columns whose names would fill megabytes are not kept; the version is."""
    one = table(1, columns=tuple(Column("x" * 10_000 + str(n), "int8") for n in range(101)))
    records.record(catalog, outputs=[one])

    found = catalog.version(one.ref.version)

    assert [] == list(found.schema)
    assert found.schema.note == (
        f"of its schema only the digest was recorded, {one.schema_fingerprint}"
    )


def test_schemas_are_read_in_one_go(catalog, records, table):
    """Many fingerprints are asked for together; unknown ones are missing."""
    one = table(1)
    records.record(catalog, outputs=[one])

    found = catalog._database.read(
        lambda connection: table_facts.schemas(connection, [one.schema_fingerprint, "sha256:0"])
    )

    assert {str(one.schema_fingerprint): COLUMNS} == found


def test_what_is_not_recorded_is_said(catalog, records):
    """What is no table has an empty schema with a note, and no statistics."""
    one = records.version("weather", {"station": 1})
    records.record(catalog, outputs=[one])

    found = catalog.version(one.ref.version)

    assert "no schema was recorded of text/plain" == found.schema.note
    assert "nothing of its values was recorded" == found.statistics.note
    assert [] == [*found.schema, *found.statistics]


def test_a_notebook_shows_a_version_with_its_columns(catalog, records, table):
    """The HTML of a version holds its columns with their bounds; of others only what they are."""
    powers = [table(1), records.version("note", {"n": "<b>"})]
    records.record(catalog, outputs=powers)

    of_table, of_other = (catalog.version(one.ref.version)._repr_html_() for one in powers)

    assert "<b>weather(station=1) version 1</b>\nmade by simulate at 2026-05-01" in of_table
    assert f"\nuid {powers[0].ref.version}</pre>" in of_table
    for told in ("station", "int64 not null", "18446744073709551615", "double", "-inf", "4.5"):
        assert told in of_table
    assert "&lt;b&gt;" in of_other
    assert "<b>" not in of_other.removeprefix(of_other.partition("<pre>")[0] + "<pre><b>")
    assert "<table" not in of_other


def test_writers_of_the_same_new_schemas_do_not_wait_in_a_circle(url, records, table):
    """Eight at once, each with all schemas in an order of its own, over shared artifacts."""
    schemas = [(Column(f"c{n}", "int8"),) for n in range(10)]
    with Catalog(url) as catalog:
        catalog.types()

    def write(writer):
        with Catalog(url) as catalog:
            mixed = [*schemas[writer:], *schemas[:writer]]
            for columns in mixed:
                made = [table(n, f"{writer} {columns}", columns=columns) for n in range(3)]
                start = records.started()
                catalog.finish_run(records.ended(start.uid, outputs=made), start)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    with Catalog(url) as catalog:
        assert (10, 240) == (count(catalog, table_schema), count(catalog, column_statistics))
