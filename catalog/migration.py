"""Bringing a database to this version's tables, once, however many processes start together.

A SQLite file belongs to one host and is upgraded when it is opened, after a copy. A Postgres
database is shared by workers of several versions and is upgraded only by `upgrade`.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table, func, inspect, select

from rootcellar.catalog.schema_tables import metadata
from rootcellar.catalog.tables import catalog_info
from rootcellar.schemas.errors import CatalogError, CatalogTooNew, CatalogTooOld
from rootcellar.schemas.record import new_uid

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from rootcellar.catalog.engine import Database

__all__ = ["HEAD", "REVISION_TABLE", "current_revision", "ensure", "upgrade"]

HEAD = "0009"
"""The revision that `tables.py` is at. Known here so that opening a catalog needs no alembic."""

REVISION_TABLE = "catalog_revision"

_SCRIPTS = Path(__file__).parent / "migrations"
_ADVISORY_KEY = 0x726F6F7463656C  # "rootcel"
_alembic = threading.Lock()  # alembic's context is global to the process

_revision = Table(
    REVISION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{REVISION_TABLE}_pkc"),
)


def current_revision(connection: Connection) -> str:
    """Return the database's revision, or empty if there is no catalog in it."""
    if not inspect(connection).has_table(REVISION_TABLE):
        return ""
    return connection.execute(select(_revision.c.version_num)).scalar() or ""


def ensure(database: Database) -> None:
    """Create the tables of a new database; upgrade an older SQLite file.

    Safe for any number of processes at once.

    Raises:
        CatalogTooNew: A newer rootcellar wrote it.
        CatalogTooOld: A Postgres database of an older rootcellar.
        CatalogUnavailable: It cannot be reached.
    """
    if database.is_sqlite:
        _make_folder(database)
    revision = database.read(current_revision)
    if not revision:
        revision = database.write(_create)
    if revision == HEAD:
        return
    _refuse_newer(database, revision)
    if not database.is_sqlite:
        raise CatalogTooOld(
            f"the catalog {database.shown_url} is at revision {revision}, this rootcellar needs "
            f"{HEAD}",
            remedy="Back it up, then run `rootcellar catalog upgrade` once",
        )
    upgrade(database)


def upgrade(database: Database) -> None:
    """Bring an older catalog to this version's tables; a SQLite file is copied first.

    Safe to repeat, and safe beside other processes: one upgrades, the others wait.

    Raises:
        CatalogTooNew: A newer rootcellar wrote it.
        CatalogError: Rows would be left that refer to nothing; nothing was changed.
    """
    if database.is_sqlite:
        _make_folder(database)
    if not database.read(current_revision):
        ensure(database)
    elif database.is_sqlite:
        _upgrade_sqlite(database)
    else:
        database.write(lambda connection: _upgrade(database, connection))


def alembic_config(connection: Connection) -> Config:
    """Return alembic's configuration for one connection, built here: there is no ini file."""
    from alembic.config import Config  # noqa: PLC0415  # half a second that few processes need

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _make_folder(database: Database) -> None:
    try:
        database.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogError(
            f"the folder of the catalog {database.shown_url} cannot be made: {error.strerror}",
            remedy="Choose a folder that can be written",
        ) from error


def _create(connection: Connection) -> str:
    _wait_for_others(connection)
    revision = current_revision(connection)
    if not revision:
        # checkfirst off: a table of that name is somebody else's, not ours to fill.
        metadata.create_all(connection, checkfirst=False)
        connection.execute(
            catalog_info.insert(), [{"uid": new_uid(), "created_at": datetime.now(UTC)}]
        )
        _revision.create(connection)
        connection.execute(_revision.insert(), [{"version_num": HEAD}])
    return revision or HEAD


def _wait_for_others(connection: Connection) -> None:
    # SQLite's write lock is held since the transaction began.
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_KEY)))


def _refuse_newer(database: Database, revision: str) -> None:
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # as above

    known = {script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions()}
    if revision not in known:
        raise CatalogTooNew(
            f"the catalog {database.shown_url} is at revision {revision}, which this rootcellar "
            f"({HEAD}) does not know",
            remedy="Upgrade rootcellar to the version that the other processes use",
        )


def _upgrade_sqlite(database: Database) -> None:
    with database.by_hand() as connection:
        # Ignored inside a transaction. With keys on, rebuilding a table may lose what refers to it.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _upgrade(database, connection)
            connection.exec_driver_sql("COMMIT")
        finally:
            # A new connection has its keys on again.
            connection.invalidate()


def _upgrade(database: Database, connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  # as above

    _wait_for_others(connection)
    revision = current_revision(connection)
    if revision == HEAD:
        return
    _refuse_newer(database, revision)
    if database.is_sqlite:
        _copy(database, revision)
    with _alembic:
        command.upgrade(alembic_config(connection), "head")
    if database.is_sqlite:
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise CatalogError(
                f"upgrading the catalog {database.shown_url} would leave {len(broken)} rows that "
                "refer to nothing",
                remedy="Report this; the catalog is as it was",
            )


def _copy(database: Database, revision: str) -> None:
    # Through the backup API: the file alone lacks what still stands in its journal.
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    target = database.copy_of(f"{revision}-{stamp}")
    with (
        closing(sqlite3.connect(database.path)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
