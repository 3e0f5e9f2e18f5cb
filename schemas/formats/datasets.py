"""Tables as datasets: read by columns and row groups, from local files or from a stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from rootcellar.schemas.errors import BindingError, ContentError
from rootcellar.schemas.formats.folder import Folder
from rootcellar.schemas.formats.foreign import is_foreign_type
from rootcellar.schemas.formats.tables import can_deliver, conformed, delivered, readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow.fs import FileSystem

    from rootcellar.schemas.byte_source import ByteSource
    from rootcellar.schemas.formats.format import Format

__all__ = ["DatasetFormat", "local_dataset", "streamed_content", "streamed_dataset"]


@runtime_checkable
class DatasetFormat(Protocol):
    """A format of tables that pyarrow reads in parts.

    Attributes:
        reads_in_order: From front to back, not here and there.
    """

    label: ClassVar[str]
    reads_in_order: ClassVar[bool]

    def dataset_format(self) -> ds.FileFormat:
        """Return the format as pyarrow knows it."""
        ...

    def dataset_schema(self, found: pa.Schema) -> pa.Schema:
        """Return the columns of a dataset whose first file has these columns.

        Raises:
            ContentError: They are not the declared ones.
        """
        ...


def local_dataset(file_format: Format, path: Path) -> ds.Dataset:
    """Return a file, or all files of a folder, as one dataset.

    Raises:
        BindingError: The format is no table.
        ContentError: Not the declared files or columns, or damaged.
    """
    import pyarrow.fs as pa_fs  # noqa: PLC0415  heavy

    table = _table_format(file_format)
    files = file_format.default_load(path).values() if isinstance(file_format, Folder) else [path]
    return _dataset(table, pa_fs.LocalFileSystem(), [str(file) for file in files])


def streamed_dataset(file_format: Format, source: ByteSource) -> ds.Dataset:
    """Return a file, or all files of a folder, as one dataset that reads from a stream.

    Now only the footer of the first file is read, and later what is asked for.

    Raises:
        BindingError: The format is no table.
        ContentError: Not the declared files or columns, or damaged.
        StoreError: The store failed.
    """
    # Its class is derived from one of pyarrow's, which is heavy.
    from rootcellar.schemas.formats.source_filesystem import filesystem_of  # noqa: PLC0415

    table = _table_format(file_format)
    names = sorted(source.sizes())
    if isinstance(file_format, Folder):
        file_format.check_names(names)
    return _dataset(table, filesystem_of(source, reads_ahead=table.reads_in_order), names)


def streamed_content(file_format: Format, source: ByteSource, target: object) -> object:
    """Return a table from a stream as `target`, or with None as a `pyarrow.Table`.

    Raises:
        BindingError: The format is no table, or no such target.
    """
    table = _table_format(file_format)
    in_parts = is_foreign_type(target, "pyarrow.Dataset", "pyarrow.RecordBatchReader")
    if target is not None and not in_parts and not can_deliver(target):
        raise BindingError(
            f"{table.label} is not read from a stream as {target!r:.80}",
            remedy="Ask for a table, a dataset or .open(), or drop STREAMED",
        )
    dataset = streamed_dataset(file_format, source)
    if is_foreign_type(target, "pyarrow.Dataset"):
        return dataset
    if is_foreign_type(target, "pyarrow.RecordBatchReader"):
        return dataset.scanner().to_reader()
    whole = conformed(dataset.to_table(), dataset.schema)
    return whole if target is None else delivered(whole, target)


def _table_format(file_format: Format) -> DatasetFormat:
    inner = file_format.member if isinstance(file_format, Folder) else file_format
    if isinstance(inner, DatasetFormat):
        return inner
    whole = "members are" if inner is not file_format else "format is"
    raise BindingError(
        f"its {whole} {type(inner).__name__}, which is no table",
        remedy="Read it with .open(), or as a local file: pull it, or stage it without STREAMED",
    )


def _dataset(table: DatasetFormat, filesystem: FileSystem, paths: Sequence[str]) -> ds.Dataset:
    import pyarrow.dataset as ds  # noqa: PLC0415  heavy

    if not paths:
        raise ContentError("it has no files", remedy="Write one member at least")
    kind = table.dataset_format()
    # One for each file: counting rows of fragments that are row groups counts all of their file.
    fragments = [kind.make_fragment(path, filesystem) for path in paths]
    with readable(Path(paths[0] or "the stream"), table.label):
        schema = table.dataset_schema(fragments[0].physical_schema)
    return ds.FileSystemDataset(fragments, schema, kind, filesystem)
