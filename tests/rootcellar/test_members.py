"""All members of a type as one table."""

from __future__ import annotations

import gc
from datetime import date
from enum import Enum
from typing import Literal

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from rootcellar import ArrowIpc, Artifact, Catalog, Csv, Folder, Parquet
from rootcellar.runtime import current_runtime
from rootcellar.schemas.errors import ArtifactNotFound, BindingError, ContentError, InvalidKey
from rootcellar.staging.streams.range_file import RangeFile


class Side(Enum):
    NORTH = "n"
    SOUTH = "s"


class Yields(Artifact, uri="derived://yields/{station:02d}/{tilt}.parquet", format=Parquet()):
    station: int
    tilt: int


class Days(Artifact, uri="derived://days/{day:%Y-%m-%d}/{side}/{grade}.arrow", format=ArrowIpc()):
    day: date
    side: Side
    grade: Literal["a", "b"]


class Parts(Artifact, uri="derived://parts/{year}", format=Folder("*.parquet", member=Parquet())):
    year: int


class Lines(Artifact, uri="derived://lines/{n}.csv", format=Csv()):
    n: int


@pytest.fixture
def cat(rootcellar_settings, rootcellar_catalog):
    """The catalog as a notebook opens it."""
    with Catalog(rootcellar_settings.catalog) as opened:
        yield opened


@pytest.fixture
def opened(monkeypatch):
    """The keys of the objects of which something was read from a store."""
    keys = []
    init = RangeFile.__init__

    def noted(self, source, *arguments, **keywords):
        keys.append(source.address.key)
        init(self, source, *arguments, **keywords)

    monkeypatch.setattr(RangeFile, "__init__", noted)
    return keys


def push(station, tilt, *numbers, **more):
    return Yields(station=station, tilt=tilt).push(pa.table({"kwh": list(numbers), **more}))


def forget_local_copies():
    for path in current_runtime().cache.root.rglob("cas/**/*"):
        if path.is_file():
            path.chmod(0o600)
            path.unlink()


@pytest.mark.parametrize("rootcellar_store", ["folder", "memory", "s3"], indirect=True)
def test_members_are_one_table(cat, rootcellar_store):
    """With the key as columns, of those members that fit."""
    push(1, 30, 1.0, 2.0)
    push(2, 30, 3.0)
    push(2, 60, 4.0)

    table = cat.dataset(Yields, tilt=30).to_table().sort_by([("station", "ascending")])

    assert ["station", "tilt", "kwh"] == table.column_names
    assert [1, 1, 2] == table["station"].to_pylist()
    assert [1.0, 2.0, 3.0] == table["kwh"].to_pylist()
    assert 4 == cat.dataset(Yields, station=[1, 2]).count_rows()


def test_a_filter_on_the_key_opens_only_what_fits(cat, opened):
    """Beside the footer that told the columns; the host's own copies would not be asked for."""
    for station in range(5):
        push(station, 30, float(station))
    forget_local_copies()
    dataset = cat.dataset(Yields)
    opened.clear()

    found = dataset.to_table(filter=ds.field("station") == 3)

    assert [3.0] == found["kwh"].to_pylist()
    assert {"yields/03/30.parquet"} == set(opened)


def test_polars_and_duckdb_ask_it(cat, opened):
    """Their filters on the key reach the files."""
    for station in range(4):
        push(station, 30, float(station), 10.0)
    forget_local_copies()
    dataset = cat.dataset(Yields, tilt=30)
    opened.clear()

    lazy = pl.scan_pyarrow_dataset(dataset).filter(pl.col("station") == 2)
    by_polars = lazy.select(pl.col("kwh").sum()).collect().item()
    by_duckdb = duckdb.sql("SELECT sum(kwh) FROM dataset WHERE station = 2").fetchall()

    assert 12.0 == by_polars
    assert [(12.0,)] == by_duckdb
    assert {"yields/02/30.parquet"} == set(opened)


def test_it_stays_with_its_versions(cat):
    """What is published later is in the next dataset; what was replaced is never mixed in."""
    push(1, 30, 1.0)
    before = cat.dataset(Yields)
    push(2, 30, 2.0)

    assert 1 == before.count_rows()
    assert 2 == cat.dataset(Yields).count_rows()

    push(1, 30, 5.0, 6.0)
    forget_local_copies()
    with pytest.raises(ArtifactNotFound, match="replaced"):
        before.to_table()


def test_dates_enums_and_literals_are_columns(cat):
    """Of Arrow's own types, so that they can be compared."""
    table = pa.table({"x": [1]})
    Days(day=date(2026, 1, 31), side=Side.SOUTH, grade="b").push(table)
    Days(day=date(2026, 2, 1), side=Side.NORTH, grade="a").push(table)

    found = cat.dataset(Days).to_table(filter=ds.field("day") > date(2026, 1, 31))

    expected = {"day": date(2026, 2, 1), "side": "n", "grade": "a", "x": 1}
    assert [expected] == found.to_pylist()


def test_folders_of_tables_are_members_too(cat, tmp_path):
    """All tables of a folder share its key."""
    for year in (2025, 2026):
        folder = tmp_path / str(year)
        folder.mkdir()
        for part in ("a", "b"):
            pq.write_table(pa.table({"x": [year]}), folder / f"{part}.parquet")
        Parts(year=year).push(folder)

    found = cat.dataset(Parts).to_table(filter=ds.field("year") == 2026)

    assert [{"year": 2026, "x": 2026}] * 2 == found.to_pylist()


def test_other_columns_are_put_together(cat):
    """What one lacks is null; what cannot be put together is refused."""
    push(1, 30, 1.0)
    push(2, 30, 2.0, loss=[0.5])

    found = cat.dataset(Yields).to_table().sort_by([("station", "ascending")])

    assert [None, 0.5] == found["loss"].to_pylist()
    push(3, 30, "much")
    with pytest.raises(ContentError, match="do not go together"):
        cat.dataset(Yields)


def test_a_column_called_like_a_key_field_stands_for_it(cat):
    """The file is the truth of its own columns."""
    Yields(station=1, tilt=30).push(pa.table({"kwh": [1.0], "station": [77]}))

    found = cat.dataset(Yields).to_table()

    assert [{"tilt": 30, "kwh": 1.0, "station": 77}] == found.to_pylist()


def test_it_reads_as_long_as_somebody_holds_it(cat):
    """No block, no run: the dataset keeps what it reads through."""
    push(1, 30, 1.0)
    forget_local_copies()
    dataset = cat.dataset(Yields).filter(ds.field("station") == 1)
    runs = len(cat.runs())
    gc.collect()

    assert 1 == dataset.count_rows()
    assert runs == len(cat.runs())


def test_what_cannot_be_a_dataset_is_refused(cat):
    """With the type's name: no table in parts, no member, no such key field."""
    with pytest.raises(BindingError, match="Parquet and ArrowIpc"):
        cat.dataset(Lines)
    with pytest.raises(ArtifactNotFound, match="yields"):
        cat.dataset(Yields)
    with pytest.raises(InvalidKey, match="no key field"):
        cat.dataset(Yields, tlit=30)
