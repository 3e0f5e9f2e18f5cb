"""Many tables of one type as one dataset, with what tells them apart as columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from rootcellar.schemas.errors import BindingError, ContentError
from rootcellar.schemas.formats.datasets import DatasetFormat
from rootcellar.schemas.formats.folder import Folder
from rootcellar.schemas.formats.tables import readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    import pyarrow.dataset as ds

    from rootcellar.schemas.byte_source import ByteSource
    from rootcellar.schemas.formats.format import Format

__all__ = ["JoinedSource", "Part", "check_joinable", "joined_dataset"]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a joined dataset.

    Attributes:
        path: Names the file in the joined source.
        key: Values of the key fields, as they stand in columns.
        schema_fingerprint: Parts with the same one have the same columns.
    """

    path: str
    key: Mapping[str, Any]
    schema_fingerprint: str | None


class JoinedSource:
    """The files of several sources under one roof, each below a name of its own."""

    def __init__(self, sources: Mapping[str, ByteSource]) -> None:
        self._files = {
            f"{name}/{member}" if member else name: (source, member, size_bytes)
            for name, source in sources.items()
            for member, size_bytes in source.sizes().items()
        }

    def sizes(self) -> dict[str, int]:
        """Return the size of each file by its path."""
        return {path: size_bytes for path, (_, _, size_bytes) in self._files.items()}

    def open(self, member: str = "") -> Any:
        """Open a file: seekable, buffered, read ahead."""
        source, inner, _ = self._files[member]
        return source.open(inner)

    def open_raw(self, member: str = "", *, reads_ahead: bool = True) -> Any:
        """Open a file for a reader that buffers, or that plans its own reading."""
        source, inner, _ = self._files[member]
        return source.open_raw(inner, reads_ahead=reads_ahead)


def check_joinable(file_format: Format) -> DatasetFormat:
    """Return the format of the tables.

    Raises:
        BindingError: The format is no table that is read in parts.
    """
    inner = file_format.member if isinstance(file_format, Folder) else file_format
    if isinstance(inner, DatasetFormat) and not inner.reads_in_order:
        return inner
    raise BindingError(
        f"its format is {type(inner).__name__}, of which no dataset is made",
        remedy="Datasets are made of Parquet and ArrowIpc; load() the others one by one",
    )


def joined_dataset(
    table: DatasetFormat,
    source: ByteSource,
    parts: Sequence[Part],
    fields: Mapping[str, Any],
) -> ds.Dataset:
    """Return all parts as one dataset; a filter on a key opens only the parts that fit.

    Now only one footer is read for each set of columns, and later what is asked for. A column of
    the files that is called like a key field stands for that field.

    Args:
        parts: One at least.
        fields: The annotations of the key fields.

    Raises:
        ContentError: Not the declared columns, damaged, or columns that cannot be put together.
        StoreError: The store failed.
    """
    import pyarrow.dataset as ds  # noqa: PLC0415  heavy

    # Its class is derived from one of pyarrow's, which is heavy.
    from rootcellar.schemas.formats.source_filesystem import filesystem_of  # noqa: PLC0415

    kind, filesystem = table.dataset_format(), filesystem_of(source, reads_ahead=False)
    found = _columns_of(table, kind, filesystem, parts)
    keys = {name: _type_of(field) for name, field in fields.items() if name not in found.names}
    fragments = [
        kind.make_fragment(part.path, filesystem, partition_expression=_expression(part.key, keys))
        for part in parts
    ]
    return ds.FileSystemDataset(fragments, _with_keys(found, keys), kind, filesystem)


def _columns_of(
    table: DatasetFormat, kind: ds.FileFormat, filesystem: Any, parts: Sequence[Part]
) -> pa.Schema:
    """Return the columns of all parts, of which one footer is read for each fingerprint."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    one_of_each = {part.schema_fingerprint: part.path for part in reversed(parts)}
    found: list[pa.Schema] = []
    for path in one_of_each.values():
        with readable(Path(path), table.label):
            schema = kind.make_fragment(path, filesystem).physical_schema
        found.append(table.dataset_schema(schema))
    if len(found) == 1:
        return found[0]
    try:
        return pa.unify_schemas(found, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ContentError(
            f"its members' columns do not go together: {error}",
            remedy="Narrow the key, or declare the columns with schema=…",
        ) from error


def _expression(key: Mapping[str, Any], types: Mapping[str, Any]) -> Any:
    import pyarrow as pa  # noqa: PLC0415  heavy
    import pyarrow.dataset as ds  # noqa: PLC0415  heavy

    told = ds.scalar(True)  # noqa: FBT003  pyarrow's
    for name, kind in types.items():
        told = told & (ds.field(name) == pa.scalar(_plain(key[name]), kind))
    return told


def _with_keys(found: pa.Schema, keys: Mapping[str, Any]) -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415  heavy

    added = [pa.field(name, kind, nullable=False) for name, kind in keys.items()]
    return pa.schema([*added, *found]).with_metadata(found.metadata)


def _plain(value: Any) -> Any:
    """Return a key's value as a column holds it."""
    if isinstance(value, Enum):
        return value.value
    return value if isinstance(value, str | int | float | date) else str(value)


def _type_of(annotation: Any) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415  heavy

    plain: dict[Any, pa.DataType] = {
        bool: pa.bool_(),
        int: pa.int64(),
        float: pa.float64(),
        date: pa.date32(),
        datetime: pa.timestamp("us", "UTC"),
    }
    if annotation in plain:
        return plain[annotation]
    values: tuple[Any, ...] = ()
    if get_origin(annotation) is Literal:
        values = get_args(annotation)
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        values = tuple(member.value for member in annotation)
    # A UUID stands as text.
    return pa.array(list(values)).type if values else pa.string()
