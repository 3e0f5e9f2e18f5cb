"""Values that are made when they are asked for."""

from __future__ import annotations

import pytest

from rootcellar.catalog.drawing.deferred import Deferred, each
from rootcellar.catalog.drawing.table import Column, Table


def test_a_value_is_made_once_and_only_when_it_is_asked_for():
    """Its place may be counted from the end, and a part shares what the whole has made."""
    made = []
    deferred = Deferred([1, 2, 3], lambda one: made.append(one) or [one])

    assert (3, []) == (len(deferred), made)
    assert deferred[-1] is deferred[2] is deferred[1:][1]
    assert [3] == made
    with pytest.raises(IndexError):
        deferred[3]


def test_it_is_as_good_as_a_list():
    """Iteration, parts and comparison."""
    deferred = Deferred(range(5), lambda one: one * one)

    assert [0, 1, 4, 9, 16] == list(deferred)
    assert deferred == [0, 1, 4, 9, 16]
    assert [16, 4] == list(deferred[::-2])[:2]
    assert deferred != [0]


def test_a_table_makes_the_rows_it_shows():
    """Of a long table only the first rows are made to print it."""
    made = []
    items = Deferred(range(1_000), lambda one: made.append(one) or one)
    table = Table((Column("n", "int"),), each(items, lambda one: (one,)), items)

    assert "0" in str(table)
    assert len(made) < 1_000
    assert (1_000, 999) == (len(table), table[-1])
