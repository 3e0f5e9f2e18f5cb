"""What the formats of tables share: declared columns, and the types tables are made from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.formats.arrow_schema import (
    check_columns,
    check_source,
    definition_of,
    resolved,
)
from rootcellar.schemas.formats.content import copy_file, not_loadable, not_savable
from rootcellar.schemas.formats.foreign import is_foreign_type
from rootcellar.schemas.formats.tables import (
    CHOICES,
    can_deliver,
    can_tabulate,
    conformed,
    delivered,
    tabulated,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    import pyarrow.dataset as ds

    from rootcellar.schemas.formats.arrow_schema import SchemaSource
    from rootcellar.schemas.formats.format import Description
    from rootcellar.schemas.ref import Kind

__all__ = ["TableFormat"]


@dataclass(frozen=True, slots=True)
class TableFormat(ABC):
    """A table in one file.

    Loads as `pyarrow.Table`, `pandas.DataFrame`, `polars.DataFrame`, `list[dict]` (rows),
    `dict[str, list]` (columns), and `pyarrow.RecordBatchReader`, which reads a part at a time.
    Saves the same but readers, and copies the file at a `Path`. What is loaded and saved has the
    declared columns in the declared order and types, whatever way they are stored.

    Args:
        schema: The columns every file must have, as a `pyarrow.Schema` or a function that
            returns one, for modules that do not want to import pyarrow. Metadata do not count.
        min_rows: Fewer are refused.

    Raises:
        DeclarationError: The schema is none.
    """

    kind: ClassVar[Kind] = "file"
    name: ClassVar[str]
    label: ClassVar[str]
    reads_in_order: ClassVar[bool] = False

    schema: SchemaSource | None = None
    min_rows: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        check_source(self.schema)

    def definition(self) -> dict[str, Any]:
        """Return the declared columns and options.

        Raises:
            DeclarationError: The schema's function gives something else.
        """
        return {
            "format": self.name,
            "schema": definition_of(self._declared()),
            "min_rows": self.min_rows,
        }

    def can_load(self, target: object) -> bool:
        """Tell whether `target` is one of the types above."""
        return can_deliver(target) or is_foreign_type(target, "pyarrow.RecordBatchReader")

    def can_save(self, value: object) -> bool:
        """Tell whether `value` is a table, rows, columns or a path."""
        return isinstance(value, Path) or can_tabulate(value)

    def load(self, path: Path, target: object) -> object:
        """Return the table as `target`; a `RecordBatchReader` holds the file open.

        Raises:
            BindingError: `target` is none of the types above.
            ContentError: Damaged, or not the declared columns.
        """
        if not self.can_load(target):
            raise not_loadable(self.label, target, CHOICES)
        if is_foreign_type(target, "pyarrow.RecordBatchReader"):
            return self._reader(path)
        return delivered(self.default_load(path), target)

    def default_load(self, path: Path) -> pa.Table:
        """Return the whole table.

        Raises:
            ContentError: Damaged, or not the declared columns.
        """
        self._check_columns(path)
        table, declared = self._read(path), self._declared()
        return table if declared is None else conformed(table, declared)

    def save(self, value: object, path: Path) -> None:
        """Write a table, cast to the declared columns, or copy a file.

        Raises:
            ContentError: Another type, other columns, or a value that a cast would change.
        """
        if isinstance(value, Path):
            copy_file(value, path)
            return
        if not self.can_save(value):
            raise not_savable(self.label, value, CHOICES)
        self._write(tabulated(value, self._declared()), path)

    @abstractmethod
    def validate(self, path: Path) -> None:
        """Hold the file against the declared columns."""

    @abstractmethod
    def describe(self, path: Path) -> Description:
        """Return rows, size and columns."""

    def preview(self, path: Path, rows: int = 10) -> pa.Table:
        """Return the first rows, whether or not the columns are the declared ones.

        Raises:
            ContentError: Damaged.
        """
        import pyarrow as pa  # noqa: PLC0415  heavy

        schema, batches = self._undeclared(path)
        head: list[pa.RecordBatch] = []
        missing = rows
        for batch in batches:
            head.append(batch.slice(0, missing))
            missing -= head[-1].num_rows
            if missing == 0:
                break
        return pa.Table.from_batches(head, schema=schema)

    @abstractmethod
    def dataset_format(self) -> ds.FileFormat:
        """Return the format as pyarrow's datasets know it."""

    def dataset_schema(self, found: pa.Schema) -> pa.Schema:
        """Return the columns of a dataset whose first file has these columns.

        Raises:
            ContentError: They are not the declared ones.
        """
        declared = self._declared()
        check_columns(found, declared)
        return found if declared is None else declared

    def _declared(self) -> pa.Schema | None:
        return resolved(self.schema)

    @abstractmethod
    def _check_columns(self, path: Path) -> None:
        """Hold the columns against the declared ones, reading as little as that takes."""

    @abstractmethod
    def _found(self, path: Path) -> pa.Schema:
        """Return the file's own columns."""

    @abstractmethod
    def _read(self, path: Path) -> pa.Table:
        """Return the whole table, of columns that were checked."""

    @abstractmethod
    def _batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """Yield the table in parts, as it is."""

    @abstractmethod
    def _write(self, table: pa.Table, path: Path) -> None:
        """Write a table that has the declared columns."""

    def _reader(self, path: Path) -> pa.RecordBatchReader:
        import pyarrow as pa  # noqa: PLC0415  heavy

        self._check_columns(path)
        schema = self._declared()
        if schema is None:
            return pa.RecordBatchReader.from_batches(*self._undeclared(path))
        batches = (
            part
            for batch in self._typed_batches(path)
            for part in conformed(pa.Table.from_batches([batch]), schema).to_batches()
        )
        return pa.RecordBatchReader.from_batches(schema, batches)

    def _undeclared(self, path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return the table in parts as it is, and the schema those parts have."""
        batches = self._batches(path)
        first = next(batches, None)
        if first is None:
            return self._found(path), batches
        return first.schema, chain([first], batches)

    def _typed_batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """Yield the parts with types that can be cast to the declared ones."""
        return self._batches(path)

    def _check_row_count(self, row_count: int) -> None:
        if row_count < self.min_rows:
            raise ContentError(
                f"it has {row_count} rows, expected {self.min_rows} or more",
                "",
                "",
                "Look at what the rows were made from, or declare a smaller min_rows",
            )
