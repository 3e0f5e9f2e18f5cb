"""Check: what `doctor` found out about one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from rootcellar.schemas.errors import RootcellarError

__all__ = ["Check"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        state: `ok`; `note`, which the reader should know; or `problem`.
        remedy: What to do, a sentence without the full stop; empty if nothing is to be done.
    """

    name: str
    state: Literal["ok", "note", "problem"]
    detail: str
    remedy: str = ""

    @classmethod
    def of(cls, name: str, error: RootcellarError) -> Self:
        """Return the problem that an error of ours tells of."""
        about = " at ".join(part for part in (error.artifact, error.uri) if part)
        detail = f"{about}: {error.problem}" if about else error.problem
        return cls(name, "problem", detail, error.remedy)
