import datetime as dt

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rootcellar.schemas.errors import ContentError, DeclarationError
from rootcellar.schemas.formats import Csv

SCHEMA = pa.schema(
    [
        pa.field("station", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us", "UTC")),
        pa.field("site", pa.string()),
        pa.field("t2m", pa.float64()),
    ]
)
TABLE = pa.table(
    {
        "station": [1, 2, 3],
        "time": [dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC), None, None],
        "site": ['a, "b"\nc', None, ""],
        "t2m": [1.5, None, float("inf")],
    },
    schema=SCHEMA,
)
TWO = pa.schema([("a", pa.int64()), ("b", pa.float64())])


def write(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("target", [pa.Table, pl.DataFrame, list[dict], dict[str, list]])
@pytest.mark.parametrize(
    "csv", [Csv(SCHEMA), Csv(SCHEMA, delimiter=";"), Csv(SCHEMA, delimiter="\t")]
)
def test_tables_come_back(tmp_path, csv, target):
    """Null and empty strings, quotes, commas and line breaks survive."""
    csv.save(TABLE, tmp_path / "a")
    csv.save(csv.load(tmp_path / "a", target), tmp_path / "b")
    csv.validate(tmp_path / "b")

    assert csv.default_load(tmp_path / "b").equals(TABLE)
    assert csv.load(tmp_path / "b", pa.RecordBatchReader).read_all().equals(TABLE)
    assert csv.describe(tmp_path / "b").row_count == 3


def test_pandas_comes_back(tmp_path):
    """A pandas frame has its types back by the schema."""
    Csv(SCHEMA).save(TABLE, tmp_path / "a")
    frame = Csv(SCHEMA).load(tmp_path / "a", pd.DataFrame)

    Csv(SCHEMA).save(frame, tmp_path / "b")

    assert Csv(SCHEMA).default_load(tmp_path / "b").equals(TABLE)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,b\n1,2\nx,3\n", "CSV column #0: Row #3: .*int64: invalid value 'x'"),
        ("a,b\n1,2\n1\n", "Row #3: Expected 2 columns, got 1"),
        ("a,b\n" + "1,2\n" * 500_000 + "1,x\n", "#500002.*invalid value 'x'"),
        ("a\n1\n", "'b' is missing"),
        ("a,b,c\n1,2,3\n", "'c' is not declared"),
        ("b,a\n1,2\n", "the order is 'b', 'a', expected 'a', 'b'"),
        ("a,a,b\n1,2,3\n", "'a' appears twice"),
        ("a,b\n1,NA\n", "invalid value 'NA'"),
        ('a,b\n1,"2\n', "invalid value"),
        ("", r"it is empty\. Write the names of the columns"),
        ("\n\n", "cannot be read as CSV"),
        (b"a,b\n1,\xff\n", "cannot be read as CSV"),
    ],
)
def test_wrong_files_are_refused_with_the_line(tmp_path, content, problem):
    """Validation and loading say which column, and which line where there is one."""
    path = write(tmp_path, content)

    for read in (Csv(TWO).validate, Csv(TWO).default_load):
        with pytest.raises(ContentError, match=problem) as caught:
            read(path)
        assert str(tmp_path) not in str(caught.value)


def test_without_schema_the_form_is_checked(tmp_path):
    """Types are not held against anything, lines are."""
    Csv().validate(write(tmp_path, "a,b\n" + "1,2\n" * 500_000 + "x,y\n"))
    with pytest.raises(ContentError, match="Row #3: Expected 2 columns"):
        Csv().validate(write(tmp_path, "a,b\n1,2\n1\n"))
    with pytest.raises(ContentError, match="'a' appears twice"):
        Csv().validate(write(tmp_path, "a,a\n1,2\n"))


def test_types_are_inferred_from_the_whole_file(tmp_path):
    """A column that becomes text late is text from the start."""
    path = write(tmp_path, "a\n" + "1\n" * 2_000_000 + "x\n")

    assert Csv().default_load(path).schema == pa.schema([("a", pa.string())])


def test_header_alone_is_a_table(tmp_path):
    """A file with a header has no rows but is whole, unless rows are declared."""
    path = write(tmp_path, "a,b\n")

    Csv(TWO).validate(path)
    assert Csv(TWO).default_load(path).equals(TWO.empty_table())
    assert Csv().preview(path).column_names == ["a", "b"]
    with pytest.raises(ContentError, match="0 rows"):
        Csv(TWO, min_rows=1).validate(path)


def test_nulls(tmp_path):
    """Only the declared words stand for null, and not where none is declared."""
    path = write(tmp_path, 'station,time,site,t2m\n1,,NA,\n2,,"",nan\n')
    schema = pa.schema([pa.field("t2m", pa.float64(), nullable=False)])

    assert Csv(SCHEMA).default_load(path).column("site").to_pylist() == ["NA", ""]
    declared = Csv(SCHEMA, null_values=("", "NA"))
    assert declared.default_load(path).column("site").to_pylist() == [None, ""]
    path = write(tmp_path, "t2m\n1\nNA\n")
    strict = Csv(schema, null_values=("NA",))
    for read in (strict.validate, strict.default_load):
        with pytest.raises(ContentError, match="'t2m' has 1 nulls, expected none"):
            read(path)


def test_files_from_elsewhere(tmp_path):
    """Other encodings and decimal commas are read, but not written."""
    csv = Csv(
        pa.schema([("Höhe", pa.float64()), ("Ort", pa.string())]),
        delimiter=";",
        encoding="latin-1",
        decimal_point=",",
    )
    path = write(tmp_path, "Höhe;Ort\n1,5;Köln\n".encode("latin-1"))

    csv.validate(path)
    assert csv.load(path, list[dict]) == [{"Höhe": 1.5, "Ort": "Köln"}]
    with pytest.raises(ContentError, match="not written in latin-1"):
        csv.save(csv.default_load(path), path)
    with pytest.raises(ContentError, match="decimal point"):
        Csv(delimiter=";", decimal_point=",").save({"a": [1.5]}, path)


@pytest.mark.parametrize(
    "columns", [{"a": [1, None]}, {"a": [[1]]}, {}], ids=["blank line", "nested", "no columns"]
)
def test_what_would_not_come_back_is_not_written(tmp_path, columns):
    """A table that CSV cannot hold is refused."""
    with pytest.raises(ContentError, match="Parquet"):
        Csv().save(columns, tmp_path / "a")


@pytest.mark.parametrize(
    "options",
    [{"delimiter": ""}, {"delimiter": ";;"}, {"delimiter": '"'}, {"delimiter": "é"},
     {"decimal_point": "\n"}, {"decimal_point": ","}, {"encoding": "no-such"}],
)  # fmt: skip
def test_options_are_checked_at_declaration(options):
    """Options that no CSV can have are refused at once."""
    with pytest.raises(DeclarationError):
        Csv(**options)


def test_description_without_schema(tmp_path):
    """A file has no types of its own: columns are strings, and so the fingerprint is stable."""
    first = Csv().describe(write(tmp_path, "a,b\n1,2\n"))
    second = Csv().describe(write(tmp_path, "a,b\nx,y\nz,w\n"))

    assert [column.type for column in first.columns] == ["string", "string"]
    assert first.schema_fingerprint == second.schema_fingerprint
    assert (first.row_count, second.row_count) == (1, 2)


def test_preview_infers(tmp_path):
    """A preview shows the first rows, also of a file that would not validate."""
    assert Csv(TWO).preview(write(tmp_path, "x\n1\n2\n"), rows=1).to_pydict() == {"x": [1]}
