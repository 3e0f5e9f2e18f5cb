from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootcellar.catalog.drawing.lettering import columns_wide
from rootcellar.catalog.drawing.table import Column, Table, table_of
from rootcellar.schemas.errors import CatalogError, NotInCatalog

NOON = datetime(2026, 11, 14, 12, 0, 0, 123456, tzinfo=UTC)
DIGEST = "sha256:" + "3f9a1c2b" * 8
COLUMNS = (
    Column("name", "str"),
    Column("count", "int"),
    Column("seconds", "float"),
    Column("current", "bool"),
    Column("made_at", "time"),
    Column("arguments", "json"),
)
TYPES = [
    pa.string(),
    pa.int64(),
    pa.float64(),
    pa.bool_(),
    pa.timestamp("us", tz="UTC"),
    pa.string(),
]
FULL = ("Weather(3)", 2**60 + 1, 1.5, True, NOON, {"tilt": 30, "b": [1, None]})
EMPTY = (None,) * 6


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """Give every test the same terminal."""
    monkeypatch.setenv("COLUMNS", "100")


def test_items_are_what_a_table_iterates():
    """With items, iteration and indexing give them; a slice is a table of them."""
    table = Table((Column("n", "int"),), [(1,), (2,), (3,)], items=["a", "b", "c"])

    assert list(table) == ["a", "b", "c"]
    assert table[-1] == "c"
    assert len(table) == 3
    assert list(table[1:]) == ["b", "c"]
    assert table[1:].column("n") == (2, 3)


def test_without_items_rows_are_mappings():
    """A row knows its names and cannot be changed."""
    table = Table((Column("n", "int"), Column("m", "int")), [(1, 2)])

    assert list(table) == [{"n": 1, "m": 2}]
    assert table[0]["m"] == 2
    with pytest.raises(TypeError):
        table[0]["m"] = 3


def test_an_index_beyond_the_end_is_an_error():
    """Indexing behaves as that of a list."""
    with pytest.raises(IndexError):
        Table((), [])[0]


def test_columns_are_selected_with_their_items():
    """Select reorders columns and keeps items and note."""
    table = Table(COLUMNS, [FULL], items=["x"], note="cut").select("count", "name")

    assert table.names == ("count", "name")
    assert list(table.rows) == [(2**60 + 1, "Weather(3)")]
    assert list(table) == ["x"]
    assert table.note == "cut"


def test_sorting_puts_nothing_last():
    """Either way round, None stands at the end and equal rows keep their order."""
    rows = [(2, "a"), (None, "b"), (1, "c"), (2, "d")]
    table = Table((Column("n", "int"), Column("s", "str")), rows, items=["a", "b", "c", "d"])

    assert list(table.sort("n")) == ["c", "a", "d", "b"]
    assert list(table.sort("n", descending=True)) == ["a", "d", "c", "b"]


def test_json_values_can_be_sorted():
    """Mappings have no order, their canonical text has."""
    table = Table((Column("a", "json"),), [({"b": 2},), (None,), ({"a": 1},)])

    assert table.sort("a").column("a") == ({"a": 1}, {"b": 2}, None)


def test_an_unknown_column_is_named():
    """The error tells which columns there are."""
    for ask in (lambda t: t.select("x"), lambda t: t.sort("x"), lambda t: t.column("x")):
        with pytest.raises(NotInCatalog, match=r"'x'.*name, count"):
            ask(Table(COLUMNS, []))


@pytest.mark.parametrize(
    ("columns", "rows", "items"),
    [
        ((Column("a", "int"),) * 2, [], ()),
        ((Column("a", "int"),), [(1, 2)], ()),
        ((Column("a", "int"),), [(1,), (2,)], ["x"]),
    ],
)
def test_parts_that_do_not_fit_are_refused(columns, rows, items):
    """Names, rows and items must agree."""
    with pytest.raises(CatalogError):
        Table(columns, rows, items)


