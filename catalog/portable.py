"""What a version can write to disk of its own history, and what was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.wording import counted

if TYPE_CHECKING:
    import os
    from pathlib import Path

__all__ = ["MAX_NODES", "Exported", "Portable"]

MAX_NODES = 10_000
"""Versions of one document, unless asked for otherwise."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A history that was written down.

    Attributes:
        path: The file, or of a crate the folder.
        note: What was left out because of a limit; empty if nothing was.
    """

    path: Path
    versions: int
    runs: int
    note: str

    def __str__(self) -> str:
        left_out = f" ({self.note})" if self.note else ""
        what = f"{counted(self.versions, 'version')} and {counted(self.runs, 'run')}"
        return f"{self.path}: {what}{left_out}"


class Portable:
    """A version's way out of the catalog."""

    catalog: Any

    def to_prov(self, path: str | os.PathLike[str], *, max_nodes: int = MAX_NODES) -> Exported:
        """Write its whole history as PROV-JSON; see `Catalog.to_prov`."""
        written: Exported = self.catalog.to_prov(self, max_nodes=max_nodes).write(path)
        return written

    def to_crate(self, path: str | os.PathLike[str], *, max_nodes: int = MAX_NODES) -> Exported:
        """Write its whole history as a Process Run Crate; see `Catalog.to_crate`."""
        written: Exported = self.catalog.to_crate(self, path, max_nodes=max_nodes)
        return written
