"""Folder: files that belong together."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, get_args, get_origin

from rootcellar.schemas.columns import merged_statistics
from rootcellar.schemas.errors import ContentError, DeclarationError
from rootcellar.schemas.formats.content import copy_file, not_loadable, not_savable
from rootcellar.schemas.formats.file import File
from rootcellar.schemas.formats.format import Description, Format, require_format
from rootcellar.schemas.formats.preview import TextPreview
from rootcellar.schemas.manifest import check_member_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rootcellar.schemas.columns import Column, ColumnStatistics
    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Kind

__all__ = ["Folder", "Members"]

_CHOICES = "list[Path], dict[str, Path], or a list or dict of what its members load as"

_ANY = File(allow_empty=True)


@dataclass(frozen=True, slots=True)
class Folder:
    """Files that belong together, each under its path within the folder.

    Loads as `dict[str, Path]`, keyed by path within the folder with `/`, as `list[Path]`, and as
    `dict[str, T]` and `list[T]` of what `member` loads; always sorted by path. Saves a dict of
    what `member` saves, and copies the folder at a `Path`. Empty subfolders do not count.

    Args:
        pattern: A glob that every file matches, such as `*.parquet`.
        min_files: Fewer are refused.
        member: The format of each file; without it, any bytes, even none.

    Raises:
        DeclarationError: A pattern that leaves the folder, or a member that is no file format.
    """

    kind: ClassVar[Kind] = "folder"
    media_type: ClassVar[str] = "inode/directory"

    pattern: str = "**/*"
    min_files: int = field(default=1, kw_only=True)
    member: Format = field(default=_ANY, kw_only=True)

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.pattern).parts
        # Python 3.13 changed what a final ** finds.
        if not parts or parts[-1] == "**" or {"/", ".."} & set(parts):
            raise DeclarationError(
                f"{self.pattern!r} is no pattern for files in a folder",
                "",
                "",
                "Write one such as '*.parquet' or '**/*'",
            )
        if require_format(self.member).kind != "file":
            raise DeclarationError(
                "the members of its folder are folders", "", "", "Give a format of files"
            )

    def definition(self) -> dict[str, Any]:
        """Return pattern, options and the definition of the members."""
        return {
            "format": "folder",
            "pattern": self.pattern,
            "min_files": self.min_files,
            "member": self.member.definition(),
        }

    def can_load(self, target: object) -> bool:
        """Tell whether `target` is a list, or a dict by name, of paths or loadable members."""
        inner = _inner(target)
        return inner is Path or (inner is not None and self.member.can_load(inner))

    def can_save(self, value: object) -> bool:
        """Tell whether `value` is a path, or a dict by name of what a member saves."""
        if isinstance(value, dict):
            return all(
                isinstance(name, str) and self.member.can_save(content)
                for name, content in value.items()
            )
        return isinstance(value, Path)

    def load(self, path: Path, target: object) -> object:
        """Return the members by name or in order.

        Raises:
            BindingError: Another target.
            ContentError: Not the declared files, or a member that cannot be loaded.
        """
        if not self.can_load(target):
            raise not_loadable("a folder", target, _CHOICES)
        inner, files = _inner(target), self.default_load(path)
        members: Mapping[str, object] = files
        if inner is not Path:
            members = {name: self._loaded(name, file, inner) for name, file in files.items()}
        return list(members.values()) if get_origin(target) is list else members

    def default_load(self, path: Path) -> dict[str, Path]:
        """Return the paths of all files by their name in the folder, sorted.

        Raises:
            ContentError: Not the declared files.
        """
        files = _files(path)
        self.check_names(list(files))
        return files

    def check_names(self, names: Sequence[str]) -> None:
        """Hold the paths of all files of a folder against the pattern and the number wanted.

        Raises:
            ContentError: Not the declared files.
        """
        if strays := [name for name in names if not self.takes(name)]:
            raise self._stray(strays[0], others=len(strays) - 1)
        self.check_count(len(names))

    def takes(self, name: str) -> bool:
        """Tell whether the path of a file within the folder matches the pattern."""
        patterns = PurePosixPath(self.pattern).parts
        return patterns == ("**", "*") or _matches(name.split("/"), patterns)

    def check_count(self, files: int) -> None:
        """Refuse a folder of that many files if that is too few.

        Raises:
            ContentError: It is.
        """
        if files < self.min_files:
            raise ContentError(
                f"it has {files} files, expected {self.min_files} or more",
                "",
                "",
                f"Write files that match {self.pattern!r}",
            )

    def members(self) -> Members:
        """Return what checks and describes the files one by one; they need not be there at once."""
        return Members(self)

    def check_member(self, name: str, path: Path) -> Description:
        """Check the name and the content of one file, and describe it.

        Args:
            name: Its path within the folder.
            path: Where it lies now.

        Raises:
            ContentError: As `validate`.
        """
        if not self.takes(name):
            raise self._stray(name, others=0)
        try:
            if self.member != _ANY:  # of which describing checks as much
                self.member.validate(path)
            return self.member.describe(path)
        except ContentError as error:
            raise _in_member(name, error) from error

    def _stray(self, name: str, *, others: int) -> ContentError:
        return ContentError(
            f"{name!r} does not match {self.pattern!r}"
            + (f", nor do {others} more files" if others else ""),
            "",
            "",
            "Remove it from the folder or widen the pattern",
        )

    def save(self, value: object, path: Path) -> None:
        """Write the members of a dict, or copy a folder; `path` is made if it is missing.

        Raises:
            ContentError: Another type, a name that leaves the folder, or a member that its
                format refuses.
        """
        if isinstance(value, Path):
            _copy_folder(value, path)
            return
        if not isinstance(value, dict) or not self.can_save(value):
            raise not_savable("a folder", value, "a dict of name to content")
        path.mkdir(exist_ok=True)
        for name, content in value.items():
            target = path / _checked(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self.member.save(content, target)
            except ContentError as error:
                raise _in_member(name, error) from error

    def validate(self, path: Path) -> None:
        """Check the names, the number and the content of the files.

        Raises:
            ContentError: Not the declared files, a name that no store could hold, or a member
                that its format refuses.
        """
        for name, file in self.default_load(path).items():
            try:
                self.member.validate(file)
            except ContentError as error:
                raise _in_member(name, error) from error

    def describe(self, path: Path) -> Description:
        """Return number and size of the files; rows and columns if every member has them.

        Columns and fingerprint are given only where they are the same in all members.

        Raises:
            ContentError: No folder, or a member that cannot be described.
        """
        members = Members(self)
        for name, file in _files(path).items():
            try:
                members.count(self.member.describe(file))
            except ContentError as error:
                raise _in_member(name, error) from error
        return members.description()

    def preview(self, path: Path, rows: int = 10) -> TextPreview:
        """Return the first files with their sizes in bytes.

        Raises:
            ContentError: No folder.
        """
        files = _files(path)
        lines = [f"{file.stat().st_size:>15,}  {name}" for name, file in list(files.items())[:rows]]
        return TextPreview("\n".join(lines), is_cut=len(files) > rows)

    def _loaded(self, name: str, file: Path, target: object) -> object:
        try:
            return self.member.load(file, target)
        except ContentError as error:
            raise _in_member(name, error) from error


class Members:
    """A folder's files one by one, summed up. Holds nothing of any of them.

    `add` them all, then ask for what was `checked`.

    Attributes:
        files: How many there were so far.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.files = self._size_bytes = self._rows = self._with_rows = 0
        self._schemas: set[tuple[Digest | None, tuple[Column, ...]]] = set()
        self._statistics: tuple[ColumnStatistics, ...] = ()

    def add(self, name: str, path: Path) -> None:
        """Check and count a file; `path` need not stay.

        Raises:
            ContentError: See `Folder.check_member`.
        """
        self.count(self._folder.check_member(name, path))

    def count(self, one: Description) -> None:
        """Count a file that was described."""
        self._add_statistics(one)
        self.files += 1
        self._size_bytes += one.size_bytes
        if one.row_count is not None:
            self._rows += one.row_count
            self._with_rows += 1
        self._schemas.add((one.schema_fingerprint, one.columns))

    def _add_statistics(self, one: Description) -> None:
        if not self.files:
            self._statistics = one.statistics
        elif self._statistics:
            parts = ((self._rows, self._statistics), (one.row_count, one.statistics))
            self._statistics = merged_statistics(one.columns, parts)

    def checked(self) -> Description:
        """Return the description of all that were added.

        Raises:
            ContentError: They are too few.
        """
        self._folder.check_count(self.files)
        return self.description()

    def description(self) -> Description:
        """Return the description of all that were counted."""
        alike = next(iter(self._schemas)) if len(self._schemas) == 1 else (None, ())
        return Description(
            size_bytes=self._size_bytes,
            row_count=self._rows if self.files and self._with_rows == self.files else None,
            schema_fingerprint=alike[0],
            members=self.files,
            columns=alike[1],
            statistics=self._statistics if alike[1] else (),
        )


