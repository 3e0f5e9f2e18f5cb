"""Keeping: bytes that were there before us, and bytes that need not stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.catalog.answers import places
from rootcellar.catalog.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rootcellar.schemas.record import VersionRecord
    from rootcellar.schemas.ref import Pin

__all__ = ["Keeping"]


class Keeping(Ledger):
    """What is entered apart from runs: sightings, and what was deleted; see `Catalog`."""

    def pins_at(self, uris: Iterable[str]) -> dict[str, list[Pin]]:
        """Return in which states bytes that nobody deleted were recorded at these URIs."""
        wanted = list(uris)
        return self._read(lambda connection: places.pins_at(connection, wanted))

    def enter_sightings(self, records: Sequence[VersionRecord]) -> None:
        """Enter bytes that no run of ours made, in one transaction; safe to repeat."""
        self._prepare()
        self._recorder.enter_versions(records)
        self._refs.forget()
