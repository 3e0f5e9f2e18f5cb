"""Manifest: the content list of a folder artifact, written last and read first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.dataclasses import dataclass

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MANIFEST_NAME", "VERSION_ROOT", "Manifest", "Member", "check_member_path"]

MANIFEST_NAME = "_manifest.json"
"""Under a folder's URI, the object that makes its members a folder."""

VERSION_ROOT = re.compile(r"v-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The segment that keeps one version's members apart from another's: `v-` and a whole UUID, which
foreign folders such as `v-1` are not."""

_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[^/\x00-\x1f\x7f\\\ud800-\udfff]+"
_PLAIN = re.compile(f"{_SEGMENT}(?:/{_SEGMENT})*")


def check_member_path(path: str) -> str:
    """Return `path` if it is a plain relative path that stays inside its folder.

    Raises:
        ValueError: Absolute, empty, with a backslash, a control character, a lone surrogate, or a
            segment that is empty, `.` or `..`.
    """
    if not _PLAIN.fullmatch(path):
        msg = f"not a path inside a folder: {path[:80]!a}"
        raise ValueError(msg)
    return path


MemberPath = Annotated[str, AfterValidator(check_member_path)]


# Not a model: that would be four objects each for the garbage collector to walk through, which
# makes a folder of 100,000 files four times slower to read.
@dataclass(frozen=True, slots=True, config=ConfigDict(strict=True, extra="forbid"))
class Member:
    """One file of a folder: where it lies under the folder, its size and its digest."""

    path: MemberPath
    size_bytes: Annotated[int, Field(ge=0)]
    digest: Digest


class Manifest(BaseModel):
    """All files of a folder, sorted by path.

    Attributes:
        root: Where the members lie, relative to the folder's URI; empty for directly below it.
        members: Sorted, each path once, and none a folder of another.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: Literal[1] = 1
    root: MemberPath | Literal[""] = ""
    members: tuple[Member, ...]

    @field_validator("members")
    @classmethod
    def _check_members(cls, members: tuple[Member, ...]) -> tuple[Member, ...]:
        paths = [member.path for member in members]
        known = set(paths)
        if len(known) != len(paths) or paths != sorted(paths):
            msg = "its members are not sorted, or one is named twice"
            raise ValueError(msg)
        folders = {path.rpartition("/")[0] for path in paths}
        for folder in folders:
            parts = folder.split("/")
            for length in range(1, len(parts) + 1):
                if (above := "/".join(parts[:length])) in known:
                    msg = f"it names {above[:80]!a} as a file and as a folder"
                    raise ValueError(msg)
        return members

    @classmethod
    def of(cls, members: Iterable[Member], *, root: str = "") -> Self:
        """Return the manifest of these members, sorted.

        Raises:
            ContentError: A path is there twice, or is a file and a folder at once.
        """
        try:
            return cls(root=root, members=tuple(sorted(members, key=lambda member: member.path)))
        except ValidationError as error:
            raise ContentError(f"no manifest can list it: {_first(error)}") from error

    @property
    def size_bytes(self) -> int:
        """All members together."""
        return sum(member.size_bytes for member in self.members)

    @property
    def digest(self) -> Digest:
        """Identity of the folder's content: paths, sizes and digests, not where they lie."""
        lines = (f"{m.digest} {m.size_bytes} {m.path}\n".encode() for m in self.members)
        return Digest.of_stream(lines)

    def to_bytes(self) -> bytes:
        """Return the canonical text: equal manifests give equal bytes."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, text: bytes, *, uri: str) -> Self:
        """Read a manifest that was found at `uri`.

        Raises:
            ContentError: Not a manifest, or of a later form; a path that leaves the folder or is
                there twice.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problem = f"its manifest cannot be read: {_first(error)}"
            remedy = "Publish the folder again, or use the rootcellar that wrote it"
            raise ContentError(problem, "", uri, remedy) from error


def _first(error: ValidationError) -> str:
    """Return where and what pydantic found first; never the value, which may be of any length."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    found = first["msg"].removeprefix("Value error, ")
    return f"{place}: {found}" if place else found
