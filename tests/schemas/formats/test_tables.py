import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.formats.tables import (
    can_deliver,
    can_tabulate,
    conformed,
    delivered,
    readable,
    tabulated,
)

NOON = dt.datetime(2020, 1, 1, 12)  # noqa: DTZ001  a time without zone is what is tested
UTC_NOON = NOON.replace(tzinfo=dt.UTC)


def one(type_, *, nullable=True):
    return pa.schema([pa.field("a", type_, nullable=nullable)])


@pytest.mark.parametrize(
    "value",
    [
        pa.table({"b": [1.5, 2], "a": [1, 2]}),
        pa.RecordBatch.from_pydict({"b": [1.5, 2], "a": [1, 2]}),
        pd.DataFrame({"b": [1.5, 2], "a": [1, 2]}),
        pl.DataFrame({"b": [1.5, 2], "a": [1, 2]}),
        [{"b": 1.5, "a": 1}, {"a": 2, "b": 2}],
        {"b": (1.5, 2), "a": np.array([1, 2])},
        {"a": pa.array([1, 2]), "b": [1.5, 2]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_all_kinds_of_tables_become_the_declared_one(value):
    """Columns are found by name, ordered and cast to the declared types."""
    schema = pa.schema([("a", pa.int16()), ("b", pa.float32())])

    assert can_tabulate(value)
    assert tabulated(value, schema).equals(pa.table({"a": [1, 2], "b": [1.5, 2]}, schema=schema))


@pytest.mark.parametrize("value", ["a", 3, [1], {"a": 1}, {1: [1]}, pd.Series([1]), None])
def test_what_is_no_table(value):
    """Values without columns are refused by their type."""
    assert not can_tabulate(value)


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (pa.array([1, 2]), pa.int8()),
        (pa.array([1.0]), pa.int64()),
        (pa.array([1.25]), pa.float32()),
        (pa.array([None], pa.null()), pa.string()),
        (pa.array(["a"], pa.large_string()), pa.string()),
        (pa.array(["a"]), pa.dictionary(pa.int8(), pa.string())),
        (pa.array([NOON], pa.timestamp("ns")), pa.timestamp("s")),
        (pa.array([UTC_NOON], pa.timestamp("us", "Europe/Berlin")), pa.timestamp("ms", "UTC")),
        (pa.array([NOON.date()]), pa.timestamp("us")),
        (pa.array([dt.datetime(2020, 1, 1)]), pa.date32()),  # noqa: DTZ001  as above
        (pa.array([dt.timedelta(seconds=1)]), pa.duration("s")),
        (pa.array([decimal.Decimal("1.5")]), pa.decimal128(10, 3)),
        (pa.array([["a"]], pa.large_list(pa.large_string())), pa.list_(pa.string())),
        (pa.array([{"x": 1}]), pa.struct([("x", pa.int8())])),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_casts_that_keep_values(values, type_):
    """What loses nothing is cast without asking."""
    cast = conformed(pa.table({"a": values}), one(type_))

    assert cast.schema == one(type_)
    back = cast.column("a") if values.null_count else cast.column("a").cast(values.type)
    assert back.to_pylist() == values.to_pylist()


@pytest.mark.parametrize(
    ("values", "type_", "problem"),
    [
        ([1.5], pa.int64(), "from double to int64: .*truncated"),
        ([300], pa.int8(), "from int64 to int8"),
        (pa.array([1], pa.timestamp("ns")), pa.timestamp("us"), "would lose data"),
        ([NOON], pa.date32(), "a time of day would be lost"),
        (["007"], pa.int64(), "from string to int64: that would be a guess"),
        ([7], pa.string(), "a guess"),
        ([2], pa.bool_(), "a guess"),
        ([True], pa.int8(), "a guess"),
        ([NOON], pa.timestamp("us", "UTC"), "a guess"),
        ([UTC_NOON], pa.timestamp("us"), "a guess"),
        ([1], pa.timestamp("us"), "a guess"),
        ([["7"]], pa.list_(pa.int8()), "a guess"),
        ([{"x": "7"}], pa.struct([("x", pa.int8())]), "a guess"),
        ([{"x": 7}], pa.struct([("y", pa.int8())]), "a guess"),
    ],
)
def test_casts_that_would_change_values_are_refused(values, type_, problem):
    """Nothing is cut, rounded to whole numbers, parsed, or given a time zone by guess."""
    with pytest.raises(ContentError, match=f"column 'a' .*{problem}"):
        conformed(pa.table({"a": values}), one(type_))


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (NOON, pa.timestamp("us", "UTC")),
        (UTC_NOON, pa.timestamp("us")),
        (1, pa.timestamp("us")),
        ("1", pa.int64()),
        (1.5, pa.int64()),
        (NOON, pa.date32()),
        ([1.5], pa.list_(pa.int64())),
        ({"x": 1.5}, pa.struct([("x", pa.int64())])),
        ({"x": 1, "y": 2}, pa.struct([("x", pa.int64())])),
        ({"x": 1.5}, pa.map_(pa.string(), pa.int64())),
        (object(), pa.int64()),
        (2**70, pa.int64()),
    ],
)
def test_plain_values_are_held_to_the_same_rules(value, type_):
    """Rows and columns of Python values are not treated more lightly than tables."""
    for table in ([{"a": value}], {"a": [value]}):
        with pytest.raises(ContentError, match="column 'a'"):
            tabulated(table, one(type_))


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (decimal.Decimal("1.50"), pa.decimal128(10, 2)),
        ([], pa.list_(pa.int64())),
        ([1, None], pa.list_(pa.int8())),
        ({"x": 1}, pa.struct([("x", pa.int8()), ("y", pa.string())])),
        (b"a", pa.large_binary()),
        (1.5, pa.float16()),
        (dt.time(1), pa.time32("s")),
        (7, pa.dictionary(pa.int8(), pa.int64())),
    ],
    ids=str,
)
def test_plain_values_take_the_declared_type(value, type_):
    """What fits is written as declared, nested values too."""
    table = tabulated([{"a": value}, {"a": None}], one(type_))

    assert table.schema == one(type_)
    expected = {"x": 1, "y": None} if value == {"x": 1} else value
    assert table.column("a").to_pylist() == [expected, None]


