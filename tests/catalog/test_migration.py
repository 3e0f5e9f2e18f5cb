"""Creating and upgrading: equal tables, once, and never behind anyone's back."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import get_args

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, inspect, text

from rootcellar.catalog import migration
from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.engine import Database
from rootcellar.catalog.tables import metadata
from rootcellar.schemas import record
from rootcellar.schemas.errors import CatalogError, CatalogTooNew, CatalogTooOld

POSTGRES_SCHEMA = """
SELECT 'column', table_name || '.' || column_name, data_type || is_nullable || is_identity
FROM information_schema.columns WHERE table_schema = current_schema()
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
UNION ALL SELECT 'index', indexname, regexp_replace(indexdef, 'test_[0-9]+', 'here')
FROM pg_indexes WHERE schemaname = current_schema()
"""
SQLITE_SCHEMA = (
    "SELECT type, name, replace(replace(sql, char(10), ' '), char(9), '') FROM sqlite_master"
)


@pytest.fixture
def database(url):
    """An empty database of each kind."""
    database = Database(url)
    if database.is_sqlite:
        database.path.parent.mkdir()
    yield database
    database.dispose()


def test_created_and_migrated_tables_are_equal(database):
    """`create_all` and the revisions, one after another, lead to the same tables."""

    def differences(connection):
        context = MigrationContext.configure(
            connection, opts={"version_table": migration.REVISION_TABLE, "compare_type": True}
        )
        return compare_metadata(context, metadata)

    def schema(connection):
        query = SQLITE_SCHEMA if database.is_sqlite else POSTGRES_SCHEMA
        return {
            tuple(" ".join(str(field).replace('"', "").split()) for field in row)
            for row in connection.execute(text(query))
        }

    def drop(connection):
        for table in reversed(metadata.sorted_tables):
            table.drop(connection)
        connection.execute(text(f"DROP TABLE {migration.REVISION_TABLE}"))

    migration.ensure(database)
    created, from_created = database.read(schema), database.read(differences)
    database.write(drop)
    database.write(lambda connection: command.upgrade(migration.alembic_config(connection), "head"))
    migrated, from_migrated = database.read(schema), database.read(differences)

    assert [] == from_created == from_migrated
    assert tidy(created) == tidy(migrated)


def tidy(schema):
    """A table's parts in any order: both ways name all of them."""
    return {
        (kind, name, tuple(sorted(definition.replace("(", ",").replace(")", ",").split(","))))
        if kind == "table"
        else (kind, name, definition)
        for kind, name, definition in schema
    }


def test_the_known_head_is_the_scripts_head():
    """The revision in the code is the last script's."""
    assert migration.HEAD == ScriptDirectory(str(migration._SCRIPTS)).get_current_head()


def test_every_value_a_column_allows_is_a_value_of_its_record():
    """The words in CHECK constraints are the records' words."""
    words = vars(record)

    def allowed(table):
        return {
            str(check.name): set(str(check.sqltext).split("'")[1::2])
            for check in metadata.tables[table].constraints
            if isinstance(check, CheckConstraint)
        }

    for table, column, name in (
        ("run_input", "cache", "InputRecord"),
        ("run_output", "mode", "OutputRecord"),
        ("version", "origin", "VersionRecord"),
        ("run", "kind", "RunStarted"),
    ):
        expected = set(get_args(eval(words[name].__annotations__[column], words)))
        found = next(v for k, v in allowed(table).items() if k.endswith(column))

        assert expected == found - {""}


def test_a_catalog_of_a_newer_version_is_refused(url, records):
    """Its revision is unknown here, and guessing would damage it."""
    with Catalog(url) as catalog:
        catalog.types()
        catalog._database.write(
            lambda connection: connection.execute(
                text(f"UPDATE {migration.REVISION_TABLE} SET version_num = '9999'")
            )
        )
    with Catalog(url) as catalog:
        with pytest.raises(CatalogTooNew, match="Upgrade rootcellar"):
            catalog.types()
        with pytest.raises(CatalogTooNew):
            catalog.start_run(records.started())
        with pytest.raises(CatalogTooNew):
            catalog.upgrade()

        assert "9999" == catalog.check().revision
        assert not catalog.check().is_usable


NEXT = '''"""A later table."""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "later", "{head}"

def upgrade():
    op.create_table("later", sa.Column("id", sa.Integer, primary_key=True))
    with op.batch_alter_table("task", recreate="auto") as batch:
        batch.add_column(sa.Column("remark", sa.Text))
        batch.alter_column("name", nullable=True)
    if {fails}:
        raise RuntimeError("half-way")
'''


@pytest.fixture
def next_version(monkeypatch, tmp_path):
    """Makes this rootcellar one revision newer."""

    def install(*, fails=False):
        scripts = tmp_path / "scripts"
        shutil.copytree(migration._SCRIPTS, scripts)
        script = NEXT.replace("{fails}", str(fails)).replace("{head}", migration.HEAD)
        (scripts / "versions" / "later.py").write_text(script)
        monkeypatch.setattr(migration, "_SCRIPTS", scripts)
        monkeypatch.setattr(migration, "HEAD", "later")

    return install


def tables(catalog):
    """Names of the tables in a database."""
    return catalog._database.read(lambda connection: set(inspect(connection).get_table_names()))


