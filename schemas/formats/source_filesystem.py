"""A stream's files as pyarrow's datasets open them. Imports pyarrow: import it when needed only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
from pyarrow import fs

from rootcellar.schemas.errors import BindingError

if TYPE_CHECKING:
    from rootcellar.schemas.byte_source import ByteSource

__all__ = ["filesystem_of"]


def filesystem_of(source: ByteSource, *, reads_ahead: bool) -> fs.FileSystem:
    """Return a file system whose paths are those of the source's files; it cannot be written.

    Args:
        reads_ahead: Files are read from front to back.
    """
    return fs.PyFileSystem(_SourceHandler(source, reads_ahead=reads_ahead))


class _SourceHandler(fs.FileSystemHandler):  # type: ignore[misc, unused-ignore]  # may lack types
    def __init__(self, source: ByteSource, *, reads_ahead: bool) -> None:
        self._source = source
        self._reads_ahead = reads_ahead
        self._sizes = source.sizes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SourceHandler) and other._source is self._source

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return id(self._source)

    def get_type_name(self) -> str:
        return "rootcellar-stream"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Any) -> list[fs.FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        below = f"{selector.base_dir}/" if selector.base_dir else ""
        return [self._info(path) for path in self._sizes if path.startswith(below)]

    def _info(self, path: str) -> fs.FileInfo:
        if path not in self._sizes:
            return fs.FileInfo(path, fs.FileType.NotFound)
        return fs.FileInfo(path, fs.FileType.File, size=self._sizes[path])

    def open_input_file(self, path: str) -> pa.PythonFile:
        return pa.PythonFile(self._source.open_raw(path, reads_ahead=self._reads_ahead), mode="r")

    def open_input_stream(self, path: str) -> pa.PythonFile:
        return pa.PythonFile(self._source.open_raw(path), mode="r")

    def _refuse(self, *_arguments: Any, **_keywords: Any) -> NoReturn:
        raise BindingError("a streamed input may only be read", remedy="Write to an output")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refuse
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refuse
