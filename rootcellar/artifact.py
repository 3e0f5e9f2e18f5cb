"""The Artifact that people subclass: the word itself, with the front desk behind it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootcellar.by_hand import dataset, load, opened, preview, pull, push
from rootcellar.schemas.artifact import Artifact as DeclaredArtifact

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from pyarrow.dataset import Dataset

    from rootcellar.schemas.ref import Ref

__all__ = ["Artifact"]


class Artifact(DeclaredArtifact):
    """One member of an artifact type. Subclass it to declare a type, with its key as fields.

    Frozen, hashable, equal by type and key. Key values are strict: `1`, `True` and `"1"` never
    stand for each other.

    Class keywords:
        uri: The type's URI template, such as `raw://weather/{station:02d}.dat`.
        format: What is in the file, such as `Text()` or `Parquet(schema=…)`.
        name: The type's name in the catalog and on the command line; `snake_case` of the class
            if left out.
        retention: Which versions are kept, such as `Retention(last=3)`; all if left out.

    Raises:
        DeclarationError: While the class is defined: no URI or format, an unknown or missing
            placeholder, a key field of an unsupported type or with a reserved name.
        InvalidKey: While an instance is made: a value of the wrong type, or one that could climb
            out of the template or address something else.
    """

    def pull(self, to: str | Path = ".", *, overwrite: bool = False) -> Path:
        """Copy the file or folder here, verified, and return its path.

        Args:
            to: A folder that exists, or the final name. The copy appears at once and whole.
            overwrite: Replace a local file that differs.

        Raises:
            ArtifactNotFound: Nothing is there.
            TargetExists: A different file is here, and `overwrite` is false.
        """
        return pull(self, Path(to), overwrite=overwrite, kind=type(self))

    def load(self, target: Any = None) -> Any:
        """Return the content as `target`, or as the format's own choice.

        Raises:
            ArtifactNotFound: Nothing is there.
            BindingError: The format cannot load that type.
        """
        return load(self, target)

    def open(self, member: str = "") -> AbstractContextManager[BinaryIO]:
        """Open the content for reading bytes from its store, without a local copy.

        Seekable and buffered, read ahead, all of one version; for the length of a `with` block.

        Args:
            member: Path of a file within a folder.

        Raises:
            ArtifactNotFound: Nothing is there.
        """
        return opened(self, member)

    def dataset(self) -> AbstractContextManager[Dataset]:
        """Open a table, or a folder of tables, as a dataset for the length of a `with` block.

        Only the columns and row groups that a question needs are read from its store.

        Raises:
            ArtifactNotFound: Nothing is there.
            BindingError: The format is no table.
        """
        return dataset(self)

    def preview(self, rows: int = 10) -> Any:
        """Return something that shows the beginning of the content in a notebook."""
        return preview(self, rows)

    def push(self, source: object) -> Ref:
        """Publish a local file, a folder, or an object that the format can save.

        Args:
            source: A path, or an object such as a table. A text is taken for a path.

        Returns:
            The new version.

        Raises:
            ContentError: It is not what the type's format says; nothing was published.
        """
        return push(self, source)
