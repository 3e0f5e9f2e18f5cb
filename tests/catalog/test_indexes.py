"""Indexes: the questions that one was made for are answered through it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import event

from rootcellar.catalog.catalog import Catalog
from rootcellar.schemas.record import RunState


@pytest.fixture
def sqlite_catalog(sqlite_url):
    """A catalog in a file."""
    with Catalog(sqlite_url) as catalog:
        catalog.types()
        yield catalog


@pytest.fixture
def asked(sqlite_catalog):
    """What is asked of a SQLite catalog, with its parameters, as long as the test runs."""
    statements = []
    engine = sqlite_catalog._database.engine

    def listen(_connection, _cursor, statement, parameters, *_):
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", listen)
    yield statements
    event.remove(engine, "before_cursor_execute", listen)


def plans(catalog, asked):
    """How SQLite finds the runs in each of these queries."""
    with closing(sqlite3.connect(catalog._database.path)) as connection:
        return [
            row[3]
            for statement, parameters in asked
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            if " run " in f"{row[3]} "
        ]


@pytest.mark.parametrize("state", [one for one in RunState if one is not RunState.SUCCEEDED])
def test_runs_that_did_not_succeed_are_found_by_state(sqlite_catalog, asked, records, state):
    """Among millions that did there are few."""
    records.record(sqlite_catalog)
    asked.clear()
    sqlite_catalog.runs(state=state)

    found = plans(sqlite_catalog, asked)

    assert any("ix_run_state_started_at (state=?" in plan for plan in found)


def test_failures_are_found_by_state(sqlite_catalog, asked, records):
    """The list, and the groups."""
    records.record(sqlite_catalog)
    asked.clear()
    sqlite_catalog.failures()

    found = plans(sqlite_catalog, asked)

    assert 2 == sum("ix_run_state_started_at (state=?" in plan for plan in found)


def test_runs_of_each_state_are_those_of_that_state(catalog, records):
    """Whether an index holds them or not, in both databases."""
    every = [one for one in RunState if one is not RunState.RUNNING]
    for state in every:
        records.record(catalog, state=state)
    catalog.start_run(records.started())

    assert [[state] for state in RunState] == [
        [one.state for one in catalog.runs(state=state)] for state in RunState
    ]
