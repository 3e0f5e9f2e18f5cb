"""The big catalog in a database: rows written as fast as each database takes them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, make_url

from benchmarks import catalog_shape as shapes
from rootcellar.catalog import tables as t
from rootcellar.catalog.canonical import key_text, short_digest
from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.keys import key_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from benchmarks.catalog_shape import Shape

    Insert = Callable[[str, Sequence[str], Iterable[tuple[Any, ...]]], None]

__all__ = ["fill"]

BYTES = 20_000
MB = 1_000_000
CACHE_KB = 500_000
TYPES = {"feed": 1, "state": 2, "product": 3}
PACKAGES = {f"package-{number}": f"{number}.0" for number in range(50)}


def fill(url: str, shape: Shape) -> None:
    """Make a catalog at a URL and write the whole shape into it; minutes for ten million edges."""
    with Catalog(url) as catalog:
        catalog.types()  # makes the tables
    opened = _sqlite if make_url(url).get_backend_name() == "sqlite" else _postgres
    engine = create_engine(url)
    indexes = [index for table in t.metadata.tables.values() for index in table.indexes]
    for index in indexes:
        index.drop(engine)
    with opened(url) as insert:
        for table, columns, rows in _tables(shape):
            insert(table, columns, rows)
    for index in indexes:
        index.create(engine)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


@contextmanager
def _sqlite(url: str) -> Iterator[Insert]:
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        # A crash costs nothing here.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KB}")

        def insert(table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
            marks = ", ".join("?" * len(columns))
            sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
            with connection:
                connection.executemany(sql, rows)

        yield insert
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _postgres(url: str) -> Iterator[Insert]:
    import psycopg  # noqa: PLC0415 (SQLite does without)

    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        # The rows fit together: to look up what each refers to takes most of the time.
        connection.execute("SET session_replication_role = replica")

        def insert(table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
            sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
            with connection.cursor() as cursor, cursor.copy(sql) as copy:
                for row in rows:
                    copy.write_row(row)

        yield insert


def _tables(shape: Shape) -> Iterator[tuple[str, Sequence[str], Iterable[tuple[Any, ...]]]]:
    """Yield tables in the order of what refers to what, with their columns and rows."""
    yield "artifact_type", ("id", "name", "rev"), [(one, name, 0) for name, one in TYPES.items()]
    yield "task", ("id", "name"), [(1, "bench.make"), (2, "bench.go_on")]
    yield (
        "code",
        ("id", "digest", "qualname", "source_digest", "git_commit", "git_dirty"),
        [(1, "code", "bench:make", shapes.content_of(0), "0" * 40, False)],
    )
    yield (
        "environment",
        ("id", "digest", "python", "platform", "image", "packages"),
        [(1, "environment", "3.11", "linux", "", json.dumps(PACKAGES))],
    )
    yield "artifact", ("id", "type_id", "key_digest", "key_text"), _artifacts(shape)
    yield "artifact_key", _KEY, _keys(shape)
    yield "run", _RUN, _runs(shape)
    yield "content", ("id", "digest", "kind", "size_bytes"), _contents(shape)
    yield "version", _VERSION, _versions(shape)
    yield "artifact_head", ("artifact_id", "version_id", "recorded_at", "last_seq"), _heads(shape)
    yield "location", _LOCATION, _locations(shape)
    yield "run_input", _INPUT, _inputs(shape)
    yield "run_output", _OUTPUT, _outputs(shape)


_KEY = ("artifact_id", "field", "type_id", "v_text", "v_int", "v_real")
_VERSION = ("id", "uid", "artifact_id", "seq", "content_id", "origin", "run_id")
_VERSION += ("media_type", "recorded_at")
_LOCATION = ("version_id", "uri", "uri_digest", "pin_size", "pin_etag", "pin_version", "state")
_INPUT = ("run_id", "argument", "ordinal", "version_id", "cache")
_INPUT += ("transferred_bytes", "duration_ms", "hits")
_OUTPUT = ("run_id", "argument", "ordinal", "version_id", "mode", "transferred_bytes")
_OUTPUT += ("duration_ms",)
_WORDS = ("kind", "celery_task_id", "root_id", "parent_id", "group_id", "parent_run", "queue")
_COUNTS = ("retries", "stage_in_ms", "body_ms", "stage_out_ms", "downloaded_bytes")
_COUNTS += ("uploaded_bytes", "hits", "pid")
_RUN = ("id", "uid", "task_id", "state", "started_at", "ended_at", "arguments", "code_id")
_RUN += ("environment_id", "host", "redelivered", *_WORDS, *_COUNTS)


def _artifacts(shape: Shape) -> Iterator[tuple[Any, ...]]:
    for one, type_name, key in shape.named():
        yield one, TYPES[type_name], short_digest(key), key_text(key)


def _keys(shape: Shape) -> Iterator[tuple[Any, ...]]:
    for one, type_name, key in shape.named():
        for row in sorted(key_rows(one, TYPES[type_name], key), key=lambda row: row["field"]):
            yield tuple(row.get(column) for column in _KEY)


def _runs(shape: Shape) -> Iterator[tuple[Any, ...]]:
    task_id = "5f0f4f0e-0000-4000-8000-00000000beef"
    words = ("task", task_id, task_id, "", "", "", "celery")
    counts = (0, 12, 3400, 56, 0, 2 * BYTES, 3, 4321)
    for run_id, read in shape.reads():
        arguments = f'{{"number":{run_id},"tilt":{run_id % 90}}}'
        begun, ended = shapes.time_of(run_id * 2), shapes.time_of(run_id * 2 + 1)
        task = 1 if len(read) > 2 else 2  # noqa: PLR2004 (a link reads itself and one more)
        named = (run_id, shapes.uid(2, run_id), task, "succeeded", begun, ended, arguments)
        yield *named, 1, 1, "worker-1", False, *words, *counts


def _contents(shape: Shape) -> Iterator[tuple[Any, ...]]:
    for version_id, *_ in shape.made():
        yield version_id, shapes.content_of(version_id), "file", BYTES


def _versions(shape: Shape) -> Iterator[tuple[Any, ...]]:
    for version_id, artifact, seq, run_id, _ in shape.made():
        origin, when = ("run" if run_id else "observed"), shapes.time_of(run_id * 2 + 1)
        row = (version_id, shapes.uid(1, version_id), artifact, seq, version_id, origin)
        yield *row, run_id or None, "application/octet-stream", when


def _heads(shape: Shape) -> Iterator[tuple[Any, ...]]:
    for version_id, artifact, seq, run_id, is_last in shape.made():
        if is_last:
            yield artifact, version_id, shapes.time_of(run_id * 2 + 1), seq


def _locations(shape: Shape) -> Iterator[tuple[Any, ...]]:
    places = {}
    for version_id, artifact, _, _, is_last in shape.made():
        if artifact not in places:
            places[artifact] = shapes.place_of(artifact)
        state = t.LocationState.PRESENT if is_last else t.LocationState.SUPERSEDED
        yield version_id, *places[artifact], BYTES, f"{version_id:032x}", "", str(state)


def _inputs(shape: Shape) -> Iterator[tuple[Any, ...]]:
    for run_id, read in shape.reads():
        for ordinal, version_id in enumerate(read):
            yield run_id, "source", ordinal, version_id, "hit", 0, 1, 1


def _outputs(shape: Shape) -> Iterator[tuple[Any, ...]]:
    for version_id, _, _, run_id, _ in shape.made():
        if run_id:
            # A run's two versions have ids one after another; a link has one.
            ordinal = (version_id - shape.state) % (2 * shape.block + 1)
            ordinal = (ordinal - 1) % 2 if ordinal else 0
            yield run_id, "made", ordinal, version_id, "created", BYTES, 20