def test_an_older_sqlite_file_is_copied_and_upgraded(sqlite_url, records, next_version):
    """Rows survive a rebuilt table, and the copy is a whole catalog."""
    before = migration.HEAD
    with Catalog(sqlite_url) as catalog:
        made = records.version("pv", {"s": 1}, "power")
        uid = records.record(catalog, [], [made])
        next_version()
        with Catalog(sqlite_url) as newer:
            run = newer.run(uid)
            copies = list(newer._database.path.parent.glob("*.backup"))

            assert "simulate" == run.task
            assert "later" in tables(newer)
            assert 1 == newer._database.read(
                lambda c: c.exec_driver_sql("PRAGMA foreign_keys").scalar()
            )
    assert 1 == len(copies)
    with closing(sqlite3.connect(copies[0])) as copy:
        assert [(before,)] == copy.execute("SELECT * FROM catalog_revision").fetchall()
        assert [(made.ref.version,)] == copy.execute("SELECT uid FROM version").fetchall()


def test_a_failed_upgrade_leaves_the_file_as_it_was(sqlite_url, records, next_version):
    """Half an upgrade is none."""
    with Catalog(sqlite_url) as catalog:
        uid = records.record(catalog)
        next_version(fails=True)
        with Catalog(sqlite_url) as newer, pytest.raises(RuntimeError, match="half-way"):
            newer.types()

        assert "later" not in tables(catalog)
        assert uid == catalog.run(uid).uid


def test_an_older_postgres_database_is_upgraded_only_on_demand(postgres_url, records, next_version):
    """Workers of several versions share it: opening it changes nothing."""
    with Catalog(postgres_url) as catalog:
        uid = records.record(catalog)
    next_version()
    with Catalog(postgres_url) as newer:
        with pytest.raises(CatalogTooOld, match=r"rootcellar catalog upgrade"):
            newer.types()
        before = tables(newer)
        newer.upgrade()
        newer.upgrade()

        assert "later" not in before
        assert "later" in tables(newer)
        assert uid == newer.run(uid).uid


FIRST_ROWS = """
INSERT INTO artifact_type (name, rev) VALUES ('weather', 0);
INSERT INTO artifact (type_id, key_digest, key_text) VALUES (1, 'k', '{"station":3}');
INSERT INTO content (digest, kind, size_bytes) VALUES ('sha256:' || '%s', 'file', 7);
INSERT INTO task (name) VALUES ('simulate');
INSERT INTO run (uid, kind, task_id, celery_task_id, root_id, parent_id, group_id, parent_run,
    retries, redelivered, queue, state, arguments, host, pid, started_at, stage_in_ms, body_ms,
    stage_out_ms, downloaded_bytes, uploaded_bytes)
VALUES ('run-1', 'task', 1, '', '', '', '', '', 0, false, '', 'succeeded', '{}', '', 1,
    '2026-05-01T12:00:00.000000+00:00', 1, 1, 1, 7, 0);
INSERT INTO version (uid, artifact_id, seq, content_id, origin, media_type, recorded_at)
VALUES ('version-1', 1, 1, 1, 'observed', 'text/plain', '2026-05-01T12:00:00.000000+00:00');
INSERT INTO location (version_id, uri, uri_digest, pin_size, pin_etag, pin_version, state)
VALUES (1, 'raw://weather/3', 'u', 7, 'e', '', 'present');
INSERT INTO run_input (run_id, argument, ordinal, version_id, cache, transferred_bytes, duration_ms)
VALUES (1, 'weather', 0, 1, 'miss', 7, 20);
"""


@pytest.fixture
def first_catalog(database):
    """A catalog of the first revision with one run in it."""
    rows = FIRST_ROWS % ("0" * 64)

    def create(connection):
        command.upgrade(migration.alembic_config(connection), "0001")
        connection.execute(text("INSERT INTO catalog_info VALUES ('c', '2026-05-01T12:00:00Z')"))
        for statement in rows.split(";\n")[:-1]:
            connection.exec_driver_sql(statement)

    database.write(create)
    return database


def test_a_catalog_of_the_first_revision_is_upgraded(first_catalog, url, records):
    """Its rows read with nothing hit or missed, and from then on inputs can be streamed."""
    with Catalog(url) as catalog:
        catalog.upgrade()
        run = catalog.run("run-1")
        (read,) = run.inputs
        source = records.version("weather", {"station": 4}, "w", origin="observed")
        streamed = records.record(catalog, [source], cache="streamed")

        assert (0, 0, 0.0) == (run.hits, run.misses, run.download_seconds)
        assert (0, 0, 0) == (read.hits, read.misses, read.requests)
        assert ("miss", 7) == (read.cache, read.transferred_bytes)
        assert "version-1" == read.version.uid
        assert ["streamed"] == [one.cache for one in catalog.inputs(streamed)]


def test_tables_of_somebody_else_are_not_filled(postgres_url):
    """A database that has a table `run` already is not taken over."""
    database = Database(postgres_url)
    database.write(lambda connection: connection.execute(text("CREATE TABLE run (x int)")))
    database.dispose()

    with Catalog(postgres_url) as catalog, pytest.raises(CatalogError, match="exists"):
        catalog.types()
    with Catalog(postgres_url) as catalog:
        assert {"run"} == tables(catalog)


OPEN = """
import sys, time
from pathlib import Path
from rootcellar.catalog.catalog import Catalog
deadline = time.monotonic() + 60
while not Path(sys.argv[2]).exists():
    assert time.monotonic() < deadline, "nobody opened the gate"
    time.sleep(0.001)
with Catalog(sys.argv[1]) as catalog:
    assert len(catalog.types()) == 0
    print(catalog.check().uid)
"""


def test_eight_processes_create_one_catalog(url, tmp_path):
    """Whoever comes first creates it; all see the same one."""
    gate = tmp_path / "gate"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, url, str(gate)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(8)
    ]  # fmt: skip
    gate.touch()
    outcomes = [(*process.communicate(timeout=120), process.returncode) for process in processes]

    assert ["" for _ in outcomes] == [error for _, error, _ in outcomes]
    assert 1 == len({uid for uid, _, _ in outcomes})