def test_not_a_number_stays_one_but_in_pandas():
    """NaN in Python values is a number; in pandas it is its null."""
    assert tabulated([{"a": float("nan")}], one(pa.float64())).column("a").null_count == 0
    assert tabulated(pd.DataFrame({"a": [np.nan]}), one(pa.float64())).column("a").null_count == 1


def test_pandas_times_take_the_declared_unit():
    """Whatever unit pandas has chosen, the declared one is written."""
    for unit in ("s", "ms", "us", "ns"):
        frame = pd.DataFrame({"a": pd.to_datetime(["2020-01-01"], utc=True).as_unit(unit)})

        assert tabulated(frame, one(pa.timestamp("us", "UTC"))).schema == one(
            pa.timestamp("us", "UTC")
        )


def test_pandas_integers_with_gaps_are_integers():
    """The frame turns integers with gaps into floats; they are written as declared."""
    frame = pd.DataFrame({"a": [1, None]})

    assert tabulated(frame, one(pa.int64())).column("a").to_pylist() == [1, None]


@pytest.mark.parametrize("kept", [[0, 1, 3], [0, 2], [2, 3], []])
def test_row_numbers_are_dropped_whatever_a_filter_left(kept):
    """Integers without a name number rows; they are no column, evenly spaced or not."""
    frame = pd.DataFrame({"a": [1, 2, 3, 4]}).loc[kept]

    assert tabulated(frame, one(pa.int64())).num_rows == len(kept)


@pytest.mark.parametrize("labels", [[5, 6, 7], [5, 6, 9]])
def test_named_index_is_a_column(labels):
    """An index with a name is written where declared, and never lost unseen."""
    frame = pd.DataFrame({"a": [1, 2, 3]}).set_index(pd.Index(labels, name="i"))

    declared = pa.schema([("i", pa.int64()), ("a", pa.int64())])
    assert tabulated(frame, declared).column("i").to_pylist() == labels
    with pytest.raises(ContentError, match="'i' is not declared"):
        tabulated(frame, one(pa.int64()))


def test_index_of_labels_without_a_name_is_not_lost_unseen():
    """Times or texts that label rows must be given a name, or dropped by hand."""
    frame = pd.DataFrame({"a": [1]}, index=pd.to_datetime(["2020-01-01"]))

    with pytest.raises(ContentError, match="'__index_level_0__' is not declared"):
        tabulated(frame, one(pa.int64()))


def test_nulls_where_none_are_declared():
    """A null in a column declared without is refused and counted."""
    with pytest.raises(ContentError, match="column 'a' has 2 nulls, expected none"):
        tabulated({"a": [1, None, None]}, one(pa.int64(), nullable=False))


def test_rows_are_not_cut_to_the_first_ones_names():
    """Names that only later rows have are columns too; pyarrow itself would drop them."""
    assert tabulated([{"a": 1}, {"b": 2}], None).to_pydict() == {"a": [1, None], "b": [None, 2]}
    with pytest.raises(ContentError, match="'b' is not declared"):
        tabulated([{"a": 1}, {"b": 2}], one(pa.int64()))


def test_no_rows():
    """No rows are a table if columns are declared."""
    assert tabulated([], one(pa.int64())).equals(one(pa.int64()).empty_table())
    with pytest.raises(ContentError, match="no columns"):
        tabulated([], None)


def test_columns_of_different_lengths():
    """A dict whose columns do not fit each other is refused."""
    with pytest.raises(ContentError, match="cannot be made a table"):
        tabulated({"a": [1], "b": [1, 2]}, None)


def test_pandas_frame_with_mixed_values():
    """What pandas cannot hand over is our error too."""
    with pytest.raises(ContentError, match="cannot be made a table"):
        tabulated(pd.DataFrame({"a": [1, "x", object()]}), None)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (list[dict], [{"a": 1}]),
        (list[dict[str, Any]], [{"a": 1}]),
        (dict[str, list], {"a": [1]}),
        (dict[str, list[int]], {"a": [1]}),
    ],
)
def test_tables_are_delivered_as_python_values(target, expected):
    """Rows and columns are what their annotations say."""
    assert can_deliver(target)
    assert delivered(pa.table({"a": [1]}), target) == expected


@pytest.mark.parametrize(
    "target", [dict, list, list[int], dict[int, list], dict[str, int], int, Path]
)
def test_what_tables_are_not_delivered_as(target):
    """Annotations that do not say rows or columns are left to others."""
    assert not can_deliver(target)


def test_errors_of_the_file_system_pass_through():
    """A disk that fails is not taken for damaged content."""
    with pytest.raises(FileNotFoundError), readable(Path("a"), "x"):
        Path("/nonexistent/a").read_bytes()
