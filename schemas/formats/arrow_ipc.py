"""ArrowIpc: a table as Arrow has it in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rootcellar.schemas.formats.arrow_schema import check_columns, columns_of, fingerprint
from rootcellar.schemas.formats.content import require_content
from rootcellar.schemas.formats.format import Description
from rootcellar.schemas.formats.table_format import TableFormat
from rootcellar.schemas.formats.tables import check_no_nulls, readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.dataset as ds

__all__ = ["ArrowIpc"]

_WHAT = "an Arrow IPC file"


@dataclass(frozen=True, slots=True)
class ArrowIpc(TableFormat):
    """A table in one Arrow IPC file (not a stream), also known as Feather 2.

    Loads and saves as every `TableFormat`. Uncompressed files, as this writes, are mapped into
    memory: a loaded table reads from the file, which may be unlinked but must not be changed.
    """

    media_type: ClassVar[str] = "application/vnd.apache.arrow.file"
    name: ClassVar[str] = "arrow"
    label: ClassVar[str] = "Arrow IPC"

    def validate(self, path: Path) -> None:
        """Hold the footer against the declared columns.

        The bytes of the columns are not read, so damage there goes unnoticed; digests guard them.
        Only columns that are declared to have no nulls, in a file that allows them, are read.

        Raises:
            ContentError: Empty, cut off, not Arrow IPC, not the declared columns, nulls where
                none are declared, or too few rows.
        """
        self._check_columns(path)
        if self.min_rows:
            self._check_row_count(_row_count(path))

    def describe(self, path: Path) -> Description:
        """Return rows, size and columns from the footer and the head of each record batch.

        Raises:
            ContentError: Empty, cut off or not Arrow IPC.
        """
        schema = self._found(path)
        return Description(
            size_bytes=path.stat().st_size,
            row_count=_row_count(path),
            schema_fingerprint=fingerprint(schema),
            columns=columns_of(schema),
        )

    def dataset_format(self) -> ds.IpcFileFormat:
        """Return Arrow IPC as pyarrow's datasets know it."""
        import pyarrow.dataset as ds  # noqa: PLC0415  heavy

        return ds.IpcFileFormat()

    def _check_columns(self, path: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415  heavy

        found, declared = self._found(path), self._declared()
        check_columns(found, declared)
        unsure = [
            position
            for position, field in enumerate(declared or ())
            if not field.nullable and found.field(position).nullable
        ]
        if declared is not None and unsure:
            expected = pa.schema([declared.field(position) for position in unsure])
            for batch in _batches(path, unsure):
                check_no_nulls(batch, expected)

    def _found(self, path: Path) -> pa.Schema:
        with readable(path, _WHAT):
            return _opened(path).schema

    def _read(self, path: Path) -> pa.Table:
        with readable(path, _WHAT):
            return _opened(path).read_all()

    def _batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        return _batches(path, None)

    def _write(self, table: pa.Table, path: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415  heavy

        with pa.ipc.new_file(str(path), table.schema) as writer:
            # The file form has room for one dictionary per column, not for one per part.
            writer.write_table(table.unify_dictionaries())


def _opened(path: Path, columns: list[int] | None = None) -> pa.RecordBatchFileReader:
    import pyarrow as pa  # noqa: PLC0415  heavy

    require_content(path, "Write a table; one without rows has a footer too")
    options = pa.ipc.IpcReadOptions(included_fields=columns)
    return pa.ipc.open_file(pa.memory_map(str(path)), options=options)


def _batches(path: Path, columns: list[int] | None) -> Iterator[pa.RecordBatch]:
    with readable(path, _WHAT):
        reader = _opened(path, columns)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def _row_count(path: Path) -> int:
    import pyarrow.dataset as ds  # noqa: PLC0415  heavy

    # Reads the heads of the record batches only, compressed or not.
    with readable(path, _WHAT):
        return int(ds.dataset(path, format="ipc").count_rows())
