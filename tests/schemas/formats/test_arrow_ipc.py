import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pytest

from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.formats import ArrowIpc

SCHEMA = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string())])
TABLE = pa.table({"a": range(10), "b": ["x", None] * 5}, schema=SCHEMA)


def write(path, table, compression=None, chunk=3):
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(path, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=chunk)


@pytest.mark.parametrize(
    "target", [pa.Table, pd.DataFrame, pl.DataFrame, list[dict], dict[str, list]]
)
def test_tables_come_back(tmp_path, target):
    """What is loaded as any type and saved again is the same table."""
    arrow = ArrowIpc(SCHEMA)

    arrow.save(TABLE, tmp_path / "a")
    arrow.save(arrow.load(tmp_path / "a", target), tmp_path / "b")
    arrow.validate(tmp_path / "b")

    assert arrow.default_load(tmp_path / "b").equals(TABLE)


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_description_and_parts(tmp_path, compression):
    """Rows are counted over all record batches, compressed or not."""
    write(tmp_path / "a", TABLE, compression)

    assert ArrowIpc().describe(tmp_path / "a").row_count == 10
    assert ArrowIpc(SCHEMA).load(tmp_path / "a", pa.RecordBatchReader).read_all().equals(TABLE)
    assert ArrowIpc().preview(tmp_path / "a", rows=4).equals(TABLE.slice(0, 4))


def test_columns_are_not_read_for_validation_and_description(tmp_path):
    """With the bodies of all record batches destroyed both give what they gave."""
    path = tmp_path / "a"
    table = pa.table({"a": pa.array([0x7A7A7A7A7A7A7A7A] * 1000)})
    write(path, table, "zstd", chunk=500)
    content = path.read_bytes()
    before = ArrowIpc(table.schema).describe(path)
    magic = b"\x28\xb5\x2f\xfd"  # begins every zstd frame
    assert content.count(magic) == 2
    path.write_bytes(content.replace(magic, b"\xff" * 4))

    ArrowIpc(table.schema, min_rows=1000).validate(path)
    assert ArrowIpc(table.schema).describe(path) == before
    with pytest.raises(ContentError, match="cannot be read as an Arrow IPC file"):
        ArrowIpc(table.schema).default_load(path)


def test_nulls_are_found(tmp_path):
    """A column declared without nulls has none."""
    write(tmp_path / "a", pa.table({"a": [1, 2], "b": ["x", None]}))
    ArrowIpc(SCHEMA).validate(tmp_path / "a")

    write(tmp_path / "a", pa.table({"a": [1, None], "b": ["x", None]}))
    with pytest.raises(ContentError, match="'a' has 1 nulls"):
        ArrowIpc(SCHEMA).validate(tmp_path / "a")


def test_wrong_schema_is_named(tmp_path):
    """The error says which columns, what was expected and what was found."""
    write(tmp_path / "a", pa.table({"b": ["x"], "a": ["y"]}))

    with pytest.raises(ContentError, match="'a' is string, expected int64; the order is 'b', 'a'"):
        ArrowIpc(SCHEMA).validate(tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"a,b\n" * 20])
def test_what_is_no_arrow_file_is_refused(tmp_path, content):
    """Empty, cut off or foreign files are refused, without the host's path."""
    path = tmp_path / "a"
    path.write_bytes(content)

    for read in (ArrowIpc().validate, ArrowIpc().describe, ArrowIpc().default_load):
        with pytest.raises(ContentError) as caught:
            read(path)
        assert str(tmp_path) not in str(caught.value)


def test_parts_with_dictionaries_of_their_own(tmp_path):
    """Categories that differ from part to part are written as one."""
    parts = [pa.array([word]).dictionary_encode() for word in ("x", "y")]
    table = pa.table({"a": pa.chunked_array(parts)})

    ArrowIpc().save(table, tmp_path / "a")

    assert ArrowIpc().default_load(tmp_path / "a").to_pydict() == {"a": ["x", "y"]}


def test_number_of_rows(tmp_path):
    """Fewer rows than declared are refused."""
    ArrowIpc().save(TABLE, tmp_path / "a")

    ArrowIpc(min_rows=10).validate(tmp_path / "a")
    with pytest.raises(ContentError, match="10 rows, expected 11"):
        ArrowIpc(min_rows=11).validate(tmp_path / "a")


def test_loaded_table_outlives_its_file(tmp_path):
    """A file that is unlinked takes nothing from a table that was loaded."""
    ArrowIpc().save(TABLE, tmp_path / "a")
    loaded = ArrowIpc().default_load(tmp_path / "a")

    (tmp_path / "a").unlink()

    assert loaded.equals(TABLE)
