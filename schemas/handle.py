"""What a body can ask for instead of a path: handles, and the marks of outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from rootcellar.schemas.artifact import Artifact
from rootcellar.schemas.errors import BindingError, ContentError
from rootcellar.schemas.formats.format import located

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from io import BufferedReader
    from pathlib import Path

    from rootcellar.schemas.ref import Ref

__all__ = ["NOT_STAGED", "OUTPUT", "OUTPUTS", "Mark", "Outputs", "Staged"]

A = TypeVar("A", bound=Artifact)


class Mark(Enum):
    """Marks that survive copying and pickling as themselves."""

    OUTPUT = "OUTPUT"
    OUTPUTS = "OUTPUTS"
    NOT_STAGED = "NOT_STAGED"

    def __repr__(self) -> str:
        return self.value


OUTPUT: Final[Any] = Mark.OUTPUT
"""Default of a keyword-only parameter: the body writes this artifact; callers never pass it."""

OUTPUTS: Final[Any] = Mark.OUTPUTS
"""As `OUTPUT`, for any number of artifacts whose keys only the body knows: an `Outputs[T]`."""

NOT_STAGED: Final[Any] = Mark.NOT_STAGED
"""In `Annotated[…, NOT_STAGED]`: leave this argument alone though the registry serves its name."""


@dataclass(frozen=True, slots=True)
class Staged(Generic[A]):
    """An artifact with its local file, for as long as the body runs.

    Attributes:
        artifact: Which one it is.
        path: The local file or folder. An input's may only be read.
        version: The exact version of an input; None for an output, which has none yet.
        writable: It is an output.
        adder: What `add` calls; None where nothing can be added.
    """

    artifact: A
    path: Path
    version: Ref | None = None
    writable: bool = False
    adder: Callable[[Path], None] | None = field(default=None, repr=False, compare=False)

    def load(self, target: Any = None) -> Any:
        """Return the content as `target`, or as the format's own choice.

        Raises:
            BindingError: The format cannot load that type.
            ContentError: The file is not what its format says.
        """
        file_format = self.artifact.declaration.format
        if target is not None and not file_format.can_load(target):
            raise BindingError(
                f"its format {type(file_format).__name__} cannot load {target!r:.80}",
                str(self.artifact),
                self.artifact.uri,
                "Ask for a path and read it yourself",
            )
        try:
            if target is None:
                return file_format.default_load(self.path)
            return file_format.load(self.path, target)
        except ContentError as error:
            raise self._located(error) from error

    def open(self) -> BufferedReader:
        """Open the file for reading bytes."""
        return self.path.open("rb")

    def save(self, value: Any) -> None:
        """Write an output with its format; replaces what was written before.

        Raises:
            BindingError: This is an input, or the format cannot save such a value.
            ContentError: The value does not fit the declared schema.
        """
        file_format = self.artifact.declaration.format
        if not self.writable:
            raise BindingError(
                "an input may only be read", str(self.artifact), self.artifact.uri, "Copy it first"
            )
        if not file_format.can_save(value):
            raise BindingError(
                f"its format {type(file_format).__name__} cannot save a {type(value).__name__}",
                str(self.artifact),
                self.artifact.uri,
                "Write the file at .path yourself",
            )
        try:
            file_format.save(value, self.path)
        except ContentError as error:
            raise self._located(error) from error

    def add(self, path: str | os.PathLike[str]) -> None:
        """Hand over a finished member of a folder output, or a folder of them, while the body runs.

        It is uploaded in the background and then removed from the disk; nobody sees it before the
        run has ended well. Blocks while much is waiting. What is not added is uploaded at the end.

        Args:
            path: Below `path`; relative to it, or absolute. The same file again does nothing.

        Raises:
            BindingError: This is an input or a file, or the path lies elsewhere.
            ContentError: The member is not what the format says, or was added and is another now.
            StoreError: An upload failed, perhaps an earlier one.
        """
        if self.adder is None:
            raise BindingError(
                "only members of a folder output can be added",
                str(self.artifact),
                self.artifact.uri,
                "Write the file at .path; it is published when the body has ended"
                if self.writable
                else "An input may only be read",
            )
        self.adder(self.path / path)

    def _located(self, error: ContentError) -> ContentError:
        return located(error, artifact=str(self.artifact), uri=self.artifact.uri)


@dataclass(frozen=True, slots=True)
class Outputs(Generic[A]):
    """Any number of outputs of one type; their key fields come from `new` and from the call.

    Iterating gives the handles made so far, in order.
    """

    reserve: Callable[[dict[str, Any]], Staged[Artifact]] = field(repr=False)
    made: list[Staged[A]] = field(default_factory=list)

    def new(self, **key: object) -> Staged[A]:
        """Return a handle to write one more member to.

        Args:
            key: Key fields that the call and its inputs do not settle; or settle alike.

        Raises:
            BindingError: A field is missing, contradicts the call, or the member exists already.
        """
        handle = cast("Staged[A]", self.reserve(dict(key)))
        self.made.append(handle)
        return handle

    def __iter__(self) -> Iterator[Staged[A]]:
        return iter(self.made)

    def __len__(self) -> int:
        return len(self.made)
