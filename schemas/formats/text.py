"""Text: characters in one encoding."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin

from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.formats.content import (
    check_encoding,
    check_media_type,
    copy_file,
    not_loadable,
    not_savable,
    require_content,
    require_file,
    shortened,
)
from rootcellar.schemas.formats.format import Description
from rootcellar.schemas.formats.preview import TextPreview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.schemas.ref import Kind

__all__ = ["Text"]

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Text:
    """Characters in one encoding.

    Loads as `str`, which keeps line ends as they are, or as `list[str]`, the lines without their
    ends. Saves both, and copies the file at a `Path`.

    Args:
        encoding: Any text encoding Python knows.
        media_type: What the text is.
        allow_empty: Whether a file of no bytes is one.

    Raises:
        DeclarationError: Not an encoding, or not a media type.
    """

    kind: ClassVar[Kind] = "file"

    encoding: str = "utf-8"
    media_type: str = field(default="text/plain", kw_only=True)
    allow_empty: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_media_type(self.media_type)
        check_encoding(self.encoding)

    def definition(self) -> dict[str, Any]:
        """Return encoding, under its one name, media type and options."""
        return {
            "format": "text",
            "encoding": codecs.lookup(self.encoding).name,
            "media_type": self.media_type,
            "allow_empty": self.allow_empty,
        }

    def can_load(self, target: object) -> bool:
        """Tell whether `target` is `str` or `list[str]`."""
        return target is str or _is_lines(target)

    def can_save(self, value: object) -> bool:
        """Tell whether `value` is a string, a list of strings or a path."""
        if isinstance(value, list | tuple):
            return all(isinstance(line, str) for line in value)
        return isinstance(value, str | Path)

    def load(self, path: Path, target: object) -> str | list[str]:
        """Return the text or its lines.

        Raises:
            BindingError: `target` is neither `str` nor `list[str]`.
            ContentError: No file, an empty one, or another encoding.
        """
        if not self.can_load(target):
            raise not_loadable("text", target, "str, list[str]")
        text = self.default_load(path)
        if target is str:
            return text
        return [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]

    def default_load(self, path: Path) -> str:
        """Return the text.

        Raises:
            ContentError: No file, an empty one, or another encoding.
        """
        self._require(path)
        try:
            return path.read_bytes().decode(self.encoding)
        except UnicodeError as error:
            raise self._undecodable(error) from error

    def save(self, value: object, path: Path) -> None:
        """Write text as it is, or lines each with a line feed, or copy a file.

        Raises:
            ContentError: Another type, a character the encoding lacks, or a line with a line
                break in it.
        """
        if isinstance(value, Path):
            copy_file(value, path)
        elif isinstance(value, str):
            path.write_bytes(self._encoded(value))
        elif isinstance(value, list | tuple) and self.can_save(value):
            path.write_bytes(self._encoded(_joined(value)))
        else:
            raise not_savable("text", value, "a str, a list of str")

    def validate(self, path: Path) -> None:
        """Check every byte against the encoding, a piece at a time.

        Raises:
            ContentError: No file, an empty one, or another encoding.
        """
        self._require(path)
        decoder = codecs.getincrementaldecoder(self.encoding)()
        try:
            with path.open("rb") as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise self._undecodable(error) from error

    def describe(self, path: Path) -> Description:
        """Return the size.

        Raises:
            ContentError: No file.
        """
        return Description(size_bytes=require_file(path))

    def preview(self, path: Path, rows: int = 10) -> TextPreview:
        """Return the first lines; bytes that are not in the encoding show as a question mark.

        Raises:
            ContentError: No file.
        """
        require_file(path)
        with path.open(encoding=self.encoding, errors="replace") as stream:
            lines = list(islice(stream, rows + 1))
        return TextPreview("".join(lines[:rows]).removesuffix("\n"), is_cut=len(lines) > rows)

    def _require(self, path: Path) -> None:
        if self.allow_empty:
            require_file(path)
        else:
            require_content(path, "Write it before the body ends, or declare allow_empty=True")

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self.encoding)
        except UnicodeError as error:
            raise ContentError(
                f"it has a character that {self.encoding} lacks: {shortened(str(error))}",
                "",
                "",
                "Remove the character or declare another encoding",
            ) from error

    def _undecodable(self, error: UnicodeError) -> ContentError:
        return ContentError(
            f"it is not {self.encoding} text: {shortened(str(error))}",
            "",
            "",
            "Declare the encoding it was written in, or File() if it is no text",
        )


def _is_lines(target: object) -> bool:
    return get_origin(target) is list and get_args(target) == (str,)


def _joined(lines: Sequence[str]) -> str:
    for number, line in enumerate(lines, start=1):
        if "\n" in line or "\r" in line:
            raise ContentError(
                f"line {number} has a line break in it", "", "", "Save the text as one str"
            )
    return "".join(f"{line}\n" for line in lines)
