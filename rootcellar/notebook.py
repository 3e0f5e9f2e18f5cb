"""Catalog as a notebook opens it: with no arguments, the one that the settings name."""

from __future__ import annotations

from rootcellar.catalog.catalog import Catalog as CatalogAt
from rootcellar.runtime import current_settings

__all__ = ["Catalog"]


class Catalog(CatalogAt):
    """The record of what happened. Ask it where a file came from and what was made of it.

    Args:
        url: `sqlite:///…` or `postgresql://…`; the configured catalog if left out.
    """

    def __init__(self, url: str = "") -> None:
        super().__init__(url or current_settings().catalog)
