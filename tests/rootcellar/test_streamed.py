"""STREAMED: inputs that are pinned and not downloaded, from the call to the record of the run."""

from __future__ import annotations

import gc
import logging
import time
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rain_app
from celery import Celery
from rain_app import Drops, Dump, Rain, Total

from rootcellar import STREAMED, Digest, RetryPolicy, Staged, install
from rootcellar.runtime import current_runtime
from rootcellar.schemas.errors import ArtifactNotFound, BindingError, ObjectChanged
from rootcellar.staging.streams.range_file import RangeFile

COLUMNS = 40
ROWS = 4_000


@pytest.fixture
def app():
    app = Celery("rain here", set_as_current=False)
    install(app, rain_app.registry, policy=RetryPolicy.off())
    return app


@pytest.fixture
def put(rootcellar_settings):
    """Let bytes be there that no run made; a table by default."""

    def put(artifact, content=None, member=""):
        path = rootcellar_settings.home / "put"
        path.write_bytes(table_bytes() if content is None else content)
        uri = f"{artifact.uri}/{member}" if member else artifact.uri
        address = current_runtime().stores.store_for(uri)
        return address.store.upload(address.key, path).publish()

    return put


def table_bytes(factor=1):
    columns = {f"c{n}": [float(n * row) for row in range(ROWS)] for n in range(COLUMNS)}
    table = pa.table({**columns, "mm": [factor * row for row in range(ROWS)]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=1_000, compression="none", use_dictionary=False)
    return sink.getvalue().to_pybytes()


def cached_files(settings):
    return [path for path in (settings.cache_folder).rglob("cas/**/*") if path.is_file()]


@pytest.fixture
def catalog(rootcellar_catalog):
    return rootcellar_catalog


# -- a run --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rootcellar_store", ["folder", "memory", "s3"], indirect=True)
def test_a_column_is_read_where_it_lies(app, put, catalog, rootcellar_store, rootcellar_settings):
    """Nothing is staged; the record says what was read, and lineage leads to the version."""
    size = put(Rain(town="Ulm")).size_bytes
    made = app.task(rain_app.total_of).apply(kwargs={"rain": "Ulm"}).get()
    (read,) = catalog.runs()[0].inputs
    run = catalog.runs()[0]

    assert ROWS * (ROWS - 1) / 2 == Total(town="Ulm").load()["sum"][0].as_py()
    assert ("streamed", 0, 1) == (read.cache, read.hits, read.misses)
    assert size / 8 > read.transferred_bytes > 0
    assert 1 <= read.requests <= 10
    assert read.transferred_bytes == run.downloaded_bytes
    assert [read.version.uid] == [one.uid for one in catalog.upstream(made["version"])]
    assert read.version.digest.is_unread
    assert size == read.version.size_bytes


def test_nothing_is_downloaded(app, put, catalog, rootcellar_settings):
    """Not even into the cache."""
    content = bytes(300_000)
    put(Dump(town="Ulm"), content)
    found = app.task(rain_app.head_of).apply(kwargs={"dump": "Ulm"}).get()

    assert "00" * 10 == found
    assert [] == cached_files(rootcellar_settings)
    assert 100_000 > catalog.runs()[0].downloaded_bytes


def test_what_the_host_has_is_not_streamed(app, put, catalog):
    """Then it is an input as any other, with a path, and a hit."""
    put(Rain(town="Ulm"))
    Rain(town="Ulm").load()

    @app.task
    def where(rain: Annotated[Staged[Rain], STREAMED]):
        return rain.path.name, rain.dataset().count_rows()

    found = where.apply(kwargs={"rain": "Ulm"}).get()
    (read,) = catalog.runs()[0].inputs

    assert ("Ulm.parquet", ROWS) == found
    assert ("hit", 1, 0, 0) == (read.cache, read.hits, read.misses, read.transferred_bytes)


def test_the_handle(app, put, catalog):
    """Its version is the one that is recorded; there is no path; it loads from the stream."""
    put(Rain(town="Ulm"))
    seen = {}

    @app.task
    def look(rain: Annotated[Staged[Rain], STREAMED]):
        seen.update(version=rain.version, artifact=rain.artifact)
        seen["rows"] = rain.load().num_rows
        with pytest.raises(BindingError, match="drop STREAMED"):
            _ = rain.path

    look.apply(kwargs={"rain": "Ulm"}).get()
    (read,) = catalog.runs()[0].inputs

    assert Rain(town="Ulm") == seen["artifact"]
    assert read.version.uid == seen["version"].version
    assert ROWS == seen["rows"]


def test_fan_in(app, put, catalog):
    """A list of streams, each with its own record; an optional one that is absent is None."""
    put(Rain(town="Ulm"))
    put(Rain(town="Aix"), table_bytes(2))

    @app.task
    def count(
        rains: Annotated[list[Staged[Rain]], STREAMED],
        dump: Annotated[Staged[Dump] | None, STREAMED] = None,
    ):
        return [one.dataset().head(2)["mm"].to_pylist() for one in rains], dump

    found = count.apply(kwargs={"rains": ["Aix", "Ulm"], "dump": "none"}).get()
    read = list(catalog.runs()[0].inputs)

    assert ([[0, 2], [0, 1]], None) == found
    assert ["none", "streamed", "streamed"] == [one.cache for one in read]


def test_a_folder(app, put, catalog):
    """A foreign one by its listing: only what is touched is read."""
    for name in ("1", "2", "3"):
        put(Drops(town="Ulm"), member=f"{name}.parquet")

    @app.task
    def first(drops: Annotated[Staged[Drops], STREAMED]):
        return drops.dataset().schema.names[-1], sorted(drops.members())

    found = first.apply(kwargs={"drops": "Ulm"}).get()
    (read,) = catalog.runs()[0].inputs

    assert ("mm", ["1.parquet", "2.parquet", "3.parquet"]) == found
    assert (0, 1) == (read.hits, read.misses)
    assert 3 == read.version.members


def test_a_published_folder(app, put, catalog, tmp_path):
    """Its manifest tells the digest, so lineage and reuse know its content."""
    source = tmp_path / "drops"
    source.mkdir()
    (source / "1.parquet").write_bytes(table_bytes())
    ref = Drops(town="Ulm").push(source)
    for path in cached_files(current_runtime().settings):
        path.unlink()

    @app.task
    def rows(drops: Annotated[Staged[Drops], STREAMED]):
        return drops.dataset().count_rows()

    found = rows.apply(kwargs={"drops": ref}).get()
    (read,) = catalog.runs()[0].inputs

    assert ROWS == found
    assert (ref.version, ref.digest) == (read.version.uid, read.version.digest)
    assert "streamed" == read.cache


def test_many_members(app, put, catalog, tmp_path):
    """What a dataset opened and is done with is not held, whether streamed or read on the host."""
    source = tmp_path / "drops"
    source.mkdir()
    for number in range(3):
        (source / f"{number}.parquet").write_bytes(table_bytes(number))
    on_host = Drops(town="Aix").push(source)
    for number in range(12):
        put(Drops(town="Ulm"), member=f"{number:02d}.parquet")
    held = []

    @app.task
    def total(drops: Annotated[Staged[Drops], STREAMED]):
        found = drops.dataset().to_table(columns=["mm"]).num_rows
        gc.collect()
        held.append(sum(isinstance(one, RangeFile) for one in gc.get_objects()))
        return found

    assert 12 * ROWS == total.apply(kwargs={"drops": "Ulm"}).get()
    # pyarrow opens four fragments ahead of the one that it reads (fragment_readahead).
    assert held[0] <= 5
    assert (0, 12) == (catalog.runs()[0].hits, catalog.runs()[0].misses)
    assert 3 * ROWS == total.apply(kwargs={"drops": on_host}).get()
    assert (3, 0) == (catalog.runs()[0].hits, catalog.runs()[0].misses)
    assert 0 == catalog.runs()[0].downloaded_bytes


# -- one version --------------------------------------------------------------------------------


def replaced_while_read(app, put, name):
    @app.task(name=name)
    def body(dump: Annotated[Staged[Dump], STREAMED]):
        with dump.open() as file:
            file.read(10)
            put(Dump(town="Ulm"), bytes(200_000))
            file.seek(150_000)
            return file.read(10)

    return body


def test_replaced_while_it_is_read(app, put, catalog):
    """A clear and transient error in the body, never the bytes of another version."""
    put(Dump(town="Ulm"), b"x" * 200_000)
    body = replaced_while_read(app, put, "by_key")

    with pytest.raises(ObjectChanged, match=r"Dump\(town='Ulm'\) at raw://dump/Ulm.bin") as raised:
        body.apply(kwargs={"dump": "Ulm"}).get()
    run = catalog.runs()[0]

    assert raised.value.transient
    assert ("failed", "body") == (run.state, run.error.phase)
    assert ["streamed"] == [one.cache for one in run.inputs]


def test_a_ref_that_was_replaced(app, put, catalog):
    """Trying again will not bring it back."""
    put(Dump(town="Ulm"), b"x" * 200_000)
    app.task(rain_app.head_of).apply(kwargs={"dump": "Ulm"}).get()
    ref = catalog.runs()[0].inputs[0].version.ref
    put(Dump(town="Ulm"), b"y" * 200_000)

    @app.task
    def staged_as_pinned(dump: Staged[Dump]):
        return dump.path

    for task in (app.task(rain_app.head_of, name="again"), staged_as_pinned):
        with pytest.raises(ArtifactNotFound, match="replaced since") as raised:
            task.apply(kwargs={"dump": ref}).get()
        assert not raised.value.transient


# -- digests, and reuse -------------------------------------------------------------------------


def test_the_digest_is_learned_when_it_is_staged(app, put, catalog):
    """The version that was streamed is the one that is staged later, now with its digest."""
    content = b"x" * 1000
    put(Dump(town="Ulm"), content)
    task = app.task(rain_app.head_of)
    task.apply(kwargs={"dump": "Ulm"}).get()
    task.apply(kwargs={"dump": "Ulm"}).get()
    (before,) = catalog.versions("dump")
    assert content == Dump(town="Ulm").load()
    (after,) = catalog.versions("dump")

    assert before.digest.is_unread
    assert (before.uid, Digest.of(content)) == (after.uid, after.digest)
    assert [before.uid] * 3 == [run.inputs[0].version.uid for run in catalog.runs()]


def test_a_stream_of_unknown_content_is_not_reused(app, put, catalog, caplog):
    """The log says why; once the digest is known, it is reused as any other input."""
    put(Rain(town="Ulm"))
    task = app.task(rain_app.total_of, reuse=True, name="reusing")
    caplog.set_level(logging.INFO, "rootcellar.run")
    for _ in range(2):
        task.apply(kwargs={"rain": "Ulm"}).get()
    Rain(town="Ulm").load()
    for _ in range(2):
        task.apply(kwargs={"rain": "Ulm"}).get()

    states = [run.state for run in catalog.runs("reusing")]
    said = [one.getMessage() for one in caplog.records if "not reusable" in one.getMessage()]
    assert ["reused", "succeeded", "succeeded", "succeeded"] == states
    assert 2 == len(said)
    assert "Rain(town='Ulm') is streamed, and nothing knows its digest" in said[0]


# -- by hand ------------------------------------------------------------------------------------


def test_by_hand(put, catalog):
    """A file and a dataset for the length of a block, each a run of its own."""
    put(Rain(town="Ulm"))
    with Rain(town="Ulm").open() as file:
        magic = file.read(4)
    with Rain(town="Ulm").dataset() as rain:
        rows = rain.count_rows()
    runs = list(catalog.runs())

    assert (b"PAR1", ROWS) == (magic, rows)
    assert [("pull", "succeeded", "streamed")] * 2 == [
        (run.kind, run.state, run.inputs[0].cache) for run in runs
    ]


def test_by_hand_too_late(put):
    """What is read after the block is refused, with the remedy."""
    put(Rain(town="Ulm"))
    with Rain(town="Ulm").dataset() as rain:
        pass

    with pytest.raises(BindingError, match=r"after the run .*inside the with block"):
        rain.to_table()


def test_nothing_is_there():
    """As for `load`."""
    with pytest.raises(ArtifactNotFound), Rain(town="Ulm").open():
        pass


def test_what_is_no_table_is_no_dataset(put, catalog):
    """And the run has failed."""
    put(Dump(town="Ulm"), b"x")
    # Nobody who reads by hand has a STREAMED to drop.
    said = r"which is no table\. Read it with \.open\(\), or as a local file: pull it"
    with pytest.raises(BindingError, match=said), Dump(town="Ulm").dataset():
        pass

    assert "failed" == catalog.runs()[0].state


# -- a worker -----------------------------------------------------------------------------------


def test_a_real_worker(rootcellar_worker, put, catalog):
    """Prefork children stream too, task after task; a chain goes on from the refs."""
    put(Rain(town="Ulm"))
    put(Dump(town="Ulm"), b"\x01" * 300_000)
    rootcellar_worker("rain_app:app")
    for _ in range(2):
        ref = rain_app.total_of_task.delay(rain="Ulm").get(timeout=60)
        head = rain_app.head_of_task.delay(dump="Ulm").get(timeout=60)
    # What made nothing is recorded a moment after its result.
    end = time.monotonic() + 20
    while len(runs := list(catalog.runs())) < 4 or runs[0].state == "running":
        assert time.monotonic() < end
        time.sleep(0.02)

    assert "total" == ref["$type"]
    assert "01" * 10 == head
    assert ["succeeded"] * 4 == [run.state for run in runs]
    assert {"streamed"} == {run.inputs[0].cache for run in runs}
    assert 1 == len(catalog.versions("rain"))
