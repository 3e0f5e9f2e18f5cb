"""Retention: which versions of a type are kept. Nothing is deleted without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rootcellar.schemas.errors import DeclarationError

__all__ = ["Retention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Which versions of an artifact are kept; whatever one of the rules keeps stays.

    It deletes nothing by itself: `Catalog.retention` tells what it leaves over, and only
    `Catalog.retire`, or `rootcellar retain --apply`, deletes that.

    Attributes:
        last: The newest so many of each artifact. With 0 the current one may go too, which needs
            one of the other rules.
        days: Those recorded within so many days; None keeps none for its age.
        used: Those that a run read of whose outputs one is still there.

    Raises:
        DeclarationError: A number is negative, or no rule would keep anything.
    """

    last: int = 1
    days: float | None = None
    used: bool = False

    def __post_init__(self) -> None:
        if self.last < 0 or (self.days is not None and self.days < 0):
            raise DeclarationError(
                f"{self} keeps less than nothing", "Retention", "", "Give numbers from 0 on"
            )
        if not (self.last or self.days or self.used):
            raise DeclarationError(
                "it keeps no version of anything",
                "Retention",
                "",
                "Keep the last one, or give days=… or used=True",
            )

    def __str__(self) -> str:
        parts = [f"last {self.last}"] if self.last else []
        parts += [] if self.days is None else [f"{self.days:g} days"]
        parts += ["used"] if self.used else []
        return ", ".join(parts)

    def definition(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"last": self.last, "days": self.days, "used": self.used}