@pytest.mark.parametrize("rows", [[], [EMPTY] * 3, [EMPTY, FULL], [FULL, EMPTY]])
def test_arrow_types_follow_the_columns(rows):
    """Empty tables and columns that are all, or first, NULL keep their type."""
    schema = Table(COLUMNS, rows).to_arrow().schema

    assert schema.types == TYPES
    assert [column.name for column in COLUMNS] == schema.names


def test_arrow_values_are_exact():
    """Large integers, microseconds and JSON come through; times become UTC."""
    eastern = FULL[4].astimezone(timezone(timedelta(hours=-5)))
    rows = [FULL, (*FULL[:4], eastern, FULL[5]), EMPTY]

    values = Table(COLUMNS, rows).to_arrow().to_pylist()

    assert values[0]["count"] == 2**60 + 1
    assert NOON == values[0]["made_at"] == values[1]["made_at"]
    assert values[0]["arguments"] == '{"b":[1,null],"tilt":30}'
    assert {None} == set(values[2].values())


def test_pandas_keeps_types_beside_missing_values():
    """A missing integer makes no floats; times are aware."""
    frame = Table(COLUMNS, [EMPTY, FULL]).to_pandas()

    assert frame["count"][1] == 2**60 + 1
    assert pd.isna(frame["count"][0])
    assert (str(frame["count"].dtype), str(frame["current"].dtype)) == ("Int64", "boolean")
    assert pd.Timestamp(NOON) == frame["made_at"][1]


def test_polars_keeps_types():
    """Also where the first rows are NULL."""
    frame = Table(COLUMNS, [EMPTY] * 200 + [FULL]).to_polars()

    assert [
        pl.String,
        pl.Int64,
        pl.Float64,
        pl.Boolean,
        pl.Datetime("us", "UTC"),
        pl.String,
    ] == frame.dtypes
    assert frame["made_at"][200] == NOON


def test_other_libraries_read_the_stream():
    """pyarrow, polars and pandas take a table as it is, through the Arrow stream."""
    table = Table(COLUMNS, [FULL])

    assert pa.table(table).schema.types == TYPES
    assert pl.DataFrame(table).equals(table.to_polars())
    assert len(pd.DataFrame.from_arrow(table)) == 1


def test_a_lone_surrogate_does_not_stop_the_arrow_form():
    """What UTF-8 cannot hold is replaced in text and written out in JSON."""
    columns = (Column("s", "str"), Column("j", "json"))

    values = Table(columns, [("a\ud800", {"k": "\ud800"})], note="\ud800").to_arrow().to_pylist()

    assert "\ufffd" in values[0]["s"]
    assert values[0]["j"] == '{"k":"\\\\ud800"}'


def test_importing_a_table_imports_no_data_library():
    """pyarrow, pandas and polars are paid for by those who convert."""
    code = (
        "import sys, rootcellar.catalog.drawing.table, rootcellar.catalog.drawing.graph\n"
        "print([m for m in ('pyarrow', 'pandas', 'polars', 'numpy') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_text_is_aligned():
    """Numbers stand right, text left, digests are short, None is a dash."""
    columns = (Column("name", "str"), Column("n", "int"), Column("digest", "str"))
    rows = [("Weather(3)", 7, DIGEST), (None, 1200, None)]

    expected = (
        "name           n  digest\n"
        "──────────  ────  ────────────────────\n"
        "Weather(3)     7  sha256:3f9a1c2b3f9a…\n"
        "\N{EN DASH}           1200  \N{EN DASH}"
    )
    assert expected == str(Table(columns, rows)) == repr(Table(columns, rows))


def test_text_says_what_it_leaves_out():
    """Rows beyond the first twenty, columns beyond the terminal, and the note."""
    columns = tuple(Column(f"moment{n}", "time") for n in range(6))

    text = str(Table(columns, [(NOON,) * 6] * 1_234, note="cut at 1 234"))

    assert "… 1,214 more rows and 2 more columns\n(cut at 1 234)" in text
    assert "moment0 (UTC)" in text
    assert "2026-11-14 12:00:00" in text


@given(
    st.lists(
        st.tuples(st.text(max_size=80), st.integers(), st.floats(), st.text(max_size=80)),
        max_size=30,
    ),
    st.integers(20, 160),
)
@settings(max_examples=100, deadline=None)
def test_text_fits_the_terminal(rows, across):
    """No line is wider than the terminal, whatever the values hold; no control character."""
    columns = (
        Column("a\x1b[31m", "str"),
        Column("n", "int"),
        Column("x", "float"),
        Column("s", "json"),
    )
    rows = [(a, n % 10_000, x, s) for a, n, x, s in rows]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(across))
        text = str(Table(columns, rows))

    lines = [line for line in text.split("\n") if not line.startswith("… ")]
    assert all(columns_wide(line) <= across for line in lines)
    assert "\x1b" not in text
    assert rows or "(no rows)" in text


