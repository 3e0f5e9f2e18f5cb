"""What a Parquet footer says of columns, as values that JSON has."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootcellar.schemas.columns import ColumnStatistics
from rootcellar.schemas.formats import Folder, Parquet

INSTANT = datetime(2026, 5, 1, 12, 0, 0, 7, tzinfo=UTC)


def told(path, *arrays, **options):
    """What a file with these columns says of them."""
    table = pa.table({f"c{number}": one for number, one in enumerate(arrays)})
    pq.write_table(table, path / "table.parquet", **options)
    return Parquet().describe(path / "table.parquet").statistics


@pytest.mark.parametrize(
    ("array", "least", "greatest"),
    [
        (pa.array([3, None, -2]), -2, 3),
        (pa.array([1, 2**64 - 1], pa.uint64()), 1, 2**64 - 1),
        (pa.array([1.5, float("nan"), -0.5]), -0.5, 1.5),
        (pa.array([float("inf"), float("-inf")]), "-inf", "inf"),
        (pa.array([0.0, -0.0]), 0.0, 0.0),
        (pa.array([True, False]), False, True),
        (pa.array(["b", "a\0"]), "a\0", "b"),
        (pa.array(["b", "a"]).dictionary_encode(), "a", "b"),
        (pa.array(["x" * 70]), "x" * 64 + "…", "x" * 64 + "…"),
        (pa.array([Decimal("9.5"), Decimal("-10.0")]), "-10.0", "9.5"),
        (pa.array([date(2026, 5, 1)]), "2026-05-01", "2026-05-01"),
        (pa.array([date(2026, 5, 1)], pa.date64()), "2026-05-01", "2026-05-01"),
        (pa.array([INSTANT]), *2 * ["2026-05-01T12:00:00.000007Z"]),
        (pa.array([INSTANT.replace(tzinfo=None)]), *2 * ["2026-05-01T12:00:00.000007"]),
        (pa.array([1], pa.timestamp("ns")), *2 * ["1970-01-01T00:00:00.000000001"]),
        (pa.array([1], pa.timestamp("s", "Europe/Berlin")), *2 * ["1970-01-01T00:00:01.000Z"]),
        (pa.array([1], pa.time32("s")), *2 * ["00:00:01.000"]),
        (pa.array([1], pa.time64("ns")), *2 * ["00:00:00.000000001"]),
        (pa.array([1, 7], pa.duration("ns")), 1, 7),
    ],
)  # fmt: skip
def test_bounds_of_each_type(tmp_path, array, least, greatest):
    """Numbers stay numbers, times are ISO texts, decimals and infinities texts, texts are cut."""
    (one,) = told(tmp_path, array)

    assert ColumnStatistics(
        name="c0", null_count=array.null_count, minimum=least, maximum=greatest
    ) == (one)
    assert str(least) == str(one.minimum)  # nor minus zero
    assert one.minimum == json.loads(json.dumps(one.minimum, allow_nan=False))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([b"\xff", b"a"]),
        pa.array([b"ab"], pa.binary(2)),
        pa.array([float("nan")]),
        pa.array([None, None], pa.int32()),
        pa.array([-(10**14)], pa.timestamp("s")),
        pa.array([10**12], pa.timestamp("s")),
    ],
)
def test_values_without_bounds(tmp_path, array):
    """Of bytes, of NaN, of nothing and of years beyond the calendar no bounds are told."""
    (one,) = told(tmp_path, array)

    assert (array.null_count, None, None) == (one.null_count, one.minimum, one.maximum)


def test_nan_that_a_writer_took_for_a_bound_is_none(tmp_path):
    """The format forbids it, and some writers did: then nothing is said."""
    path = tmp_path / "table.parquet"
    told(tmp_path, pa.array([-12345.678, 1.0]))
    data, _, footer = path.read_bytes().partition(b"ARROW:schema")
    at = data.rfind(struct.pack("<d", -12345.678))
    spoilt = data[:at] + struct.pack("<d", math.nan) + data[at + 8 :]
    path.write_bytes(spoilt + b"ARROW:schema" + footer)

    (one,) = Parquet().describe(path).statistics

    assert (0, None, None) == (one.null_count, one.minimum, one.maximum)


def test_text_that_is_no_text_has_no_bounds(tmp_path):
    """Bytes that were written as text and are none do not stop the description."""
    broken = pa.StringArray.from_buffers(
        1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")
    )

    assert [None] == [one.minimum for one in told(tmp_path, broken)]


def test_nested_columns_are_left_out_and_the_others_keep_their_own(tmp_path):
    """What stands beside lists, structs and maps is told of the right column."""
    pairs = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))
    struct = pa.array([{"x": 5, "y": {"z": "w"}}])

    found = told(tmp_path, pa.array([1]), pa.array([[2]]), struct, pairs, pa.array([3]))

    assert [("c0", 1), ("c4", 3)] == [(one.name, one.minimum) for one in found]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=20), st.integers(1, 5))
def test_row_groups_are_put_together(tmp_path_factory, values, size):
    """However many row groups a file has, the bounds are those of all its values."""
    path = tmp_path_factory.mktemp("groups")
    known = [one for one in values if one is not None]

    (one,) = told(path, pa.array(values, pa.int64()), row_group_size=size)

    assert (values.count(None), min(known, default=None), max(known, default=None)) == (
        one.null_count,
        one.minimum,
        one.maximum,
    )


def test_a_file_written_without_statistics_tells_none(tmp_path):
    """Writers may leave them out."""
    (one,) = told(tmp_path, pa.array([1]), write_statistics=False)

    assert ColumnStatistics(name="c0") == one


def test_wide_tables_are_told_of_in_part(tmp_path):
    """At most 200 columns, fewer with many row groups, and none with monstrous names."""
    many = [pa.array([1, 2])] * 210
    monster = pa.table({"x" * 201: [1], "y" * 200: [1]})
    pq.write_table(monster, tmp_path / "monster.parquet")

    assert 200 == len(told(tmp_path, *many))
    assert 100 == len(told(tmp_path, *[pa.array([1] * 100)] * 200, row_group_size=1))
    assert ["y" * 200] == [
        one.name for one in Parquet().describe(tmp_path / "monster.parquet").statistics
    ]


def test_members_of_a_folder_are_put_together(tmp_path):
    """A dataset's bounds are those of all members; a member without rows changes nothing."""
    for name, values in {"a": [5, None], "b": [], "c": [-3]}.items():
        pq.write_table(pa.table({"n": pa.array(values, pa.int64())}), tmp_path / f"{name}.parquet")

    found = Folder("*.parquet", member=Parquet()).describe(tmp_path)

    assert (ColumnStatistics(name="n", null_count=1, minimum=-3, maximum=5),) == found.statistics


def test_members_with_other_columns_have_no_common_statistics(tmp_path):
    """Where the columns of members differ, nothing is said of the folder's."""
    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"n": [1.5]}), tmp_path / "b.parquet")

    found = Folder("*.parquet", member=Parquet()).describe(tmp_path)

    assert ((), ()) == (found.columns, found.statistics)


def test_times_need_no_pandas(tmp_path):
    """Nanoseconds are told without the import of pandas, which takes half a second."""
    columns = {
        "at": pa.array([1], pa.timestamp("ns")),
        "of": pa.array([1], pa.time64("ns")),
        "cost": pa.array([Decimal("1.5")]),
        "day": pa.array([date(2026, 5, 1)]),
        "name": pa.array(["x"]),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    script = (
        "import sys, pathlib; from rootcellar.schemas.formats import Parquet;"
        "print(Parquet().describe(pathlib.Path(sys.argv[1])).statistics[0].minimum,"
        " 'pandas' in sys.modules)"
    )

    said = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "t.parquet"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "1970-01-01T00:00:00.000000001 False" == said.stdout.strip()
