"""ByteSource: the files of an artifact as a handle reads them, wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["ByteSource"]


class ByteSource(Protocol):
    """The files of an artifact, wherever they are."""

    def sizes(self) -> dict[str, int]:
        """Return the size of each file by its path in the folder; a file's own path is empty."""
        ...

    def open(self, member: str = "") -> BinaryIO:
        """Open a file: seekable, buffered, read ahead."""
        ...

    def open_raw(self, member: str = "", *, reads_ahead: bool = True) -> Any:
        """Open a file for a reader that buffers, or that plans its own reading."""
        ...
