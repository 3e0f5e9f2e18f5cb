"""held: what recording writes on a kept connection is what SQLAlchemy itself would write."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, create_engine, insert, select, text, update
from sqlalchemy.engine import make_url

from rootcellar.catalog import tables as t
from rootcellar.catalog.catalog import Catalog
from rootcellar.schemas.errors import CatalogError
from rootcellar.schemas.record import (
    ErrorRecord,
    InputRecord,
    OutputRecord,
    PhaseSeconds,
    RunState,
    new_uid,
)

SLOW = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(st.characters(exclude_categories=[]), max_size=12)
numbers = st.integers(min_value=0, max_value=2**31 - 1)
sizes = st.integers(min_value=0, max_value=2**62)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
moments = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001  # hypothesis adds the zones
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)


@st.composite
def runs(draw, records):
    """A start and an end, with versions that are new, seen before, or taken over."""
    start = replace(
        records.started(),
        task=draw(st.sampled_from(["simulate", "grid.count", "t\0"])),
        started_at=draw(moments),
        queue=draw(texts),
        arguments=draw(st.dictionaries(texts, values, max_size=3)),
        retries=draw(numbers),
        redelivered=draw(st.booleans()),
        code=draw(st.sampled_from([None, records.CODE])),
        environment=draw(st.sampled_from([None, records.ENVIRONMENT])),
    )

    def version(**fields):
        key = {"station": draw(st.integers(0, 3)), "site": draw(st.sampled_from(["a", "b\0"]))}
        made = records.version(
            draw(st.sampled_from(["pv", "weather"])), key, draw(st.sampled_from(["x", "y", ""]))
        )
        return replace(made, recorded_at=draw(moments), **fields)

    inputs = [
        InputRecord(
            argument=draw(st.sampled_from(["source", "ärg"])),
            ordinal=ordinal,
            version=draw(st.none() | st.builds(version, origin=st.just("observed"))),
            cache=draw(st.sampled_from(["hit", "miss", "none"])),
            transferred_bytes=draw(sizes),
            seconds=draw(st.floats(0, 1e6)),
        )
        for ordinal in range(draw(st.integers(0, 3)))
    ]
    outputs = [
        OutputRecord(
            argument="made",
            ordinal=ordinal,
            version=version(row_count=draw(st.none() | sizes), members=draw(st.none() | sizes)),
            transferred_bytes=draw(sizes),
        )
        for ordinal in range(draw(st.integers(0, 2)))
    ]
    error = ErrorRecord(
        phase="body", error="m.E", message=draw(texts), traceback=draw(texts), cause=draw(texts)
    )
    end = replace(
        records.ended(start.uid),
        state=draw(st.sampled_from([RunState.SUCCEEDED, RunState.FAILED, RunState.RETRIED])),
        ended_at=draw(moments),
        phases=PhaseSeconds(body=draw(st.floats(0, 1e6))),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        error=draw(st.sampled_from([None, error])),
        reuse_key=draw(st.sampled_from(["", "k"])),
    )
    return start, end


@pytest.fixture
def by_sqlalchemy(url, tmp_path):
    """A second catalog in the same kind of database, written by SQLAlchemy's own connection."""
    if url.startswith("sqlite"):
        other = f"sqlite:///{tmp_path}/other/catalog.sqlite"
    else:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("DROP SCHEMA IF EXISTS other CASCADE"))
            connection.execute(text("CREATE SCHEMA other"))
        engine.dispose()
        parsed = make_url(url).update_query_dict({"options": "-csearch_path=other"})
        other = parsed.render_as_string(hide_password=False)
    with Catalog(other) as catalog:
        catalog._database.record = catalog._database.write
        yield catalog


