"""Runs as they are stored: one table, whether it is made of values or of columns."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from rootcellar.catalog import listing
from rootcellar.schemas.record import ErrorRecord, RunState


@pytest.fixture
def various(catalog, records):
    """A catalog with a run of each kind: made, failed, running, lost, and without a start."""
    rain = records.version("rain", {"day": 1}, "wet")
    records.record(catalog, [], [rain])
    error = ErrorRecord(phase="body", error="builtins.ValueError", message="é\n", traceback="…")
    records.record(catalog, [rain], [], state=RunState.FAILED, error=error)
    arguments = {"tilt": 30, "name": "a: b, ü", "deep": {"z": [1, 2], "a": None}}
    running = records.started(arguments=arguments)
    catalog.start_run(running)
    lost = records.started(task="other", arguments={"b": 1, "a": 'say ": "'})
    catalog.start_run(lost)
    catalog.mark_lost([lost.uid])
    catalog.finish_run(records.ended(records.started().uid))
    return catalog


def test_columns_are_those_of_the_values(various):
    """What goes to a data frame column by column is what rows made of values give."""
    table = various.runs()
    made = listing.run_table(list(table))

    assert made.to_arrow() == table.to_arrow()
    assert made.rows == list(table.rows)
    assert 5 == table.to_arrow().num_rows


@pytest.mark.parametrize("limit", [1, 2, 4, 5])
def test_a_limit_cuts_columns_as_it_cuts_values(various, limit):
    """What was read beyond the limit, to see whether there is more, is in neither."""
    table = various.runs(limit=limit)
    made = listing.run_table(list(table), note=table.note)

    assert list(various.runs())[:limit] == list(table)
    assert made.to_arrow() == table.to_arrow()
    assert (limit < 5) == bool(table.note)


def test_a_run_is_one_value_however_it_is_reached(various):
    """By its uid, in the table, and in a part of the table."""
    table = various.runs()

    assert [various.run(one.uid) for one in table] == list(table)
    assert list(table)[1:3] == list(table[1:3])
    assert made_rows(table)[1:3] == table[1:3].to_arrow().to_pylist()


def made_rows(table):
    return table.to_arrow().to_pylist()


def test_an_empty_table_has_its_types(catalog):
    """No runs are as well typed as many."""
    empty, columns = catalog.runs().to_arrow(), listing.run_table([]).to_arrow()

    assert (0, columns.schema) == (empty.num_rows, empty.schema)


def test_no_value_is_made_for_a_data_frame(various, monkeypatch):
    """That is what makes a hundred thousand runs a matter of half a second."""
    table = various.runs()
    monkeypatch.setattr("rootcellar.catalog.runs.Run", None)

    assert 5 == table.to_arrow().num_rows


def test_json_of_earlier_releases_is_made_canonical(sqlite_url, records):
    """Arguments that were stored with spaces and unsorted look like those stored today."""
    from rootcellar.catalog.catalog import Catalog

    arguments = {"tilt": 30, "angle": [1, {"b": 2, "a": 1}]}
    with Catalog(sqlite_url) as catalog:
        catalog.start_run(records.started(arguments=arguments))
        new = catalog.runs().to_arrow()
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
            stored = connection.execute("SELECT arguments FROM run").fetchone()[0]
            connection.execute("UPDATE run SET arguments = ?", [json.dumps(arguments)])
            connection.commit()

        assert '{"angle":[1,{"a":1,"b":2}],"tilt":30}' == stored
        assert new == catalog.runs().to_arrow()
