"""A connection that a thread keeps, for the few statements that every run executes.

SQLAlchemy writes the SQL and turns values into what the database stores, once per statement and
process; after that a statement costs what the driver takes. SQLAlchemy's own execution adds up to a
third of a millisecond to each, which is more than a whole run may.
"""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

from rootcellar.catalog.canonical import clean_text
from rootcellar.catalog.columns import CleanText

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

    Converter = Callable[[Any], Any]

__all__ = ["WHOLE_ROWS", "Executes", "Held", "Rows"]

WHOLE_ROWS = "rootcellar_whole_rows"
"""Option of an insert that is built once and given all columns each time: `Held` looks no more."""

_CUT = ("08", "57P")  # SQLSTATEs: connection exceptions, operator intervention
_LISTS = {list, tuple}
_REMEMBERED = 256
"""Statements per connection. Those that are built anew for each use must not pile up."""


class Executes(Protocol):
    """What recording asks of a connection: SQLAlchemy's own is one, and so is `Held`."""

    @property
    def dialect(self) -> Dialect:
        """Which SQL is spoken."""

    def execute(self, statement: Any, parameters: Any = None, /) -> Any:
        """Execute a statement, once for each mapping of parameters."""


class Rows(list[Any]):
    """What a statement returned: named tuples, as far as SQLAlchemy's results are asked here."""

    def all(self) -> Rows:
        """Return the rows."""
        return self

    def first(self) -> Any:
        """Return the first row, or None."""
        return self[0] if self else None

    def one(self) -> Any:
        """Return the only row.

        Raises:
            ValueError: There is none, or more than one.
        """
        (row,) = self
        return row

    def scalar(self) -> Any:
        """Return the first column of the first row, or None."""
        return self[0][0] if self else None

    def scalars(self) -> Rows:
        """Return the first column of all rows."""
        return Rows(row[0] for row in self)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One statement as the driver takes it.

    Attributes:
        places: For each placeholder: name of the value, its place if it is a list, what turns it
            into what is stored.
        constants: Values that the statement itself brings.
        make_row: Makes a row of what the driver returns; None for a statement that returns nothing.
        take: Takes all values at once, if every one is given, and none is a list.
        texts: Places of values that are to be clean text.
        converted: Places of other values that are stored as something else, and what makes it.
    """

    sql: str
    places: tuple[tuple[str, int | None, Converter | None], ...]
    constants: Mapping[str, Any]
    make_row: Converter | None
    take: Callable[[Mapping[str, Any]], tuple[Any, ...]] | None
    texts: tuple[int, ...]
    converted: tuple[tuple[int, Converter], ...]

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """Return the driver's parameters."""
        if self.take is not None:
            flat = list(self.take(given))
            for place in self.texts:
                text = flat[place]
                # Nearly all are as clean as they come: a call for each would cost more.
                if text is not None and (
                    type(text) is not str or not text.isascii() or "\0" in text
                ):
                    flat[place] = clean_text(text)
            for place, store in self.converted:
                flat[place] = store(flat[place])
            return flat
        found = []
        for name, index, convert in self.places:
            value = given[name] if name in given else self.constants[name]
            if index is not None:
                value = value[index]
            found.append(value if convert is None else convert(value))
        return found


