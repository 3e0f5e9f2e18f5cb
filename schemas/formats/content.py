"""What all formats say and check alike."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import BindingError, ContentError, DeclarationError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "check_encoding",
    "check_media_type",
    "copy_file",
    "not_loadable",
    "not_savable",
    "reason",
    "require_content",
    "require_file",
    "shortened",
]

_LONGEST_REASON = 300
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w.+-]+=[\w.+-]+)*", re.ASCII)


def check_media_type(media_type: str) -> None:
    """Refuse what is no media type.

    Raises:
        DeclarationError: It does not read `type/subtype`.
    """
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise DeclarationError(
            f"{media_type!r} is no media type", "", "", "Write it as in 'application/x-netcdf'"
        )


def check_encoding(encoding: str) -> None:
    """Refuse what is no encoding of text.

    Raises:
        DeclarationError: Python does not know it, or it is not for text.
    """
    try:
        "".encode(encoding)
    except (LookupError, ValueError) as error:
        raise DeclarationError(
            f"{encoding!r} is no text encoding", "", "", "Use one such as 'utf-8'"
        ) from error


def require_file(path: Path) -> int:
    """Return the size in bytes of the file at `path`; links are followed.

    Raises:
        ContentError: There is no regular file.
    """
    if path.is_file():
        return path.stat().st_size
    problem = "it is a folder, not a file" if path.is_dir() else "there is no file"
    raise ContentError(problem, "", "", "Write one file to the path that was given")


def require_content(path: Path, remedy: str) -> int:
    """Return the size in bytes of the file at `path`, which holds something.

    Raises:
        ContentError: There is no regular file, or it is empty.
    """
    size_bytes = require_file(path)
    if size_bytes == 0:
        raise ContentError("it is empty", "", "", remedy)
    return size_bytes


def copy_file(source: Path, path: Path) -> None:
    """Copy the bytes of `source` to `path`, unless they are one file already.

    Raises:
        ContentError: There is no regular file at `source`.
    """
    require_file(source)
    if not (path.exists() and source.samefile(path)):
        shutil.copyfile(source, path)


def not_loadable(format_name: str, target: object, choices: str) -> BindingError:
    """Return the error for an annotation that a format cannot deliver."""
    wanted = target.__qualname__ if isinstance(target, type) else str(target)
    return BindingError(
        f"{format_name} cannot be loaded as {wanted}", "", "", f"Annotate it as {choices} or Path"
    )


def not_savable(format_name: str, value: object, choices: str) -> ContentError:
    """Return the error for a value that a format does not take."""
    return ContentError(
        f"{type(value).__qualname__} cannot be saved as {format_name}",
        "",
        "",
        f"Give {choices} or the Path of a file",
    )


def shortened(text: str) -> str:
    """Return `text` on one line, cut to what fits into an error."""
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"


def reason(error: BaseException, path: Path) -> str:
    """Return another library's message on one line, without the host path of the file."""
    return shortened(str(error).replace(str(path), path.name))
