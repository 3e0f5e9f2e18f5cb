"""Datasets: the same from local files and from a stream, and of that only what is asked for."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from rootcellar.schemas.errors import BindingError, ContentError, ObjectChanged
from rootcellar.schemas.formats import ArrowIpc, Csv, File, Folder, Parquet
from rootcellar.schemas.formats.datasets import (
    local_dataset,
    streamed_content,
    streamed_dataset,
)

SCHEMA = pa.schema([("n", pa.int64()), ("name", pa.string())])
TABLE = pa.table({"n": list(range(1000)), "name": [f"x{n}" for n in range(1000)]}, schema=SCHEMA)
FORMATS = [
    Parquet(SCHEMA),
    Parquet(),
    ArrowIpc(SCHEMA),
    Csv(SCHEMA),
    Csv(SCHEMA, delimiter=";", encoding="latin-1"),
]


@dataclass
class Source:
    """A stream over local files that tells what was read of them."""

    files: dict[str, bytes]
    opened: list[str] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    error: Exception | None = None

    def sizes(self):
        return {name: len(content) for name, content in self.files.items()}

    def open(self, member=""):
        return io.BufferedReader(self.open_raw(member))

    def open_raw(self, member="", *, reads_ahead=True):
        self.opened.append(member)
        return Told(self.files[member], self)


class Told(io.BytesIO):
    def __init__(self, content, source):
        super().__init__(content)
        self.source = source

    def read(self, size=-1):
        if self.source.error is not None:
            raise self.source.error
        content = super().read(size)
        self.source.read.append(len(content))
        return content


def written(file_format, tmp_path, table=TABLE):
    path = tmp_path / "table"
    if getattr(file_format, "encoding", "") == "latin-1":
        lines = [f"{n};{name}" for n, name in zip(*table.to_pydict().values(), strict=True)]
        path.write_text("\n".join(["n;name", *lines]), encoding="latin-1")
    else:
        file_format.save(table, path)
    return path


@pytest.mark.parametrize("file_format", FORMATS, ids=repr)
def test_a_stream_gives_what_a_file_gives(file_format, tmp_path):
    """As a dataset and loaded, whole and in part."""
    path = written(file_format, tmp_path)
    source = Source({"": path.read_bytes()})
    local, streamed = local_dataset(file_format, path), streamed_dataset(file_format, source)
    wanted = {"columns": ["n"], "filter": ds.field("n") >= 990}

    assert TABLE == local.to_table() == streamed.to_table()
    assert list(range(990, 1000)) == streamed.to_table(**wanted)["n"].to_pylist()
    assert TABLE == streamed_content(file_format, source, None)
    assert TABLE.to_pylist() == streamed_content(file_format, source, list[dict])
    assert TABLE == streamed_content(file_format, source, pa.RecordBatchReader).read_all()
    assert 1000 == streamed_content(file_format, source, ds.Dataset).count_rows()


def test_of_a_wide_table_one_column_is_read():
    """Few requests, and few bytes of many; and rows are counted once each."""
    sink = io.BytesIO()
    rows = range(20_000)
    wide = pa.table({f"c{n}": [float(n * row) for row in rows] for n in range(50)})
    pq.write_table(wide, sink, row_group_size=5_000, compression="none", use_dictionary=False)
    source = Source({"": sink.getvalue()})

    dataset = streamed_dataset(Parquet(), source)
    found = dataset.to_table(columns=["c7"])

    assert 20_000 == dataset.count_rows() == dataset.scanner(columns=["c7"]).count_rows()
    assert wide.select(["c7"]) == found
    assert 10 >= len(source.read)
    assert len(sink.getvalue()) / 10 > sum(source.read)


def test_of_a_folder_the_members_that_are_asked_for(tmp_path):
    """One dataset; making it reads the first member's footer and nothing else."""
    parts = {}
    for name in ("a", "b", "c"):
        path = tmp_path / f"{name}.parquet"
        Parquet(SCHEMA).save(TABLE, path)
        parts[f"year/{name}.parquet"] = path.read_bytes()
    source = Source(parts)
    found = streamed_dataset(Folder("**/*.parquet", member=Parquet(SCHEMA)), source)
    first = set(source.opened)
    head = found.head(1)

    assert {"year/a.parquet"} == first
    assert TABLE.slice(0, 1) == head
    assert 3000 == found.count_rows()
    assert pa.concat_tables([TABLE] * 3) == found.to_table()


def test_a_local_folder(tmp_path):
    """As a stream, through the same method of a handle."""
    for name in ("a", "b"):
        Csv(SCHEMA).save(TABLE, tmp_path / f"{name}.csv")

    found = local_dataset(Folder("*.csv", member=Csv(SCHEMA)), tmp_path)

    assert 2000 == found.count_rows()


def test_files_that_are_not_declared_are_refused(tmp_path):
    """In a stream as in a folder: by the names alone."""
    source = Source({"a.parquet": b"", "notes.txt": b""})

    with pytest.raises(ContentError, match=r"'notes.txt' does not match '\*.parquet'"):
        streamed_dataset(Folder("*.parquet", member=Parquet()), source)
    with pytest.raises(ContentError, match="it has 0 files"):
        streamed_dataset(Folder("*.parquet", member=Parquet()), Source({}))


@pytest.mark.parametrize("file_format", [Parquet(SCHEMA), ArrowIpc(SCHEMA), Csv(SCHEMA)], ids=repr)
def test_other_columns_are_refused(file_format, tmp_path):
    """When the dataset is made, not when it is read."""
    other = pa.table({"n": [1], "town": ["x"]})
    path = written(type(file_format)(), tmp_path, other)

    with pytest.raises(ContentError, match="town"):
        streamed_dataset(file_format, Source({"": path.read_bytes()}))
    with pytest.raises(ContentError, match="town"):
        local_dataset(file_format, path)


@pytest.mark.parametrize("file_format", [Parquet(), ArrowIpc()], ids=repr)
def test_damage_is_wrong_content(file_format, tmp_path):
    """And no path of this host stands in the error."""
    path = tmp_path / "x"
    path.write_bytes(b"not a table, but long enough to be looked at")

    for make in (
        lambda: local_dataset(file_format, path),
        lambda: streamed_dataset(file_format, Source({"": path.read_bytes()})),
    ):
        with pytest.raises(ContentError, match="cannot be read as") as raised:
            make()
        assert str(tmp_path) not in str(raised.value)


def test_the_stores_error_stays_itself(tmp_path):
    """Through pyarrow's threads and back, while the dataset is made and while it is read."""
    source = Source({"": written(Parquet(), tmp_path).read_bytes()})
    found = streamed_dataset(Parquet(), source)
    source.error = ObjectChanged("replaced", "W(1)", "raw://w/1", "Run again")

    with pytest.raises(ObjectChanged) as raised:
        found.to_table()
    with pytest.raises(ObjectChanged):
        streamed_dataset(Parquet(), source)

    assert ("W(1)", "Run again") == (raised.value.artifact, raised.value.remedy)


@pytest.mark.parametrize("file_format", [File(), Folder()], ids=repr)
def test_what_is_no_table_is_no_dataset(file_format, tmp_path):
    """The error names the format and the way out."""
    with pytest.raises(BindingError, match=r"which is no table.*\.open\(\)"):
        streamed_dataset(file_format, Source({"": b""}))


def test_a_target_that_no_table_has():
    """Is refused before much is read."""
    with pytest.raises(BindingError, match="not read from a stream"):
        streamed_content(Parquet(), Source({"": b""}), bytes)
