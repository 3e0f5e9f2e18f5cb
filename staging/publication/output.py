"""What a run wrote: where it goes, and whether it can be published at all."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from operator import itemgetter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import ContentError, MissingOutput
from rootcellar.schemas.manifest import MANIFEST_NAME, check_member_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rootcellar.schemas.ref import Kind

__all__ = ["Output", "check_member", "check_written", "unsteady", "walk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Something a run wrote and wants published.

    Attributes:
        path: The local file or folder.
        root: For a folder, the segment below `uri` that its members go to: `v-<version uid>`, or
            empty if `uri` itself is of this version only.
        artifact: As it prints, for errors.
        journal: For a folder, the segment below `uri` where attempts of one task find what earlier
            ones handed over; empty where there are no others.
    """

    uri: str
    path: Path
    kind: Kind
    root: str = ""
    artifact: str = ""
    journal: str = ""


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
    return tuple(name for name, _ in walk(output))


def check_member(output: Output, name: str) -> os.stat_result:
    """Return the state of one file of a folder.

    Raises:
        ContentError: As `check_written`; also if it is reached through a link.
    """
    _checked_name(output, name)
    parents = [parent for parent in PurePosixPath(name).parents if parent.name]
    if any((output.path / parent).is_symlink() for parent in parents):
        raise _refused(output, name, "is reached through a symbolic link")
    try:
        status = (output.path / name).lstat()
    except OSError as error:
        raise _unreadable(output, name) from error
    if not stat.S_ISREG(status.st_mode):
        raise _refused(output, name, f"is {_described(status.st_mode)}")
    if not os.access(output.path / name, os.R_OK):
        raise _unreadable(output, name)
    return status


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


def walk(output: Output, below: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield a folder's files by their path relative to it, sorted by that, refusing all else.

    Args:
        output: The folder.
        below: A folder in it, relative and with a slash behind it, to look at alone.

    Raises:
        ContentError: See `check_written`; also if the folder changes while it is walked.
    """
    pending: list[tuple[str, os.DirEntry[str] | None]] = [(below, None)]
    while pending:
        name, entry = pending.pop()
        if entry is not None and not name.endswith("/"):
            yield name, entry
            continue
        pending.extend(reversed(_entries(output, name)))


def _entries(output: Output, folder: str) -> list[tuple[str, os.DirEntry[str] | None]]:
    """Return what is in one folder; the names of folders in it have a slash behind them."""
    found: list[tuple[str, os.DirEntry[str] | None]] = []
    try:
        with os.scandir(output.path / folder) as entries:
            for entry in entries:
                name = folder + entry.name
                if not entry.is_symlink() and not os.access(entry.path, os.R_OK):
                    raise _unreadable(output, name)
                if entry.is_dir(follow_symlinks=False):
                    found.append((f"{name}/", entry))
                elif entry.is_file(follow_symlinks=False):
                    found.append((_checked_name(output, name), entry))
                else:
                    mode = entry.stat(follow_symlinks=False).st_mode
                    raise _refused(output, name, f"is {_described(mode)}")
    except OSError as error:
        raise _unreadable(output, folder) from error
    # With the slash: `a-b` comes before `a/b`, as in the sorted paths of all files.
    return sorted(found, key=itemgetter(0))


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
        raise _unreadable(output, "")


def _unreadable(output: Output, name: str) -> ContentError:
    return ContentError(
        f"it cannot be read, or is gone{_member(name)}",
        output.artifact,
        output.uri,
        "Write it first, and leave the right to read it to the user that runs the task",
    )


def unsteady(output: Output, name: str = "") -> ContentError:
    """Return the error for an output, or its member `name`, that something goes on writing to."""
    return ContentError(
        f"it was written to while it was published{_member(name)}",
        output.artifact,
        output.uri,
        "Let nothing, such as a program in the background, write once the body has ended",
    )


def _member(name: str) -> str:
    return f" (member {name.rstrip('/')!a})" if name else ""


def _described(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")