@SLOW
@given(data=st.data())
def test_both_ways_write_the_same_rows(catalog, by_sqlalchemy, records, data):
    """Whatever the record, in both databases, also when the start comes with the end, or late."""
    start, end = data.draw(runs(records))
    way = data.draw(st.sampled_from(["in order", "together", "end first"]))
    for one in (catalog, by_sqlalchemy):
        if way == "end first":
            one.finish_run(end)
            one.start_run(start)
        else:
            one.start_run(start)
            one.finish_run(end)
        one.finish_run(end)
    if way == "together":
        other = replace(start, uid=new_uid())
        for one in (catalog, by_sqlalchemy):
            one.finish_run(replace(end, uid=other.uid), other)
            one.start_run(other)

    for uid in (start.uid,) if way != "together" else (start.uid, other.uid):
        assert by_sqlalchemy.run(uid) == catalog.run(uid)
        assert list(by_sqlalchemy.inputs(uid)) == list(catalog.inputs(uid))
        assert list(by_sqlalchemy.outputs(uid)) == list(catalog.outputs(uid))


def test_the_tables_are_the_same_to_the_last_row(catalog, by_sqlalchemy, records):
    """Ids, numbers and heads too, over a history that repeats itself."""
    history = []
    for number in range(12):
        start = records.started(task=f"t{number % 2}")
        seen = [records.version("weather", {"s": number % 3}, "sky", origin="observed")]
        made = [records.version("pv", {"s": n}, f"{number}") for n in range(number % 4)]
        history.append((start, records.ended(start.uid, seen, made)))
    for one in (catalog, by_sqlalchemy):
        for start, end in history:
            one.start_run(start)
            one.finish_run(end)

    assert records.everything(by_sqlalchemy) == records.everything(catalog)


def test_a_start_with_its_end_is_what_both_are_apart(catalog, records):
    """One transaction gives the row that two give."""
    start = records.started()
    end = records.ended(start.uid, [records.version("weather", {"s": 1}, "w", origin="observed")])
    other = records.started()
    catalog.finish_run(end, start)
    catalog.start_run(other)
    catalog.finish_run(replace(end, uid=other.uid))

    assert replace(catalog.run(other.uid), uid="") == replace(catalog.run(start.uid), uid="")
    assert catalog.inputs(start.uid)[0].version == catalog.inputs(other.uid)[0].version


def test_a_failed_statement_leaves_no_transaction_open(catalog, records):
    """The next record is written as if nothing had been."""
    uid = records.record(catalog)

    def break_off(connection):
        connection.execute(update(t.run).values(queue=bindparam("new")), {"new": "spoilt"})
        connection.execute(insert(t.run), [{"uid": uid}])

    with pytest.raises(CatalogError):
        catalog._database.record(break_off)
    records.record(catalog)

    assert ["", ""] == [run.queue for run in catalog.runs()]


def test_an_error_of_our_own_gives_up_the_transaction(catalog, records):
    """Nothing of it is entered, and no lock is kept."""
    records.record(catalog)

    def break_off(connection):
        connection.execute(update(t.run).values(queue=bindparam("new")), {"new": "spoilt"})
        raise LookupError

    with pytest.raises(LookupError):
        catalog._database.record(break_off)
    records.record(catalog)

    assert ["", ""] == [run.queue for run in catalog.runs()]


def test_a_connection_that_the_server_closed_is_replaced(postgres_url, records):
    """A restarted server costs a new connection, not a run."""
    with Catalog(postgres_url) as catalog:
        records.record(catalog)
        kept = [held.connection.info.backend_pid for held in catalog._database._idle]
        end_it = text("SELECT pg_terminate_backend(:pid)")
        catalog._database.read(lambda one: one.execute(end_it, [{"pid": pid} for pid in kept]))
        records.record(catalog)

        assert 1 == len(kept)
        assert kept != [held.connection.info.backend_pid for held in catalog._database._idle]
        assert 2 == len(catalog.runs(state="succeeded"))


def test_many_threads_share_few_connections(catalog, records):
    """Each has one while it writes; only a few are kept."""
    records.record(catalog)
    threads = [threading.Thread(target=records.record, args=(catalog,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 13 == len(catalog.runs(state="succeeded"))
    assert 1 <= len(catalog._database._idle) <= 4


def test_statements_built_for_one_use_do_not_pile_up(catalog, records):
    """What is remembered is bounded."""
    records.record(catalog)
    for number in range(600):
        query = select(t.run.c.id).where(t.run.c.pid == number)
        catalog._database.look(lambda connection, query=query: connection.execute(query))
    (held,) = catalog._database._idle

    assert len(held._compiled) <= 256
