"""TextPreview: the beginning of a file as text that shows itself."""

from __future__ import annotations

import html
from dataclasses import dataclass

__all__ = ["TextPreview"]


@dataclass(frozen=True, slots=True, repr=False)
class TextPreview:
    """The beginning of a file, in a notebook and at a prompt.

    Attributes:
        is_cut: There is more in the file.
    """

    text: str
    is_cut: bool = False

    def __repr__(self) -> str:
        return f"{self.text}\n…" if self.is_cut else self.text

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"
