"""What a run wrote: where it goes, and whether it can be published at all."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import ContentError, MissingOutput
from rootcellar.schemas.manifest import MANIFEST_NAME, check_member_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rootcellar.schemas.ref import Kind

__all__ = ["VERSION_ROOT", "Output", "check_written"]

VERSION_ROOT = re.compile(r"v-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The segment that keeps one version's members apart from another's: `v-` and a whole UUID, which
foreign folders such as `v-1` are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Something a run wrote and wants published.

    Attributes:
        path: The local file or folder.
        root: For a folder, the segment below `uri` that its members go to: `v-<version uid>`, or
            empty if `uri` itself is of this version only.
        artifact: As it prints, for errors.
    """

    uri: str
    path: Path
    kind: Kind
    root: str = ""
    artifact: str = ""


def check_written(output: Output) -> tuple[str, ...]:
    """Refuse what cannot be published, without opening it; return the names of a folder's files.

    Raises:
        MissingOutput: Nothing is at its path.
        ContentError: It is not a regular file or a folder of such, may not be read, or has a name
            that cannot be kept.
    """
    if output.kind == "file":
        _check_kind(output, stat.S_ISREG)
        _check_readable(output, output.path)
        return ()
    _check_kind(output, stat.S_ISDIR)
    _check_readable(output, output.path)
    return tuple(_walk(output))


def _check_kind(output: Output, is_kind: Callable[[int], bool]) -> None:
    """Refuse what is missing, a link, a device or the other kind, without opening it."""
    try:
        mode = output.path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingOutput(
            "the body ended without writing it",
            output.artifact,
            output.uri,
            "Write to the path that the output's argument holds, or return what is to be saved",
        ) from error
    if not is_kind(mode):
        raise ContentError(
            f"what was written is {_described(mode)}, not a {output.kind}",
            output.artifact,
            output.uri,
            "Write the bytes themselves; links and devices are not followed",
        )


def _walk(output: Output) -> Iterator[str]:
    """Yield the paths of a folder's files, relative to it, refusing all else."""
    pending = [output.path]
    while pending:
        folder = pending.pop()
        for path in sorted(folder.iterdir()):
            name = path.relative_to(output.path).as_posix()
            _check_readable(output, path)
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                pending.append(path)
            elif stat.S_ISREG(mode):
                yield _checked_name(output, name)
            else:
                raise _refused(output, name, f"is {_described(mode)}")


def _checked_name(output: Output, name: str) -> str:
    if name == MANIFEST_NAME:
        raise _refused(output, name, "has the name that is reserved for the manifest")
    try:
        return check_member_path(name)
    except ValueError as error:
        raise _refused(output, name, "has a name that no store can keep safely") from error


def _refused(output: Output, name: str, problem: str) -> ContentError:
    return ContentError(
        f"member {name!a} {problem}",
        output.artifact,
        output.uri,
        "Write only regular files with plain names into a folder",
    )


def _check_readable(output: Output, path: Path) -> None:
    if not (path.is_symlink() or os.access(path, os.R_OK)):
        member = "" if path == output.path else f" (member {path.name!a})"
        raise ContentError(
            f"it cannot be read, or is gone{member}",
            output.artifact,
            output.uri,
            "Leave the right to read what was written to the user that runs the task",
        )


def _described(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")
