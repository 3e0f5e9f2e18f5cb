"""Format: what a file or folder holds, and how objects become files and files objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rootcellar.schemas.columns import Column
from rootcellar.schemas.errors import ContentError, DeclarationError

if TYPE_CHECKING:
    from pathlib import Path

    from rootcellar.schemas.columns import ColumnStatistics
    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Kind

__all__ = ["Column", "Description", "Format", "located", "require_format"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What can be said of a file or folder without loading it.

    Attributes:
        size_bytes: The file, or all files of a folder together.
        row_count: None where the format has no rows.
        schema_fingerprint: Equal for equal names, types, nullability and order of columns; for
            JSON, of the declared model. None where the format has no schema.
        members: Number of files of a folder; None for a file.
        columns: Empty where the format has none.
        statistics: Of columns, as far as the files tell them without being read.
    """

    size_bytes: int
    row_count: int | None = None
    schema_fingerprint: Digest | None = None
    members: int | None = None
    columns: tuple[Column, ...] = ()
    statistics: tuple[ColumnStatistics, ...] = ()


@runtime_checkable
class Format(Protocol):
    """What an artifact type's files hold.

    Implementations are values: frozen, hashable, and cheap to make, since they are made when a
    module of declarations is imported. They import what they need to read and write when they
    read and write. Their errors name neither artifact nor path; the caller adds the artifact and
    its URI with `located`. Distributions offer further formats under the entry point group
    `rootcellar.formats`.
    """

    @property
    def media_type(self) -> str:
        """The media type, such as `text/csv`."""
        ...

    @property
    def kind(self) -> Kind:
        """Whether one artifact is a file or a folder."""
        ...

    def definition(self) -> dict[str, Any]:
        """Return the format's name and every option that changes what it accepts, as JSON.

        Equal across processes and releases for equal declarations: it is part of the type's
        identity.

        Raises:
            DeclarationError: An option cannot be described.
        """
        ...

    def can_load(self, target: object) -> bool:
        """Tell whether `load` delivers `target`, an annotation such as `pandas.DataFrame`.

        Imports nothing for it. Unions and `Annotated` are the caller's to take apart.
        """
        ...

    def can_save(self, value: object) -> bool:
        """Tell by its type whether `save` takes `value`; its content may still be refused."""
        ...

    def load(self, path: Path, target: object) -> object:
        """Return the content as `target`.

        Lazy targets, such as a dataset, read from `path` later: it must stay until they are done.

        Raises:
            BindingError: The format cannot deliver `target`.
            ContentError: The content is not what the format says.
        """
        ...

    def default_load(self, path: Path) -> object:
        """Return the content as the format's own favourite type.

        Raises:
            ContentError: The content is not what the format says.
        """
        ...

    def save(self, value: object, path: Path) -> None:
        """Write `value` to `path`; a `Path` is copied, and nothing happens if it is `path`.

        Not atomic: after an error a part may lie at `path`. The folder of `path` must exist.

        Raises:
            ContentError: The value has the wrong type, or cannot be written without loss.
        """
        ...

    def validate(self, path: Path) -> None:
        """Check that the content is what the format says.

        Raises:
            ContentError: It is not; the error says what was expected and what was found.
        """
        ...

    def describe(self, path: Path) -> Description:
        """Return rows, size and columns, reading no more than that takes.

        Raises:
            ContentError: The content cannot be read as this format.
        """
        ...

    def preview(self, path: Path, rows: int = 10) -> object:
        """Return the beginning as something that shows itself in a notebook.

        Does not hold the content against a declared schema, so that wrong files can be looked at.

        Raises:
            ContentError: The content cannot be read as this format.
        """
        ...


def located(error: ContentError, *, artifact: str, uri: str) -> ContentError:
    """Return a format's error with the artifact and the logical URI it is about."""
    return ContentError(error.problem, artifact, uri, error.remedy)


def require_format(value: object, artifact: str = "") -> Format:
    """Return `value` if it is a format.

    Raises:
        DeclarationError: A class instead of a value, or something that lacks part of `Format`.
    """
    if isinstance(value, type):
        raise DeclarationError(
            f"its format is the class {value.__qualname__}",
            artifact,
            "",
            f"Write {value.__qualname__}() with parentheses",
        )
    if not isinstance(value, Format):
        raise DeclarationError(
            f"its format is {type(value).__qualname__}, which is no format",
            artifact,
            "",
            "Use one of rootcellar's formats, or implement rootcellar.schemas.formats.Format",
        )
    return value
