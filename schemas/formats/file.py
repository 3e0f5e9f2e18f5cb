"""File: bytes of any kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rootcellar.schemas.formats.content import (
    check_media_type,
    copy_file,
    not_loadable,
    not_savable,
    require_content,
    require_file,
)
from rootcellar.schemas.formats.format import Description
from rootcellar.schemas.formats.preview import TextPreview

if TYPE_CHECKING:
    from rootcellar.schemas.ref import Kind

__all__ = ["File"]

_BYTES_PER_ROW = 16


@dataclass(frozen=True, slots=True)
class File:
    """Bytes of any kind, such as NetCDF, GeoTIFF or an archive.

    Loads as `bytes`. Saves bytes, and copies the file at a `Path`.

    Args:
        media_type: What the bytes are.
        allow_empty: Whether a file of no bytes is one.

    Raises:
        DeclarationError: Not a media type.
    """

    kind: ClassVar[Kind] = "file"

    media_type: str = "application/octet-stream"
    allow_empty: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_media_type(self.media_type)

    def definition(self) -> dict[str, Any]:
        """Return media type and options."""
        return {"format": "file", "media_type": self.media_type, "allow_empty": self.allow_empty}

    def can_load(self, target: object) -> bool:
        """Tell whether `target` is `bytes`."""
        return target is bytes

    def can_save(self, value: object) -> bool:
        """Tell whether `value` is bytes or a path."""
        return isinstance(value, bytes | bytearray | memoryview | Path)

    def load(self, path: Path, target: object) -> bytes:
        """Return all bytes.

        Raises:
            BindingError: `target` is not `bytes`.
            ContentError: No file, or an empty one.
        """
        if not self.can_load(target):
            raise not_loadable("a file", target, "bytes")
        return self.default_load(path)

    def default_load(self, path: Path) -> bytes:
        """Return all bytes.

        Raises:
            ContentError: No file, or an empty one.
        """
        self.validate(path)
        return path.read_bytes()

    def save(self, value: object, path: Path) -> None:
        """Write bytes, or copy a file.

        Raises:
            ContentError: Neither bytes nor the path of a file.
        """
        match value:
            case Path():
                copy_file(value, path)
            case bytes() | bytearray() | memoryview():
                path.write_bytes(value)
            case _:
                raise not_savable("a file", value, "bytes")

    def validate(self, path: Path) -> None:
        """Check that a file is there, and holds something unless it may be empty.

        Raises:
            ContentError: It is not, or does not.
        """
        if self.allow_empty:
            require_file(path)
        else:
            require_content(path, "Write it before the body ends, or declare allow_empty=True")

    def describe(self, path: Path) -> Description:
        """Return the size.

        Raises:
            ContentError: No file.
        """
        return Description(size_bytes=require_file(path))

    def preview(self, path: Path, rows: int = 10) -> TextPreview:
        """Return the first bytes, sixteen to a line.

        Raises:
            ContentError: No file.
        """
        size_bytes = require_file(path)
        with path.open("rb") as stream:
            head = stream.read(rows * _BYTES_PER_ROW)
        lines = (
            _dump_line(start, head[start : start + _BYTES_PER_ROW])
            for start in range(0, len(head), _BYTES_PER_ROW)
        )
        return TextPreview("\n".join(lines), is_cut=size_bytes > len(head))


def _dump_line(offset: int, chunk: bytes) -> str:
    printable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in chunk)  # noqa: PLR2004  ASCII's bounds
    return f"{offset:08x}  {chunk.hex(' '):<47}  {printable}"