def _matches(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    """Match a path as a glob does: `**` is any number of folders, the rest stays within one."""
    if not patterns or not parts:
        return not parts and all(pattern == "**" for pattern in patterns)
    if patterns[0] == "**":
        return _matches(parts, patterns[1:]) or _matches(parts[1:], patterns)
    return fnmatchcase(parts[0], patterns[0]) and _matches(parts[1:], patterns[1:])


def _inner(target: object) -> object:
    """Return T of `list[T]` or `dict[str, T]`, else None."""
    match get_origin(target), get_args(target):
        case (origin, (inner,)) if origin is list:
            return inner
        case (origin, (name, inner)) if origin is dict and name is str:
            return inner
    return None


def _files(folder: Path) -> dict[str, Path]:
    """Return all files by their name in the folder, sorted by name; links to files are followed.

    Raises:
        ContentError: No folder, a name that no store could hold, a link to a folder (which
            walks and copies treat differently), or something that is no file.
    """
    if not folder.is_dir():
        problem = "it is a file, not a folder" if folder.exists() else "there is no folder"
        raise ContentError(problem, "", "", "Write the files into the folder that was given")
    files = {}
    for current, folders, names in os.walk(folder, onerror=_raise):
        linked = [name for name in folders if Path(current, name).is_symlink()]
        for path in (Path(current, name) for name in [*linked, *names]):
            inside = _checked(path.relative_to(folder).as_posix())
            if not path.is_file():
                raise ContentError(
                    f"{inside!r} is no file", "", "", "Copy links in, and remove what is no file"
                )
            files[inside] = path
    return dict(sorted(files.items()))


def _raise(error: OSError) -> NoReturn:
    raise error


def _checked(name: str) -> str:
    try:
        return check_member_path(name)
    except ValueError as error:
        raise ContentError(
            f"{name!r} is no name for a file in a folder", "", "", "Rename the file"
        ) from error


def _copy_folder(source: Path, path: Path) -> None:
    origin, target = source.resolve(), path.resolve()
    if origin == target:
        return
    files = _files(source)
    if origin in target.parents or target in origin.parents:
        raise ContentError(
            "one of the two folders lies in the other", "", "", "Give a folder that lies apart"
        )
    path.mkdir(exist_ok=True)
    for name, file in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        copy_file(file, path / name)


def _in_member(name: str, error: ContentError) -> ContentError:
    return ContentError(f"in {name!r}: {error.problem}", "", "", error.remedy)
