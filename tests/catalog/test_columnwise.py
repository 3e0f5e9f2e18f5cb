"""columnwise: columns are the rows that SQLAlchemy would give, turned by a quarter."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Integer, Text, literal, literal_column, select, union_all
from sqlalchemy.exc import DBAPIError

from rootcellar.catalog import tables as t
from rootcellar.catalog.columnwise import columns_of

SLOW = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
pairs = st.lists(st.tuples(st.none() | st.integers(-5, 5), texts), min_size=1, max_size=9)


def both_ways(catalog, query):
    """What SQLAlchemy's rows hold, and the columns."""

    def read(connection):
        rows = [tuple(row) for row in connection.execute(query)]
        return rows, columns_of(connection, query)

    catalog.types()  # makes the tables
    return catalog._database.read(read)


@SLOW
@given(pairs=pairs)
def test_columns_are_the_rows_of_sqlalchemy(catalog, pairs):
    """Whatever the values, in both databases, in the order of the query."""
    parts = [
        select(
            literal(place, Integer).label("place"),
            literal(number, Integer).label("number"),
            literal(word, Text).label("word"),
        )
        for place, (number, word) in enumerate(pairs)
    ]
    query = union_all(*parts).order_by(literal_column("place").desc())

    expected, found = both_ways(catalog, query)

    assert ["place", "number", "word"] == list(found)
    assert expected == list(zip(*found.values(), strict=True))


@pytest.mark.parametrize("count", [0, 1, 299, 300, 301, 1000])
def test_no_row_is_lost_between_blocks(catalog, records, count):
    """Rows are fetched in blocks; as many come as there are, none twice."""
    for _ in range(10):
        records.record(catalog)
    one, two, three = (t.run.alias(name) for name in ("one", "two", "three"))
    ids = one.c.id.label("a"), two.c.id.label("b"), three.c.id.label("c")
    every = select(*ids).select_from(one).join(two, two.c.id > 0).join(three, three.c.id > 0)

    expected, found = both_ways(catalog, every.order_by(*ids).limit(count))

    assert count == len(expected)
    assert expected == list(zip(*found.values(), strict=True))


def test_an_error_on_the_way_is_sqlalchemys(sqlite_url, records):
    """A database that breaks off between rows is told of like one that refuses the query."""
    from rootcellar.catalog.catalog import Catalog

    def fail(connection):
        connection.connection.driver_connection.create_function("broken", 1, lambda _: 1 / 0)
        columns_of(connection, select(literal_column("broken(id)")).select_from(t.run))

    with Catalog(sqlite_url) as catalog:
        records.record(catalog)

        with pytest.raises(DBAPIError), catalog._database.engine.connect() as connection:
            fail(connection)
        assert 1 == len(catalog.runs())
