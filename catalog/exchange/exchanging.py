"""Exchanging: what leaves a catalog for other tools and other catalogs, and what comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.catalog.exchange.history import history
from rootcellar.catalog.exchange.prov import Provenance, provenance
from rootcellar.catalog.ledger import Ledger
from rootcellar.catalog.portable import MAX_NODES

if TYPE_CHECKING:
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
