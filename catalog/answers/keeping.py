"""Keeping: bytes that were there before us, and bytes that need not stay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rootcellar.catalog import names
from rootcellar.catalog.answers import places, removals
from rootcellar.catalog.answers.asking import check_limit
from rootcellar.catalog.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rootcellar.catalog.answers.removals import Deleted, Retiring
    from rootcellar.catalog.names import TypeName
    from rootcellar.schemas.record import VersionRecord
    from rootcellar.schemas.ref import Pin
    from rootcellar.schemas.retention import Retention

__all__ = ["Keeping"]


class Keeping(Ledger):
    """What is entered apart from runs: sightings, and what was deleted; see `Catalog`."""

    def pins_at(self, uris: Iterable[str]) -> dict[str, list[Pin]]:
        """Return in which states bytes that nobody deleted were recorded there, newest last."""
        wanted = list(uris)
        return self._read(lambda connection: places.pins_at(connection, wanted))

    def enter_sightings(self, records: Sequence[VersionRecord]) -> None:
        """Enter bytes that no run of ours made, in one transaction; safe to repeat."""
        self._prepare()
        self._recorder.enter_versions(records)
        self._refs.forget()

    def left_over(
        self, policies: Mapping[str, Retention], *, now: datetime | None = None
    ) -> Retiring:
        """Return the versions that nothing keeps, the largest first; deletes nothing.

        Only versions that a run of ours made go, and none that is the same object as another one.

        Args:
            policies: By the names of types; others keep everything.
            now: An aware time that ages are counted to.
        """
        at = now or datetime.now(UTC)
        return self._read(
            lambda connection: removals.retiring(connection, self._owner, policies, at)
        )

    def deleted(self, type_name: TypeName | None = None, /, *, limit: int = 10_000) -> Deleted:
        """Return versions whose bytes were deleted, or found missing, the last first.

        Their rows stay, with what made them and what they became: see `rebuildable` of the result.

        Raises:
            NotInCatalog: No such type.
        """
        check_limit("limit", limit)
        name = names.optional_type(type_name)
        return self._read(
            lambda connection: removals.deleted(
                connection, self._owner, type_name=name, limit=limit
            )
        )

    def announce_removals(self, policies: Mapping[str, str]) -> set[str]:
        """Enter that versions, by uid, are about to be deleted, each by its policy.

        Returns:
            Those that had been announced before, perhaps by somebody who was killed.
        """
        self._prepare()
        at = datetime.now(UTC)
        return self._database.write(lambda connection: removals.announce(connection, policies, at))

    def finish_removals(
        self, gone: Mapping[str, int | None], policies: Mapping[str, str] | None = None
    ) -> None:
        """Enter that versions, by uid, are gone, and how many bytes that freed.

        None for what was missing: somebody else removed or replaced it. Safe to repeat.
        """
        self._prepare()
        at = datetime.now(UTC)
        self._database.write(
            lambda connection: removals.finish(connection, gone, policies or {}, at)
        )
        self._refs.forget()

    def withdraw_removals(self, but_for: Iterable[str]) -> int:
        """Take back what was announced and never done, but for these; return how many."""
        self._prepare()
        kept = set(but_for)
        return self._database.write(lambda connection: removals.withdraw(connection, kept))
