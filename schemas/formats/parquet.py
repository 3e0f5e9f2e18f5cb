"""Parquet: a table with its schema and counts in a footer."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.formats.arrow_schema import check_columns, columns_of, fingerprint
from rootcellar.schemas.formats.content import require_content, shortened
from rootcellar.schemas.formats.footer import footer_statistics
from rootcellar.schemas.formats.foreign import is_foreign_type
from rootcellar.schemas.formats.format import Description
from rootcellar.schemas.formats.table_format import TableFormat
from rootcellar.schemas.formats.tables import check_no_nulls, readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

__all__ = ["Parquet"]

_WHAT = "Parquet"
_HOLE_BYTES = 256 * 1024  # of the network's time, a request costs more than such a gap
_RANGE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Parquet(TableFormat):
    """A table in one Parquet file, read by its footer where that is enough.

    Loads and saves as every `TableFormat`, and loads as `pyarrow.dataset.Dataset`, which reads
    only the columns and row groups that are asked for. Written with zstd.
    """

    media_type: ClassVar[str] = "application/vnd.apache.parquet"
    name: ClassVar[str] = "parquet"
    label: ClassVar[str] = _WHAT

    def can_load(self, target: object) -> bool:
        """Tell whether `target` is a table type or `pyarrow.dataset.Dataset`."""
        return is_foreign_type(target, "pyarrow.Dataset") or TableFormat.can_load(self, target)

    def load(self, path: Path, target: object) -> object:
        """Return the table as `target`; datasets and readers read the file later.

        Raises:
            BindingError: `target` is none of the types above.
            ContentError: Damaged, or not the declared columns.
        """
        if is_foreign_type(target, "pyarrow.Dataset"):
            return self._dataset(path)
        return TableFormat.load(self, path, target)

    def validate(self, path: Path) -> None:
        """Hold the footer against the declared columns.

        The bytes of the columns are not read, so damage there goes unnoticed; digests guard them.
        Only a column that is declared to have no nulls, and whose footer does not count them, is
        read.

        Raises:
            ContentError: Empty, cut off, not Parquet, not the declared columns, nulls where none
                are declared, or too few rows.
        """
        with _opened(path) as file:
            self._check_file(file, path)

    def describe(self, path: Path) -> Description:
        """Return rows, size, columns and their bounds as the footer has them; nothing else is read.

        Raises:
            ContentError: Empty, cut off or not Parquet.
        """
        with _opened(path) as file:
            schema = file.schema_arrow
            return Description(
                size_bytes=path.stat().st_size,
                row_count=file.metadata.num_rows,
                schema_fingerprint=fingerprint(schema),
                columns=columns_of(schema),
                statistics=footer_statistics(file),
            )

    def dataset_format(self) -> ds.ParquetFileFormat:
        """Return Parquet with columns that lie near one another read by one request."""
        import pyarrow as pa  # noqa: PLC0415  heavy
        import pyarrow.dataset as ds  # noqa: PLC0415  heavy

        cache = pa.CacheOptions(
            hole_size_limit=_HOLE_BYTES, range_size_limit=_RANGE_BYTES, lazy=True
        )
        return ds.ParquetFileFormat(
            default_fragment_scan_options=ds.ParquetFragmentScanOptions(
                pre_buffer=True, cache_options=cache
            )
        )

    def dataset_schema(self, found: pa.Schema) -> pa.Schema:
        """Return the columns of a dataset whose first file has these columns.

        Raises:
            ContentError: They are not the declared ones.
        """
        declared = self._declared()
        check_columns(found, None if declared is None else _stored(declared))
        return found if declared is None else declared

    def _check_columns(self, path: Path) -> None:
        self.validate(path)

    def _check_file(self, file: pq.ParquetFile, path: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415  heavy

        declared = self._declared()
        check_columns(file.schema_arrow, None if declared is None else _stored(declared))
        self._check_row_count(file.metadata.num_rows)
        if declared is None:
            return
        for position, field in enumerate(declared):
            if not field.nullable and not _has_no_nulls(file, position):
                with readable(path, _WHAT):
                    for batch in file.iter_batches(columns=[field.name]):
                        check_no_nulls(batch, pa.schema([field]))

    def _found(self, path: Path) -> pa.Schema:
        with _opened(path) as file:
            return file.schema_arrow

    def _read(self, path: Path) -> pa.Table:
        with _opened(path) as file, readable(path, _WHAT):
            return file.read()

    def _batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        with _opened(path) as file, readable(path, _WHAT):
            yield from file.iter_batches()

    def _write(self, table: pa.Table, path: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415  heavy
        import pyarrow.parquet as pq  # noqa: PLC0415  heavy

        try:
            pq.write_table(table, path, compression="zstd")
        except pa.ArrowException as error:
            raise ContentError(
                f"it cannot be written as Parquet: {shortened(str(error))}",
                "",
                "",
                "Use column types that Parquet has",
            ) from error

    def _dataset(self, path: Path) -> ds.Dataset:
        import pyarrow.dataset as ds  # noqa: PLC0415  heavy

        self.validate(path)
        return ds.dataset(path, schema=self._declared(), format="parquet")


def _opened(path: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq  # noqa: PLC0415  heavy

    require_content(path, "Write a table; one without rows has a footer too")
    with readable(path, _WHAT):
        return pq.ParquetFile(path)


def _stored(declared: pa.Schema) -> pa.Schema:
    """Return the schema as it comes back from a file: Parquet has no seconds, for one."""
    import pyarrow.parquet as pq  # noqa: PLC0415  heavy

    sink = io.BytesIO()
    pq.write_table(declared.empty_table(), sink)
    return pq.read_schema(sink)


def _has_no_nulls(file: pq.ParquetFile, position: int) -> bool:
    """Tell whether the footer itself proves that a column has no nulls."""
    if not file.schema_arrow.field(position).nullable:
        return True
    leaves = [
        index
        for index in range(len(file.schema))
        if file.schema.column(index).path.partition(".")[0] == file.schema_arrow.names[position]
    ]
    if len(leaves) != 1:
        return False  # a nested column: its leaves may be null where it is not
    for group in range(file.metadata.num_row_groups):
        statistics: Any = file.metadata.row_group(group).column(leaves[0]).statistics
        if statistics is None or not statistics.has_null_count or statistics.null_count:
            return False
    return True