class _Reader(HTMLParser):
    """Collect what a browser would show and the tags it would see."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.titles = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.titles += [value for name, value in attrs if name == "title"]

    def handle_data(self, data):
        self.texts.append(data)


def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    return reader


def test_html_escapes_every_value():
    """Names, values and the note stay text, in cells and in titles."""
    evil = '"><script>alert(1)</script>' * 5
    table = Table((Column(evil, "str"), Column("j", "json")), [(evil, {evil: evil})], note=evil)

    page = read(table._repr_html_())

    allowed = {
        "div", "style", "table", "thead", "tbody", "tr", "th", "td", "span", "code", "p",
    }  # fmt: skip
    assert allowed >= set(page.tags)
    assert evil in page.titles
    assert evil in page.texts


def test_html_shortens_digests_and_dates_with_the_whole_in_the_title():
    """A digest shows twelve digits and a time its seconds; hovering tells the rest."""
    table = Table((Column("d", "str"), Column("t", "time")), [(DIGEST, NOON)])

    page = read(table._repr_html_())

    assert "sha256:3f9a1c2b3f9a…" in page.texts
    assert "2026-11-14 12:00:00" in page.texts
    assert [DIGEST, NOON.isoformat()] == page.titles


def test_html_follows_light_and_dark_and_needs_nothing_else():
    """Inline style for both schemes; no script, no address."""
    page = Table(COLUMNS, [FULL, EMPTY])._repr_html_()

    assert "@media (prefers-color-scheme:dark)" in page
    assert "http" not in page
    assert "<script" not in page


def test_html_says_what_it_leaves_out():
    """Rows beyond the first fifty, and the note."""
    page = Table((Column("n", "int"),), [(n,) for n in range(60)], note="cut at 60")._repr_html_()

    assert "10 more rows" in page
    assert "cut at 60" in page
    assert page.count("<tr>") == 51


def test_a_notebook_gets_page_and_text():
    """Both forms come in one bundle; a host may ask for one."""
    table = Table(COLUMNS, [FULL])

    assert {"text/html", "text/plain"} == set(table._repr_mimebundle_())
    assert {"text/plain"} == set(table._repr_mimebundle_(exclude={"text/html"}))


def test_arrow_table_is_shown_as_it_is():
    """A pyarrow table becomes one of ours with the same columns, kinds and values."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    given = pa.table(
        {
            "n": pa.array([1, None], pa.int16()),
            "x": pa.array([0.5, 1.5], pa.float32()),
            "ok": [True, None],
            "at": pa.array([noon, None], pa.timestamp("us", tz="UTC")),
            "tags": [["a"], None],
        }
    )

    table = table_of(given)

    assert ["int", "float", "bool", "time", "str"] == [column.kind for column in table.columns]
    assert [(1, 0.5, True, noon, "['a']"), (None, 1.5, None, None, None)] == table.rows


def test_a_mapping_is_shown_as_it_is_called_and_handed_on_as_json():
    """People read a key as `station=3`, texts that could be mistaken in quotes; frames get JSON."""
    key = {"station": 3, "turbine": "e126", "code": "3"}
    table = Table((Column("key", "json"),), [(key,), ({},)])

    assert 'station=3, turbine=e126, code="3"' in str(table)
    assert "station=3, turbine=e126, code=&quot;3&quot;" in table._repr_html_()
    assert ['{"code":"3","station":3,"turbine":"e126"}', "{}"] == table.to_arrow()[
        "key"
    ].to_pylist()
