"""Exchanging: what leaves a catalog for other tools and other catalogs, and what comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rootcellar.catalog.exchange.crate import crate
from rootcellar.catalog.exchange.history import history
from rootcellar.catalog.exchange.merging import Merged, Side, merge
from rootcellar.catalog.exchange.prov import Provenance, provenance
from rootcellar.catalog.exchange.relay import Relay, RelayOptions
from rootcellar.catalog.exchange.writing import CRATE_FILE, crate_folder, write_json
from rootcellar.catalog.ledger import Ledger
from rootcellar.catalog.portable import MAX_NODES, Exported

if TYPE_CHECKING:
    import os

    from rootcellar.catalog.resolving import Subject

__all__ = ["Exchanging"]


class Exchanging(Ledger):
    """Documents of a history, and merging of catalogs; see `Catalog`."""

    def to_prov(self, x: Subject, /, *, max_nodes: int = MAX_NODES) -> Provenance:
        """Return `x` with its whole history as PROV-JSON, to be written with `.write(path)`.

        Versions are entities, runs are activities, hosts are agents, codes are plans. The note
        says so if a limit left some out, and so does each run whose inputs are not all there.
        """
        return self._read(
            lambda connection: provenance(history(connection, self._owner, x, max_nodes=max_nodes))
        )

    def to_crate(
        self, x: Subject, path: str | os.PathLike[str], /, *, max_nodes: int = MAX_NODES
    ) -> Exported:
        """Write `x` with its whole history into a folder, as a Process Run Crate 0.5.

        The crate describes; it holds no copies. Files stand in it by logical URI, with size and
        digest, folders as collections, each run as an action with its code as the instrument. An
        earlier crate in the folder is replaced.

        Raises:
            TargetExists: The folder holds something else.
            CatalogError: It cannot be written.
        """
        found = self._read(
            lambda connection: history(connection, self._owner, x, max_nodes=max_nodes)
        )
        folder = crate_folder(path)
        write_json(folder / CRATE_FILE, crate(found))
        return Exported(
            path=folder, versions=len(found.versions), runs=len(found.runs), note=found.note
        )

    def push(self, other: Self | str, /) -> Merged:
        """Record in another catalog what this one knows, by uids; see `pull`."""
        if isinstance(other, str):
            with type(self)(other) as opened:
                return self.push(opened)
        return other._take(self)  # noqa: SLF001 - its own kind

    def pull(self, other: Self | str, /) -> Merged:
        """Record here what another catalog knows, by uids.

        Batched, with nothing to resume: what arrived before it was cut off is not sent again. Safe
        to repeat, beside workers that record, and in any order with merges of other catalogs. In
        the end both are compared by counts. Versions are numbered in the order in which they
        arrive, so `seq` may differ between catalogs; uids never do, but for foreign bytes that both
        have seen, which stay one version. Tags and aliases come with their history: of what was
        said on both sides the later counts.

        Args:
            other: A catalog, or its URL.

        Raises:
            CatalogError: It is this very catalog, or the comparison found a difference.
        """
        if isinstance(other, str):
            with type(self)(other) as opened:
                return self._take(opened)
        return self._take(other)

    def relay(self, options: RelayOptions) -> Relay:
        """Return what tells OpenLineage of this catalog's runs.

        Raises:
            SettingsError: The extra is not installed, or the client's configuration leads nowhere.
        """
        self._prepare()
        return Relay(self._database, self._owner, options)

    def _take(self, other: Exchanging) -> Merged:
        self._prepare()
        try:
            return merge(other._side(), self._side())
        finally:
            self._refs.forget()

    def _side(self) -> Side:
        self._prepare()
        return Side(self._database, self._owner)