class Held:
    """A driver's connection of one thread, with the face of SQLAlchemy's.

    Statements are remembered by identity: those that are built once are compiled once.

    Args:
        connection: Commits each statement by itself unless told to begin.
        dialect: With a positional style of parameters.
    """

    def __init__(self, connection: Any, dialect: Dialect) -> None:
        self.connection = connection
        self.dialect = dialect
        self._pipeline: Any = None
        self._can_pipeline = (
            dialect.name == "postgresql" and dialect.loaded_dbapi.Pipeline.is_supported()
        )
        self._compiled: OrderedDict[tuple[Any, ...], _Compiled] = OrderedDict()
        self._whole: dict[Any, _Compiled] = {}

    def execute(self, statement: Any, parameters: Any = None, /) -> Rows:
        """Execute a statement, once for each mapping of parameters, and return all it returned."""
        many: Sequence[Mapping[str, Any]] = (
            parameters if isinstance(parameters, list) else (parameters or {},)
        )
        compiled = self.compiled(statement, many[0])
        execute, make_row = self.connection.execute, compiled.make_row
        if make_row is None:
            self._put(compiled, many)
            return Rows()
        return Rows(
            make_row(row)
            for one in many
            for row in execute(compiled.sql, compiled.values(one)).fetchall()
        )

    def gather(self, asked: Sequence[tuple[Any, Mapping[str, Any]]], /) -> list[Rows]:
        """Execute statements one after another, waiting once, and return what each returned."""
        sent = [(self.compiled(statement, given), given) for statement, given in asked]
        cursors = [self.connection.execute(one.sql, one.values(given)) for one, given in sent]
        return [
            Rows() if one.make_row is None else Rows(map(one.make_row, cursor.fetchall()))
            for (one, _), cursor in zip(sent, cursors, strict=True)
        ]

    def _put(self, compiled: _Compiled, rows: Sequence[Mapping[str, Any]]) -> None:
        if len(rows) > 1 and self.dialect.name == "sqlite":
            self.connection.executemany(compiled.sql, [compiled.values(one) for one in rows])
            return
        for one in rows:
            self.connection.execute(compiled.sql, compiled.values(one))

    def begin(self) -> None:
        """Begin a transaction; SQLite's takes the write lock at once.

        One that reads first and writes later fails at once if another wrote meanwhile; the busy
        timeout does not help it. To Postgres, statements are sent without waiting for the answers
        to those before them, unless these return rows.
        """
        if self.dialect.name == "sqlite":
            self.connection.execute("BEGIN IMMEDIATE")
            return
        if self._can_pipeline:
            self._pipeline = self.connection.pipeline()
            self._pipeline.__enter__()
        self.connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")

    def commit(self) -> None:
        """Commit what was begun."""
        self.connection.execute("COMMIT")
        if self._pipeline is not None:
            pipeline, self._pipeline = self._pipeline, None
            pipeline.__exit__(None, None, None)

    def is_cut_by(self, error: BaseException) -> bool:
        """Tell whether the server ended the connection, as it does when it is restarted."""
        state = getattr(error, "sqlstate", None) or ""
        return state.startswith(_CUT) or bool(getattr(self.connection, "closed", False))

    def close(self) -> None:
        """Close the connection, and give up what is not committed. Safe to repeat."""
        self.connection.close()
        if self._pipeline is not None:
            pipeline, self._pipeline = self._pipeline, None
            # Left to the collector, it would log that it was cut.
            with suppress(self.dialect.loaded_dbapi.Error):
                pipeline.__exit__(None, None, None)

    def compiled(self, statement: Any, first: Mapping[str, Any]) -> _Compiled:
        """Return the statement for parameters with these names and lengths of lists."""
        whole = self._whole.get(statement)
        if whole is not None:
            return whole
        lengths = [len(value) for value in first.values() if type(value) in _LISTS]
        shape = (statement, *first, *lengths)
        found = self._compiled.get(shape)
        if found is None:
            found = self._compiled[shape] = _compile(statement, first, self.dialect)
            if statement.get_execution_options().get(WHOLE_ROWS):
                self._whole[statement] = found
            if len(self._compiled) > _REMEMBERED:
                self._compiled.popitem(last=False)
        return found


def _compile(statement: Any, first: Mapping[str, Any], dialect: Dialect) -> _Compiled:
    # An insert says by its first row which columns it fills; the others name their own.
    is_by_row = statement.is_insert and statement.select is None
    columns = list(first) if is_by_row else None
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    constants = {
        name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required
    }
    state = compiled.construct_expanded_state(
        {**dict.fromkeys(compiled.binds), **constants, **first}
    )
    homes: dict[str, tuple[str, int | None]] = {name: (name, None) for name in compiled.binds}
    for name, parts in state.parameter_expansion.items():
        homes.update({part: (name, index) for index, part in enumerate(parts)})
    places = []
    for placeholder in state.positiontup or ():
        name, index = homes[placeholder]
        places.append((name, index, _to_stored(compiled.binds[name].type, dialect)))
    is_flat = len(places) > 1 and all(name in first and index is None for name, index, _ in places)
    of_text = [
        place
        for place, (name, _, _) in enumerate(places)
        if isinstance(compiled.binds[name].type, CleanText)
    ]
    return _Compiled(
        sql=state.statement,
        places=tuple(places),
        constants=constants,
        make_row=_row_maker(statement, dialect),
        take=itemgetter(*(name for name, _, _ in places)) if is_flat else None,
        texts=tuple(of_text),
        converted=tuple(
            (place, convert)
            for place, (_, _, convert) in enumerate(places)
            if convert is not None and place not in of_text
        ),
    )


def _to_stored(kind: TypeEngine[Any], dialect: Dialect) -> Converter | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _row_maker(statement: Any, dialect: Dialect) -> Converter | None:
    columns = list(statement.exported_columns)
    if not columns:
        return None
    names = [column.name for column in columns]
    row_class = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024  # known when it runs
    converters = [
        column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns
    ]
    make = row_class._make
    if not any(converters):
        return make
    return lambda row: make(
        value if convert is None else convert(value)
        for value, convert in zip(row, converters, strict=True)
    )
