import datetime as dt

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from rootcellar.schemas.errors import BindingError, ContentError
from rootcellar.schemas.formats import Parquet

SCHEMA = pa.schema(
    [
        pa.field("station", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us", "UTC")),
        pa.field("site", pa.string()),
    ]
)
TABLE = pa.table(
    {"station": [1, 2], "time": [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * 2, "site": ["a", None]},
    schema=SCHEMA,
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.parquet"
    Parquet(SCHEMA).save(TABLE, path)
    return path


def damage(path):
    """Overwrite everything between the first magic and the footer."""
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little") + 8
    content[4:-footer] = b"\xff" * (len(content) - footer - 4)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "target", [pa.Table, pd.DataFrame, pl.DataFrame, list[dict], dict[str, list]]
)
def test_tables_come_back(tmp_path, path, target):
    """What is loaded as any type and saved again is the same table."""
    parquet, again = Parquet(SCHEMA), tmp_path / "again.parquet"

    loaded = parquet.load(path, target)
    assert isinstance(loaded, getattr(target, "__origin__", target))
    parquet.save(loaded, again)
    parquet.validate(again)

    assert parquet.default_load(again).equals(TABLE)


def test_pandas_comes_back_with_its_index(tmp_path):
    """Without a schema pandas' own notes are kept, and the index with them."""
    frame = pd.DataFrame({"a": [1.5, 2]}, index=pd.Index(["x", "y"], name="i"))

    Parquet().save(frame, tmp_path / "a")

    pd.testing.assert_frame_equal(Parquet().load(tmp_path / "a", pd.DataFrame), frame)


@pytest.mark.parametrize(
    "type_",
    [pa.timestamp("s"), pa.time32("s"), pa.duration("s"), pa.date64(), pa.large_string(),
     pa.dictionary(pa.int8(), pa.int64()), pa.float16(), pa.list_(pa.large_string()), pa.uint32()],
    ids=str,
)  # fmt: skip
def test_types_that_parquet_stores_as_others(tmp_path, type_):
    """A type that comes back from Parquet as another one is still the declared one."""
    schema = pa.schema([("a", type_)])

    Parquet(schema).save(schema.empty_table(), tmp_path / "a")
    Parquet(schema).validate(tmp_path / "a")

    assert Parquet(schema).default_load(tmp_path / "a").schema == schema


def test_footer_is_enough_for_validation_and_description(path):
    """Neither reads the columns: with all row groups destroyed both give what they gave."""
    before = Parquet(SCHEMA).describe(path)
    damage(path)

    Parquet(SCHEMA).validate(path)
    assert Parquet(SCHEMA).describe(path) == before
    with pytest.raises(ContentError, match=r"cannot be read as Parquet: .*Write it again"):
        Parquet(SCHEMA).default_load(path)


def test_description(path):
    """Rows, size and columns are the footer's."""
    description = Parquet().describe(path)

    assert description.row_count == 2
    assert description.size_bytes == path.stat().st_size
    assert [column.name for column in description.columns] == SCHEMA.names
    assert description.members is None


def test_wrong_schema_is_named(tmp_path):
    """The error says which columns, what was expected and what was found."""
    path = tmp_path / "a"
    pd.DataFrame({"station": [1.5], "site": ["a"], "x": [1]}).to_parquet(path)

    for read in (Parquet(SCHEMA).validate, Parquet(SCHEMA).default_load):
        with pytest.raises(ContentError) as caught:
            read(path)
        assert caught.value.problem == (
            "its columns are not the declared ones: 'time' is missing; 'x' is not declared;"
            " 'station' is double, expected int64"
        )


def test_polars_own_files_fit(tmp_path):
    """A body may write with polars, which stores strings its own way."""
    pl.from_arrow(TABLE).write_parquet(tmp_path / "a")

    Parquet(SCHEMA).validate(tmp_path / "a")

    assert Parquet(SCHEMA).default_load(tmp_path / "a").equals(TABLE)


@pytest.mark.parametrize("name", ["a", "a.b"])
@pytest.mark.parametrize("statistics", [True, False])
def test_nulls_are_found_with_and_without_statistics(tmp_path, statistics, name):
    """A column declared without nulls has none, whether or not the footer counts them."""
    path, declared = tmp_path / "a", pa.schema([pa.field(name, pa.int64(), nullable=False)])
    pq.write_table(pa.table({name: [1, 2]}), path, write_statistics=statistics)
    Parquet(declared).validate(path)

    pq.write_table(pa.table({name: [1, None]}), path, write_statistics=statistics)
    with pytest.raises(ContentError, match=f"'{name}' has 1 nulls, expected none"):
        Parquet(declared).validate(path)


def test_null_in_an_element_is_not_a_null_in_the_column(tmp_path):
    """Only the declared column counts, not what its values hold."""
    declared = pa.schema([pa.field("a", pa.list_(pa.int64()), nullable=False)])
    pq.write_table(pa.table({"a": [[1, None], []]}), tmp_path / "a")

    Parquet(declared).validate(tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n" * 10])
def test_what_is_no_parquet_is_refused(tmp_path, content):
    """Empty, cut off or foreign files are refused, without the host's path."""
    path = tmp_path / "a"
    path.write_bytes(content)

    for read in (Parquet().validate, Parquet().describe, Parquet().default_load, Parquet().preview):
        with pytest.raises(ContentError) as caught:
            read(path)
        assert str(tmp_path) not in str(caught.value)


def test_cut_off_file_is_refused(path):
    """A file whose writer died has no footer."""
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(ContentError, match="cannot be read as Parquet"):
        Parquet().validate(path)


def test_number_of_rows(tmp_path):
    """A table without rows is one, unless more are declared."""
    path = tmp_path / "a"
    Parquet(SCHEMA).save(SCHEMA.empty_table(), path)

    Parquet(SCHEMA).validate(path)
    with pytest.raises(ContentError, match="it has 0 rows, expected 1 or more"):
        Parquet(SCHEMA, min_rows=1).validate(path)


def test_lazy_targets(path):
    """Datasets and readers have the declared columns."""
    dataset = Parquet(SCHEMA).load(path, ds.Dataset)
    reader = Parquet(SCHEMA).load(path, pa.RecordBatchReader)

    assert dataset.to_table(filter=ds.field("station") == 2).num_rows == 1
    assert dataset.schema == SCHEMA == reader.schema
    assert reader.read_all().equals(TABLE)
    assert Parquet().load(path, ds.Dataset).count_rows() == 2
    assert Parquet().load(path, pa.RecordBatchReader).read_all().equals(TABLE)


def test_preview_shows_wrong_files_too(path):
    """A preview is for looking at, also at what would not validate."""
    preview = Parquet(pa.schema([("other", pa.int8())])).preview(path, rows=1)

    assert preview.equals(TABLE.slice(0, 1))


def test_preview_of_no_rows(tmp_path):
    """A table without rows shows its columns."""
    Parquet().save(SCHEMA.empty_table(), tmp_path / "a")

    assert Parquet().preview(tmp_path / "a").schema == SCHEMA


def test_other_types_are_refused(tmp_path, path):
    """Only tables are tables; a path is copied."""
    Parquet().save(path, tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == path.read_bytes()
    assert not Parquet().can_load(dict)
    assert not Parquet().can_save("a")
    with pytest.raises(BindingError, match=r"Parquet cannot be loaded as str\. .*pandas.DataFrame"):
        Parquet().load(path, str)
    with pytest.raises(ContentError, match="int cannot be saved as Parquet"):
        Parquet().save(3, path)


def test_type_that_parquet_lacks(tmp_path):
    """What Parquet has no words for is our error."""
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])

    with pytest.raises(ContentError, match="cannot be written as Parquet"):
        Parquet().save(pa.table({"a": union}), tmp_path / "a")
