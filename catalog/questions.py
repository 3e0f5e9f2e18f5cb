"""What a version can be asked of itself; each is the catalog's question of the same name.

The answers are not named by their types here: they are made of versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rootcellar.catalog.drawing.columns_told import columns_told
from rootcellar.catalog.drawing.lines import html_lines

if TYPE_CHECKING:
    from rootcellar.catalog.drawing.table import Table
    from rootcellar.catalog.times import Moment

__all__ = ["Questions"]


class Questions:
    """A version's way to the answers that its catalog gives."""

    catalog: Any

    def diff(self, than: Any = None) -> Any:
        """Return how this version differs from an earlier one, as a `Difference`.

        Args:
            than: As in `Catalog.earlier`: the last one before with other content if left out.

        Raises:
            NotInCatalog: There is none.
        """
        return self.catalog.diff(self.catalog.earlier(self, than), self)

    def why(self, than: Any = None, *, max_nodes: int = 500) -> Any:
        """Return why this version differs from an earlier one, as a `Why`; see `Catalog.why`.

        Raises:
            NotInCatalog: There is none.
        """
        return self.catalog.why(self, than, max_nodes=max_nodes)

    @property
    def schema(self) -> Table[Any]:
        """The columns of a table; see `Catalog.schema`."""
        found: Table[Any] = self.catalog.schema(self)
        return found

    @property
    def statistics(self) -> Table[Any]:
        """Nulls, least and greatest value of its columns; see `Catalog.statistics`."""
        found: Table[Any] = self.catalog.statistics(self)
        return found

    def _repr_html_(self) -> str:
        facts = repr(self).removeprefix(f"<Version {self}: ").removesuffix(">")
        told = html_lines("\n".join([str(self), *facts.split(", ")]))
        columns = columns_told(self.schema, self.statistics)
        return f"{told}<br>{columns._repr_html_()}" if len(columns) else told

    def readers(self, since: Moment | None = None, *, transitive: bool = False) -> Table[Any]:
        """Return the runs that read this version; see `Catalog.readers`."""
        found: Table[Any] = self.catalog.readers(self, since, transitive=transitive)
        return found

    def history(self) -> Table[Any]:
        """Return all versions of its artifact, newest first; see `Catalog.history`."""
        found: Table[Any] = self.catalog.history(self)
        return found

    def impact(self) -> Any:
        """Return what depends on its artifact, as an `Impact`; see `Catalog.impact`."""
        return self.catalog.impact(self)

    def locations(self, *, verify: bool = False) -> Table[Any]:
        """Return the versions that are where its bytes are; see `Catalog.locations`."""
        found: Table[Any] = self.catalog.locations(self, verify=verify)
        return found

    def reproduce(self) -> Any:
        """Return what it takes to make it once more, as a `Recipe`; see `Catalog.reproduce`.

        Raises:
            NotInCatalog: No run of ours made it.
        """
        return self.catalog.reproduce(self)
