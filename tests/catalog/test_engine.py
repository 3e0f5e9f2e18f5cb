"""The door: many processes, forks, and errors in our words."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from rootcellar.catalog import engine, recording
from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.engine import Database
from rootcellar.schemas.errors import CatalogError, CatalogUnavailable

WRITER = Path(__file__).parent / "writer_process.py"


def write_from(processes, runs, url, tmp_path):
    """Let processes write at once; return what they said on their error streams."""
    gate = tmp_path / "gate"
    started = [
        subprocess.Popen(
            [sys.executable, str(WRITER), url, str(runs), str(seed), str(gate)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(processes)
    ]
    gate.touch()
    return [process.communicate(timeout=160)[1] for process in started]


def wait_until(is_so, seconds=60):
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def check_history(catalog, runs):
    """All runs are there, and each artifact's versions are numbered without gaps."""
    with catalog:
        assert runs == len(catalog.runs(state="succeeded", limit=runs + 1))
        for key in catalog.keys("shared"):
            numbers = [one.seq for one in catalog.versions("shared", **key)]
            assert list(range(1, len(numbers) + 1)) == sorted(numbers)
            assert 1 == sum(one.is_present for one in catalog.versions("shared", **key))
        assert 6 == len(catalog.versions("weather"))


def test_thirty_two_processes_write_one_sqlite_file(sqlite_url, tmp_path):
    """None fails, nothing is lost, no number is given twice."""
    errors = write_from(32, 25, sqlite_url, tmp_path)

    assert [""] * 32 == errors
    check_history(Catalog(sqlite_url), 800)


