"""The handle of an input that stays in its store while the body reads from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.errors import BindingError, ContentError, RootcellarError
from rootcellar.schemas.formats.datasets import streamed_content, streamed_dataset
from rootcellar.schemas.handle import Staged

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from pyarrow.dataset import Dataset

    from rootcellar.schemas.byte_source import ByteSource
    from rootcellar.schemas.ref import Ref

__all__ = ["Streamed"]

A = TypeVar("A", bound=Artifact)


class Streamed(Staged[A]):
    """An artifact that is pinned and not downloaded: `Staged` without a path.

    Whatever is read of it is of the version that was pinned when the run began. Usable in the
    process and for the time of the run that it was made for.

    Args:
        artifact: Which one it is.
        source: Reads its bytes.
        version: The exact version.
    """

    __slots__ = ("_source",)

    _source: ByteSource

    def __init__(self, artifact: A, source: ByteSource, version: Ref) -> None:
        for name, value in (
            ("artifact", artifact),
            ("version", version),
            ("writable", False),
            ("_source", source),
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Streamed({self.artifact}, version={self.version})"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __reduce__(self) -> NoReturn:
        raise self._refused(
            "a streamed input cannot leave the process it was staged in for",
            "Pass its .version on, which is a ref",
        )

    @property
    def path(self) -> Path:
        """There is none.

        Raises:
            BindingError: Always.
        """
        raise self._refused(
            "it is streamed, so there is no local file",
            "Read it with .open(), .dataset() or .load(), or drop STREAMED from the annotation",
        )

    def members(self) -> dict[str, int]:
        """Return the size of each file of a folder by its path; of a file, under an empty path."""
        return self._source.sizes()

    def open(self, member: str = "") -> BinaryIO:
        """Open the file for reading bytes by ranges: seekable, buffered, read ahead.

        Args:
            member: Path of a file within a folder.

        Raises:
            ContentError: There is no such member.
        """
        return self._source.open(member)

    def dataset(self) -> Dataset:
        """Return the table, or all tables of a folder, as a dataset that reads from the store.

        Only the columns and row groups that a question needs are transferred.

        Raises:
            BindingError: The format is no table.
            ContentError: It is not what its format says.
        """
        try:
            return streamed_dataset(self.artifact.declaration.format, self._source)
        except (BindingError, ContentError) as error:
            raise self._about(error) from error

    def load(self, target: Any = None) -> Any:
        """Return a table as `target`, read from the store into memory.

        Raises:
            BindingError: Its format is no table, or has no such target.
            ContentError: It is not what its format says.
        """
        try:
            return streamed_content(self.artifact.declaration.format, self._source, target)
        except (BindingError, ContentError) as error:
            raise self._about(error) from error

    def _about(self, error: RootcellarError) -> RootcellarError:
        about = (str(self.artifact), self.artifact.uri)
        return type(error)(error.problem, *about, error.remedy)

    def _refused(self, problem: str, remedy: str) -> BindingError:
        return BindingError(problem, str(self.artifact), self.artifact.uri, remedy)
