"""What a version can be asked of itself; each is the catalog's question of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rootcellar.catalog.answers.causes import Why
    from rootcellar.catalog.answers.copies import Examine
    from rootcellar.catalog.answers.difference import Difference
    from rootcellar.catalog.answers.earlier import Than
    from rootcellar.catalog.answers.impact import Impact
    from rootcellar.catalog.answers.recipe import Recipe
    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.times import Moment
    from rootcellar.catalog.values import Run, Version

__all__ = ["Questions"]


class Questions:
    """A version's way to the answers that its catalog gives."""

    catalog: Any

    def diff(self, than: Than = None) -> Difference:
        """Return how this version differs from an earlier one; see `Catalog.earlier` for which.

        Raises:
            NotInCatalog: There is none.
        """
        found: Difference = self.catalog.diff(self.catalog.earlier(self, than), self)
        return found

    def why(self, than: Than = None, *, max_nodes: int = 500) -> Why:
        """Return why this version differs from an earlier one; see `Catalog.why`.

        Raises:
            NotInCatalog: There is none.
        """
        found: Why = self.catalog.why(self, than, max_nodes=max_nodes)
        return found

    def readers(self, since: Moment | None = None, *, transitive: bool = False) -> Table[Run]:
        """Return the runs that read this version; see `Catalog.readers`."""
        found: Table[Run] = self.catalog.readers(self, since, transitive=transitive)
        return found

    def history(self) -> Table[Version]:
        """Return all versions of its artifact, newest first; see `Catalog.history`."""
        found: Table[Version] = self.catalog.history(self)
        return found

    def impact(self) -> Impact:
        """Return the current versions that depend on its artifact; see `Catalog.impact`."""
        found: Impact = self.catalog.impact(self)
        return found

    def locations(self, *, verify: Examine | bool = False) -> Table[Version]:
        """Return where its bytes are; see `Catalog.locations`."""
        found: Table[Version] = self.catalog.locations(self, verify=verify)
        return found

    def reproduce(self) -> Recipe:
        """Return what it takes to make it once more; see `Catalog.reproduce`.

        Raises:
            NotInCatalog: No run of ours made it.
        """
        found: Recipe = self.catalog.reproduce(self)
        return found