def test_writers_that_are_killed_leave_whole_runs(sqlite_url, tmp_path):
    """Every second of 8 writers dies in the middle; the others go on, and no run is half there."""
    gate = tmp_path / "gate"
    writers = [
        subprocess.Popen(
            [sys.executable, str(WRITER), sqlite_url, "15", str(seed), str(gate)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(8)
    ]
    gate.touch()
    killed, left = writers[::2], writers[1::2]
    with Catalog(sqlite_url) as catalog:
        for number, writer in enumerate(killed):
            wait_until(lambda least=6 * number + 1: len(catalog.runs()) >= least)
            writer.kill()
        said = [writer.communicate(timeout=120)[1] for writer in writers][1::2]
        made = [len(run.outputs) for run in catalog.runs(state="succeeded")]
        begun = [len(run.outputs) for run in catalog.runs(state="running")]

    assert [""] * len(left) == said
    assert len(left) * 15 <= len(made)
    assert {3} == set(made)
    assert len(killed) >= len(begun)
    assert 0 == sum(begun)
    check_history(Catalog(sqlite_url), len(made))


def deadlocks(url):
    """How many the server has broken up so far."""
    database = Database(url)
    count = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    found = database.read(lambda connection: connection.execute(count).scalar())
    database.dispose()
    return found


def test_sixteen_processes_write_the_same_artifacts_in_postgres(postgres_url, tmp_path):
    """Writers of overlapping sets do not lock each other out, not even to be repeated."""
    before = deadlocks(postgres_url)
    errors = write_from(16, 15, postgres_url, tmp_path)

    assert [""] * 16 == errors
    assert before == deadlocks(postgres_url)
    check_history(Catalog(postgres_url), 240)


FORK = """
import os, sys
sys.path.insert(0, sys.argv[2])
import run_records
from rootcellar.catalog.catalog import Catalog
catalog = Catalog(sys.argv[1])
run_records.record(catalog, [], [run_records.version("pv", {"s": 0}, "parent")])
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        run_records.record(catalog, [], [run_records.version("pv", {"s": number}, "child")])
        catalog.dispose()
        os._exit(0)
    children.append(child)
    run_records.record(catalog, [], [run_records.version("pv", {"s": number}, "parent again")])
assert [0, 0, 0] == [os.waitpid(child, 0)[1] for child in children]
run_records.record(catalog, [], [run_records.version("pv", {"s": 9}, "parent")])
assert 8 == len(catalog.runs(state="succeeded")), len(catalog.runs())
catalog.dispose()
"""


def test_a_catalog_that_was_used_serves_forked_children(url):
    """Parent and children go on writing, each through its own connections."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, url, str(WRITER.parent)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert (0, "") == (done.returncode, done.stderr)


def test_a_child_never_takes_a_connection_of_its_parent(sqlite_url, monkeypatch):
    """Another process id means another engine, and the old one is kept from being collected."""
    catalog = Catalog(sqlite_url)
    catalog.types()
    database = catalog._database
    parents = database.engine
    database.record(lambda _connection: None)
    (kept,) = database._idle
    monkeypatch.setattr(os, "getpid", lambda: -1)

    own = database.engine

    assert own is not parents
    assert parents in engine._inherited
    assert [kept] == engine._inherited_held
    assert [] == database._idle
    engine._inherited.remove(parents)
    engine._inherited_held.clear()
    kept.close()
    own.dispose()
    parents.dispose()


def test_sqlite_is_set_up_for_many_writers(sqlite_url):
    """Write-ahead log, normal syncing, foreign keys, a minute of patience."""
    with Catalog(sqlite_url) as catalog:
        catalog.types()
        found = catalog._database.read(
            lambda connection: {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        )

    assert {
        "journal_mode": "wal",
        "synchronous": 1,
        "foreign_keys": 1,
        "busy_timeout": 60000,
    } == found


def test_a_writer_holds_the_lock_from_its_beginning(sqlite_url, monkeypatch):
    """A second writer waits before it reads, so that it never acts on what was."""
    monkeypatch.setattr(engine, "_BUSY_SECONDS", 0)
    with Catalog(sqlite_url) as catalog:
        catalog.types()
        entered, release = threading.Event(), threading.Event()

        def hold(_connection):
            entered.set()
            release.wait(30)

        holder = threading.Thread(target=catalog._database.write, args=(hold,))
        holder.start()
        entered.wait(30)
        try:
            with pytest.raises(CatalogUnavailable, match="locked") as caught:
                catalog._database.write(lambda _connection: None)
            assert 0 == len(catalog.types())
        finally:
            release.set()
            holder.join()

    assert caught.value.transient


def test_a_network_file_system_is_refused(sqlite_url, monkeypatch):
    """The write-ahead log needs memory shared by all who write."""
    monkeypatch.setattr(engine, "network_file_system", lambda _path: "nfs4")

    with Catalog(sqlite_url) as catalog, pytest.raises(CatalogError, match=r"\(nfs4\).*Postgres"):
        catalog.types()


def test_an_unreachable_server_is_transient_and_keeps_its_password():
    """The error names the catalog and no secret, and says what to do."""
    url = "postgresql://worker:s3cret@127.0.0.1:1/grid?password=s3cret"
    with Catalog(url) as catalog, pytest.raises(CatalogUnavailable) as caught:
        catalog.types()

    assert caught.value.transient
    assert "postgresql://worker:***@127.0.0.1:1/grid" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path):
    """A wrong file is not an outage, and it is left alone."""
    wrong = tmp_path / "notes.txt"
    wrong.write_text("notes " * 1_000)

    catalog = Catalog(f"sqlite:///{wrong}")
    with catalog, pytest.raises(CatalogError, match="not a database") as caught:
        catalog.types()

    assert not caught.value.transient
    assert "Check that this is the catalog's file" in caught.value.remedy
    assert wrong.read_text() == "notes " * 1_000


def test_of_a_damaged_file_the_newest_copy_is_named(tmp_path):
    """What an upgrade left beside it is a catalog, if an older one."""
    damaged = tmp_path / "catalog.sqlite"
    damaged.write_text("notes " * 1_000)
    for state in ("0006-20260101T000000", "0006-20251231T000000", "0005-20260102T000000"):
        (tmp_path / f"catalog.sqlite.{state}.backup").touch()
    (tmp_path / "other.sqlite.0009-20260101T000000.backup").touch()

    catalog = Catalog(f"sqlite:///{damaged}")
    with catalog, pytest.raises(CatalogError, match="not a database") as caught:
        catalog.types()

    assert "catalog.sqlite.0006-20260101T000000.backup" in caught.value.remedy


@pytest.mark.parametrize(
    "wrong", ["", "nonsense", "mysql://u@h/x", "sqlite://", "sqlite:///:memory:"]
)
def test_a_url_we_cannot_keep_a_catalog_at_is_refused(wrong):
    """What would be lost with its connection, or is no database of ours, is refused at once."""
    with pytest.raises(CatalogError, match="sqlite:////"):
        Catalog(wrong)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    """A file stands where the catalog's folder should."""
    (tmp_path / "file").touch()

    catalog = Catalog(f"sqlite:///{tmp_path}/file/rows/catalog.sqlite")
    with catalog, pytest.raises(CatalogError, match="cannot be made"):
        catalog.types()


def test_tables_that_are_gone_are_no_passing_trouble(url):
    """What another try cannot mend is not called transient, in either database."""
    with Catalog(url) as catalog:
        catalog.types()
        catalog._database.write(lambda connection: connection.execute(text("DROP TABLE run_error")))

        with pytest.raises(CatalogError, match="run_error") as caught:
            catalog.runs()

    assert not caught.value.transient


def test_a_file_that_is_taken_away_is_noticed(sqlite_url, records):
    """Nothing is written into a file that nobody finds again; put back, it is used on."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    kept = path.with_name("kept")
    with Catalog(sqlite_url) as catalog:
        uid = records.record(catalog)
        path.rename(kept)

        with pytest.raises(CatalogUnavailable, match="was removed"):
            records.record(catalog)
        path.touch()
        with pytest.raises(CatalogError, match="was replaced"):
            catalog.runs()
        kept.replace(path)

        assert [uid] == [run.uid for run in catalog.runs()]


@contextmanager
def held_by_modes():
    """Be a user whom the modes of files hold; root is not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(12345)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_may_only_be_read_is_named(records):
    """Whoever may not write is told so, and is not asked to try again."""
    # Not below tmp_path, where another user cannot go.
    with tempfile.TemporaryDirectory() as top:
        Path(top).chmod(0o755)
        path = Path(top) / "rows" / "catalog.sqlite"
        url = f"sqlite:///{path}"
        with Catalog(url) as catalog:
            records.record(catalog)
        path.chmod(0o444)
        path.parent.chmod(0o555)
        try:
            with (
                held_by_modes(),
                Catalog(url) as catalog,
                pytest.raises(CatalogError, match="refused") as caught,
            ):
                records.record(catalog)
        finally:
            path.parent.chmod(0o755)

    assert not caught.value.transient
    assert "its folder" in caught.value.remedy


CUT = """
import sys
from sqlalchemy import text
from rootcellar.catalog.catalog import Catalog
with Catalog(sys.argv[1]) as catalog:
    catalog._database.write(lambda connection: connection.execute(text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'rootcellar' AND pid <> pg_backend_pid()"
    )))
"""


def test_a_cut_connection_loses_nothing_and_may_be_tried_again(postgres_url, records, monkeypatch):
    """Cut in the middle of a run's end: transient, nothing entered, and the same call succeeds."""
    start = records.started()
    end = records.ended(start.uid, [], [records.version("pv", {"s": 1}, "power")])
    whole = recording._end_row

    def cut(record):
        subprocess.run([sys.executable, "-c", CUT, postgres_url], check=True)
        return whole(record)

    with Catalog(postgres_url) as catalog:
        catalog.start_run(start)
        monkeypatch.setattr(recording, "_end_row", cut)
        with pytest.raises(CatalogUnavailable) as caught:
            catalog.finish_run(end)
        monkeypatch.undo()
        assert 0 == len(catalog.versions())
        catalog.finish_run(end)
        catalog.finish_run(end)

        assert caught.value.transient
        assert [1] == [one.seq for one in catalog.versions("pv")]
        assert ["succeeded"] == [run.state for run in catalog.runs()]
