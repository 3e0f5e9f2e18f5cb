"""Bounds of columns, put together from parts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.columns import Bounds, Column, ColumnStatistics, merged_statistics


def told(name="a", **fields):
    """What is known of a column."""
    return ColumnStatistics(name=name, **fields)


@given(st.lists(st.lists(st.none() | st.integers()), min_size=1))
def test_bounds_of_parts_are_those_of_the_whole(parts):
    """Whatever way a column is cut, nulls and bounds are the same."""
    bounds = Bounds()
    for part in parts:
        values = [one for one in part if one is not None]
        bounds.add(
            rows=len(part),
            null_count=len(part) - len(values),
            minimum=min(values, default=None),
            maximum=max(values, default=None),
        )
    every = [one for part in parts for one in part]
    values = [one for one in every if one is not None]

    assert (every.count(None), min(values, default=None), max(values, default=None)) == (
        bounds.null_count,
        bounds.minimum,
        bounds.maximum,
    )


def test_a_part_without_bounds_leaves_the_whole_without():
    """One part that has values and tells no bounds: nothing is said, whatever comes after it."""
    bounds = Bounds()
    for least in (1, None, 3):
        bounds.add(rows=2, null_count=0, minimum=least, maximum=least)

    assert (0, None, None) == (bounds.null_count, bounds.minimum, bounds.maximum)


def test_nulls_that_one_part_does_not_count_are_not_known():
    """A sum of which one part is not known is not known."""
    bounds = Bounds()
    for nulls in (1, None, 3):
        bounds.add(rows=5, null_count=nulls, minimum=1, maximum=1)

    assert bounds.null_count is None


def test_numbers_written_as_text_are_compared_as_numbers():
    """Decimals and infinities stand as text, and are not sorted as text."""
    columns = [Column("d", "decimal128(5, 1)"), Column("f", "double")]
    parts = [
        (1, [told("d", null_count=0, minimum="9.5", maximum="9.5"),
             told("f", null_count=0, minimum="-inf", maximum=2.0)]),
        (1, [told("d", null_count=0, minimum="-10.0", maximum="10.0"),
             told("f", null_count=0, minimum=1.0, maximum="inf")]),
    ]  # fmt: skip

    assert (
        told("d", null_count=0, minimum="-10.0", maximum="10.0"),
        told("f", null_count=0, minimum="-inf", maximum="inf"),
    ) == merged_statistics(columns, parts)


def test_a_column_of_which_one_part_says_nothing_is_left_out():
    """What is known of some members only is not said of the folder."""
    columns = [Column("a", "int64"), Column("b", "int64")]
    parts = [(1, [told("a", null_count=0), told("b", null_count=0)]), (1, [told("b")])]

    assert (told("b"),) == merged_statistics(columns, parts)


def test_a_column_says_its_type_with_its_nullability():
    """The full type tells of what may not be null."""
    assert ("int64", "int64 not null") == (
        Column("a", "int64").full_type,
        Column("a", "int64", nullable=False).full_type,
    )
