"""The one door to a database: connections per process, transactions, errors in our words."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import create_engine, event

from rootcellar.catalog.canonical import canonical_text
from rootcellar.catalog.held import Held
from rootcellar.catalog.refused import as_sqlalchemys, in_our_words
from rootcellar.catalog.url import database_url
from rootcellar.schemas.errors import CatalogError, CatalogUnavailable
from rootcellar.schemas.mounts import network_file_system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Engine

    from rootcellar.catalog.held import Executes

__all__ = ["Database"]

_T = TypeVar("_T")

_BUSY_SECONDS = 60
_CONNECT_SECONDS = 10
_ATTEMPTS = 5
_IDLE = 4
_WRITERS_CACHE = "cache_size=-8000"
# Of 64 MB as pages are read: a walk needs more than 2. Checkpoints: most pages change in many runs.
_PRAGMAS = "synchronous=NORMAL", "foreign_keys=ON", "cache_size=-64000", "wal_autocheckpoint=4000"
_SERIALIZATION_FAILURE, _DEADLOCK = "40001", "40P01"
_BEGIN = "rootcellar_begin"
_COPY = ".backup"
_POSTGRES_DEFAULTS = {
    "connect_timeout": _CONNECT_SECONDS,
    "application_name": "rootcellar",
    # A host that is gone says nothing: the system would wait for a quarter of an hour.
    "tcp_user_timeout": 20_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}

# Engines and connections made before a fork belong to the parent: closing an inherited SQLite
# connection, which is what collecting it does, would drop locks and the journal under the parent.
_inherited: list[Engine] = []
_inherited_held: list[Held] = []


class _FileId(NamedTuple):
    """Which file stands under a name."""

    device: int
    inode: int


class Database:
    """A catalog's database: one engine per process, made on first use, never before a fork.

    Args:
        url: `sqlite:////absolute/path.sqlite` or `postgresql://user:password@host/name`.

    Raises:
        CatalogError: The URL is none of these.
    """

    def __init__(self, url: str) -> None:
        self._url = database_url(url)
        self._file_name = str(self._url.database)
        self._file_path = Path(self._file_name)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._guard = threading.Lock()
        self._engine: Engine | None = None
        self._pid = 0
        self._file: _FileId | None = None
        self._idle: list[Held] = []

    @property
    def shown_url(self) -> str:
        """The URL without password and options: fit for messages."""
        bare = self._url.set(drivername=self._url.get_backend_name(), query={})
        return bare.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """True for a file of this host."""
        return self._is_sqlite

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return self._file_path

    def copy_of(self, state: str) -> Path:
        """Return where a copy of the SQLite file in some state belongs: beside it."""
        return self.path.with_name(f"{self.path.name}.{state}{_COPY}")

    def copies(self) -> list[str]:
        """Return the names of the copies beside the SQLite file, the oldest first."""
        if not self.is_sqlite:
            return []
        start = f"{self.path.name}."
        try:
            found = [one.name for one in self.path.parent.iterdir()]
        except OSError:
            return []
        return sorted(one for one in found if one.startswith(start) and one.endswith(_COPY))

    @property
    def engine(self) -> Engine:
        """This process's engine."""
        engine = self._engine
        if engine is not None and self._pid == os.getpid():
            return engine
        with self._guard:
            if self._engine is None or self._pid != os.getpid():
                if self._engine is not None:
                    _inherited.append(self._engine)
                _inherited_held.extend(self._idle)
                self._idle = []
                self._engine, self._pid = self._new_engine(), os.getpid()
            return self._engine

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Return what `work` reads in one transaction.

        Raises:
            CatalogUnavailable: The database cannot be reached.
        """
        with self._translated(), self.engine.begin() as connection:
            if self.is_sqlite:
                self._refuse_replaced()
            return work(connection)

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Return what `work` did in one transaction; repeated if the database chose it as a victim.

        Raises:
            CatalogUnavailable: The database cannot be reached, or was busy for a minute.
        """

        def once() -> _T:
            engine = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            with self._translated(), engine.begin() as connection:
                if self.is_sqlite:
                    self._refuse_replaced()
                return work(connection)

        return _unless_victim(once)

    def record(self, work: Callable[[Executes], _T]) -> _T:
        """Do as `write`, on a connection that this process keeps.

        `work` may be called again after its transaction was committed: what it did once, it must
        not do twice.

        Raises:
            CatalogUnavailable: As in `write`.
        """
        return _unless_victim(lambda: self._with_held(_in_transaction, work))

    def look(self, work: Callable[[Executes], _T]) -> _T:
        """Return what `work` reads with one statement.

        Raises:
            CatalogUnavailable: The database cannot be reached.
        """
        return self._with_held(_by_itself, work)

    def _with_held(
        self, use: Callable[[Held, Callable[[Executes], _T]], _T], work: Callable[[Executes], _T]
    ) -> _T:
        """Use a connection that this process keeps; a new one if the server closed it meanwhile."""
        engine = self.engine
        held: Held | None = None
        while True:
            is_kept = bool(self._idle)
            try:
                held = self._take(engine)
                if self.is_sqlite:
                    self._refuse_replaced()
                done = use(held, work)
            except engine.dialect.loaded_dbapi.Error as error:
                was_cut = held is not None and held.is_cut_by(error)
                _close(held)
                if not (is_kept and was_cut):
                    with self._translated():
                        raise as_sqlalchemys(error) from error
            except BaseException:
                _close(held)
                raise
            else:
                self._give_back(held)
                return done

    def _take(self, engine: Engine) -> Held:
        if self._idle:
            with suppress(IndexError):  # another thread was faster
                return self._idle.pop()
        with self._translated():
            pooled = engine.raw_connection()
        pooled.detach()
        connection: Any = pooled.dbapi_connection
        if self.is_sqlite:
            connection.execute(f"PRAGMA {_WRITERS_CACHE}")
        else:
            connection.autocommit = True
        return Held(connection, engine.dialect)

    def _give_back(self, held: Held) -> None:
        # Of more than a few threads at once, the others open one each time.
        if len(self._idle) < _IDLE:
            self._idle.append(held)
        else:
            held.close()

    @contextmanager
    def by_hand(self) -> Iterator[Connection]:
        """Give a SQLite connection whose transactions the caller begins and commits himself."""
        by_hand = self.engine.execution_options(**{_BEGIN: ""})
        with self._translated(), by_hand.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Close this process's connections; the next use opens new ones."""
        with self._guard:
            if self._engine is not None and self._pid == os.getpid():
                while self._idle:
                    self._idle.pop().close()
                self._engine.dispose()
                self._engine = None

    def _refuse_replaced(self) -> None:
        """Refuse a file that is another than at first, or none.

        SQLite would go on writing into the one that nobody finds again; and a new one does not
        hold the rows whose ids this process has learnt.
        """
        try:
            found = os.stat(self._file_name)  # noqa: PTH116  # half the time, before every record
        except OSError as error:
            raise CatalogUnavailable(
                f"the file of the catalog {self.shown_url} was removed while it was in use",
                remedy="Put it back, or start this process anew to begin a new catalog",
            ) from error
        now = _FileId(found.st_dev, found.st_ino)
        self._file = self._file or now
        if now != self._file:
            raise CatalogError(
                f"the file of the catalog {self.shown_url} was replaced while it was in use",
                remedy="Start this process anew",
            )

    def _new_engine(self) -> Engine:
        if self.is_sqlite:
            return self._sqlite_engine()
        return create_engine(
            self._url,
            isolation_level="READ COMMITTED",
            paramstyle="format",  # by position
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                name: value
                for name, value in _POSTGRES_DEFAULTS.items()
                if name not in self._url.query
            },
        )

    def _sqlite_engine(self) -> Engine:
        kind = network_file_system(self.path.absolute().parent)
        if kind:
            raise CatalogError(
                f"SQLite cannot be shared safely on a network file system ({kind}): "
                f"{self.shown_url}",
                remedy="Put the catalog on a local disk, or use Postgres",
            )
        engine = create_engine(
            self._url,
            hide_parameters=True,
            connect_args={"timeout": _BUSY_SECONDS},
            json_serializer=canonical_text,
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _translated(self) -> AbstractContextManager[None]:
        return in_our_words(self.shown_url, self.copies)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own BEGIN is off: it comes too late, and it commits around DDL.
    connection.isolation_level = None
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _switch_to_wal(connection)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # Needs the file alone, and does not wait for it: several processes may open a new one.
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311  # jitter
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)


def _unless_victim(once: Callable[[], _T]) -> _T:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return once()
        except CatalogUnavailable as error:
            if attempt == _ATTEMPTS or not _is_victim(error.__cause__):
                raise
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311  # jitter
    raise AssertionError  # pragma: no cover  # the last attempt returns or raises


def _in_transaction(held: Held, work: Callable[[Executes], _T]) -> _T:
    held.begin()
    done = work(held)
    held.commit()
    return done


def _by_itself(held: Held, work: Callable[[Executes], _T]) -> _T:
    return work(held)


def _close(held: Held | None) -> None:
    if held is not None:
        held.close()


def _is_victim(error: BaseException | None) -> bool:
    original: Any = getattr(error, "orig", None)
    return getattr(original, "sqlstate", None) in {_SERIALIZATION_FAILURE, _DEADLOCK}
