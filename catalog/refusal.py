"""Which errors are about the values, and which about the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DataError, IntegrityError

if TYPE_CHECKING:
    from rootcellar.schemas.errors import CatalogError

__all__ = ["is_refusal"]


def is_refusal(error: CatalogError) -> bool:
    """Tell whether the database works, and does not take these values."""
    return isinstance(error.__cause__, DataError | IntegrityError)
