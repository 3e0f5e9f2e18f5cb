"""Csv: a table as text with a header."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from rootcellar.schemas.errors import ContentError, DeclarationError
from rootcellar.schemas.formats.arrow_schema import check_columns, columns_of, fingerprint
from rootcellar.schemas.formats.content import check_encoding, require_content, shortened
from rootcellar.schemas.formats.format import Description
from rootcellar.schemas.formats.table_format import TableFormat
from rootcellar.schemas.formats.tables import check_no_nulls, readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow import csv

__all__ = ["Csv"]

_WHAT = "CSV"


@dataclass(frozen=True, slots=True)
class Csv(TableFormat):
    """A table as text, with the names of the columns in the first line.

    Loads and saves as every `TableFormat`. With a declared schema every value is read as its
    column's type; without one, types are inferred when the table is loaded. An empty field is
    null and `""` is an empty string.

    Args:
        delimiter: One character between fields.
        null_values: Fields without quotes that stand for null.
        encoding: Of files that come from elsewhere; only utf-8 is written.
        decimal_point: As `encoding`; only a point is written.

    Raises:
        DeclarationError: An option that no CSV can have.
    """

    media_type: ClassVar[str] = "text/csv"
    name: ClassVar[str] = "csv"
    label: ClassVar[str] = _WHAT
    reads_in_order: ClassVar[bool] = True

    delimiter: str = field(default=",", kw_only=True)
    null_values: tuple[str, ...] = field(default=("",), kw_only=True)
    encoding: str = field(default="utf-8", kw_only=True)
    decimal_point: str = field(default=".", kw_only=True)

    def __post_init__(self) -> None:
        TableFormat.__post_init__(self)
        check_encoding(self.encoding)
        for option in ("delimiter", "decimal_point"):
            text = getattr(self, option)
            if len(text) != 1 or not text.isascii() or text in '"\r\n':
                raise DeclarationError(
                    f"the {option} of its CSV is {text!r}",
                    "",
                    "",
                    "Give one ASCII character that is neither a quote nor a line break",
                )
        if self.delimiter == self.decimal_point:
            raise DeclarationError(
                f"its CSV has {self.delimiter!r} between fields and within numbers",
                "",
                "",
                "Give another delimiter, such as ';'",
            )

    def definition(self) -> dict[str, Any]:
        """Return the declared columns and options.

        Raises:
            DeclarationError: The schema's function gives something else.
        """
        return {
            **TableFormat.definition(self),
            "delimiter": self.delimiter,
            "null_values": list(self.null_values),
            "encoding": codecs.lookup(self.encoding).name,
            "decimal_point": self.decimal_point,
        }

    def validate(self, path: Path) -> None:
        """Read every line, a part at a time, as the declared types; without, as text.

        Raises:
            ContentError: Empty, other columns, a line with too few or too many fields, a value
                that is not of its column's type, a null where none is declared, or too few rows.
        """
        self._check_columns(path)
        self._check_row_count(self._counted(path))

    def describe(self, path: Path) -> Description:
        """Return rows, size and columns; every line is read.

        A CSV file has no types of its own: where none are declared, columns are strings.

        Raises:
            ContentError: Empty, or a line with too few or too many fields.
        """
        schema = self._found(path)
        return Description(
            size_bytes=path.stat().st_size,
            row_count=self._counted(path),
            schema_fingerprint=fingerprint(schema),
            columns=columns_of(schema),
        )

    def dataset_format(self) -> ds.CsvFileFormat:
        """Return CSV with these options; without declared columns, types are inferred."""
        import pyarrow.dataset as ds  # noqa: PLC0415  heavy

        options = self._options(self._declared())
        return ds.CsvFileFormat(
            options["parse_options"],
            default_fragment_scan_options=ds.CsvFragmentScanOptions(
                options["convert_options"], options["read_options"]
            ),
        )

    def _check_columns(self, path: Path) -> None:
        check_columns(self._found(path), self._declared())

    def _found(self, path: Path) -> pa.Schema:
        """Return the columns of the header, with the types they are declared to have."""
        import pyarrow as pa  # noqa: PLC0415  heavy

        require_content(path, "Write the names of the columns in the first line")
        with readable(path, _WHAT), self._opened(path, None) as reader:
            names = reader.schema.names
        declared = self._declared()
        known = {} if declared is None else {item.name: item for item in declared}
        return pa.schema([known.get(name, pa.field(name, pa.string())) for name in names])

    def _counted(self, path: Path) -> int:
        declared = self._declared()
        row_count = 0
        for batch in self._typed_batches(path):
            row_count += batch.num_rows
            if declared is not None:
                check_no_nulls(batch, declared)
        return row_count

    def _read(self, path: Path) -> pa.Table:
        from pyarrow import csv  # noqa: PLC0415  heavy

        with readable(path, _WHAT):
            if self.schema is None:
                # Not the streaming reader, which infers types from the first part alone.
                return csv.read_csv(path, **self._options(None))
            with self._opened(path, self._found(path)) as reader:
                return reader.read_all()

    def _batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        """Yield the parts with inferred types."""
        with readable(path, _WHAT), self._opened(path, None) as reader:
            yield from reader

    def _typed_batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        with readable(path, _WHAT), self._opened(path, self._found(path)) as reader:
            yield from reader

    def _opened(self, path: Path, types: pa.Schema | None) -> csv.CSVStreamingReader:
        from pyarrow import csv  # noqa: PLC0415  heavy

        return csv.open_csv(path, **self._options(types))

    def _options(self, types: pa.Schema | None) -> dict[str, Any]:
        from pyarrow import csv  # noqa: PLC0415  heavy

        return {
            # With threads, errors do not know their line.
            "read_options": csv.ReadOptions(use_threads=False, encoding=self.encoding),
            "parse_options": csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            "convert_options": csv.ConvertOptions(
                column_types=types,
                null_values=list(self.null_values),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                decimal_point=self.decimal_point,
            ),
        }

    def _write(self, table: pa.Table, path: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415  heavy
        from pyarrow import csv  # noqa: PLC0415  heavy

        self._check_writable(table)
        try:
            csv.write_csv(table, path, csv.WriteOptions(delimiter=self.delimiter))
        except pa.ArrowException as error:
            raise ContentError(
                f"it cannot be written as CSV: {shortened(str(error))}",
                "",
                "",
                "Keep nested values in Parquet or JSON",
            ) from error

    def _check_writable(self, table: pa.Table) -> None:
        if codecs.lookup(self.encoding).name != "utf-8":
            problem = f"CSV is not written in {self.encoding}"
        elif self.decimal_point != ".":
            problem = f"CSV is not written with {self.decimal_point!r} as decimal point"
        elif table.num_columns == 1 and table.column(0).null_count:
            problem = "a null in the only column would be a blank line, which readers skip"
        elif table.num_columns == 0:
            problem = "a table without columns has no header"
        else:
            return
        raise ContentError(
            problem, "", "", "Save as Csv() or Parquet(), or write the file in the body"
        )
