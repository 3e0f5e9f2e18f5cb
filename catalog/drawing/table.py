"""Table: rows with named, typed columns that print, draw and hand themselves to data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from rootcellar.catalog.drawing import arrow, printing
from rootcellar.catalog.drawing.arrow import Column, ColumnKind
from rootcellar.catalog.drawing.deferred import Deferred
from rootcellar.schemas.errors import CatalogError, NotInCatalog

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import pandas as pd
    import polars as pl

__all__ = ["Column", "ColumnKind", "Row", "Table", "table_of"]

T = TypeVar("T")
Row = Mapping[str, object]


@dataclass(frozen=True, repr=False)
class Table(Generic[T]):
    """A result: iterate it, index it, print it, or hand it to pandas, polars or pyarrow.

    Without items, iteration, indexing and `len` give rows as read-only mappings.

    Attributes:
        columns: Names and kinds; no name twice.
        rows: One tuple per row, as long as `columns`; deferred ones are made when they are shown.
        items: The objects the rows describe, one per row, or nothing.
        note: What the reader must know, such as that a limit cut the result. Every form for
            people shows it.

    Raises:
        CatalogError: The parts do not fit together.
    """

    columns: tuple[Column, ...]
    rows: Sequence[tuple[object, ...]]
    items: Sequence[T] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.columns):
            raise CatalogError("a table has two columns of one name")
        is_made = not isinstance(self.rows, Deferred)
        if is_made and any(len(row) != len(self.columns) for row in self.rows):
            raise CatalogError("a row of a table has not one value for each column")
        if self.items and len(self.items) != len(self.rows):
            raise CatalogError("a table has not one item for each row")

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in order."""
        return tuple(column.name for column in self.columns)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[T]:
        if self.items:
            return iter(self.items)
        return iter([self._row(row) for row in self.rows])

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Table[T]: ...
    def __getitem__(self, index: int | slice) -> T | Table[T]:
        if isinstance(index, slice):
            return replace(self, rows=self.rows[index], items=self.items[index])
        return self.items[index] if self.items else self._row(self.rows[index])

    def _row(self, row: tuple[object, ...]) -> T:
        # The T of a table without items is Row.
        return cast("T", MappingProxyType(dict(zip(self.names, row, strict=True))))

    def column(self, name: str) -> tuple[object, ...]:
        """Return the values of one column.

        Raises:
            NotInCatalog: No such column.
        """
        place = self._place(name)
        return tuple(row[place] for row in self.rows)

    def select(self, *names: str) -> Table[T]:
        """Return the table with these columns only, in this order, and the same items.

        Raises:
            NotInCatalog: No such column.
        """
        places = [self._place(name) for name in names]
        return replace(
            self,
            columns=tuple(self.columns[place] for place in places),
            rows=[tuple(row[place] for place in places) for row in self.rows],
        )

    def sort(self, name: str, *, descending: bool = False) -> Table[T]:
        """Return the table sorted by one column, None last; equal rows keep their order.

        Raises:
            NotInCatalog: No such column.
        """
        place = self._place(name)
        is_json = self.columns[place].kind == "json"
        values: list[Any] = [row[place] for row in self.rows]
        keys = [arrow.canonical_json(v) if is_json and v is not None else v for v in values]
        known = [n for n, key in enumerate(keys) if key is not None]
        order = sorted(known, key=keys.__getitem__, reverse=descending)
        order += [n for n, key in enumerate(keys) if key is None]
        return replace(
            self,
            rows=[self.rows[n] for n in order],
            items=[self.items[n] for n in order] if self.items else (),
        )

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise NotInCatalog(
                f"the table has no column {name!r}",
                remedy=f"Its columns are {', '.join(self.names) or 'none'}",
            )
        return self.names.index(name)

    def to_arrow(self) -> Any:
        """Return a `pyarrow.Table`.

        Types follow the columns' kinds and never the values: `time` is microseconds in UTC, `json`
        canonical JSON text. The note travels in the schema's metadata.
        """
        return arrow.to_arrow(self.columns, self.rows, self.note)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand the table to any library that reads the Arrow stream interface."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def to_pandas(self) -> pd.DataFrame:
        """Return a pandas data frame; integers and booleans keep their type beside missing ones."""
        return arrow.to_pandas(self.to_arrow())

    def to_polars(self) -> pl.DataFrame:
        """Return a polars data frame."""
        return arrow.to_polars(self.to_arrow())

    def __str__(self) -> str:
        return printing.text_table(self.columns, self.rows, self.note)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return printing.html_table(self.columns, self.rows, self.note)

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        bundle = {"text/html": self._repr_html_(), "text/plain": str(self)}
        return {
            kind: form
            for kind, form in bundle.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }


def table_of(table: Any) -> Table[Row]:
    """Return a `pyarrow.Table` as a Table, which prints and draws itself better."""
    return Table(arrow.columns_of(table), arrow.rows_of(table))
