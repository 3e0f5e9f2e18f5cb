"""Merging: what one catalog knows is recorded in another, by uids.

The records are replayed as a worker would have sent them, so all rules of recording hold: who made
what, which version is current, which sightings are the same. There is no position to remember:
each batch first asks the other catalog what it has, which makes a merge safe to repeat, and
to begin anew after it was cut off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select

from rootcellar.catalog import tables as t
from rootcellar.catalog.canonical import short_digest
from rootcellar.catalog.exchange.marks_merging import merge_marks
from rootcellar.catalog.exchange.reading import (
    orphans_after,
    run_marks,
    run_marks_after,
    weights,
    whole_runs,
)
from rootcellar.catalog.exchange.removals_merging import merge_removals
from rootcellar.catalog.exchange.types import merge_types
from rootcellar.catalog.exchange.verifying import bounds, verify
from rootcellar.catalog.recording import Recorder
from rootcellar.catalog.upserts import chunks
from rootcellar.catalog.wording import counted
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from rootcellar.catalog.engine import Database
    from rootcellar.catalog.exchange.reading import RunMark, WholeRun
    from rootcellar.catalog.values import Owner
    from rootcellar.schemas.record import RunEnded, RunStarted, VersionRecord

__all__ = ["Merged", "Side", "merge"]

_RUNS = 500
_PASSES = 3
_EDGES = 5_000
"""Inputs and outputs replayed in one transaction; a run with more of them is one of its own."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What one merge brought.

    Attributes:
        types: Revisions of types that were new.
        runs: That were new, or of which more is known now.
        versions: That were new.
        known_runs: That were there already.
        joined: Sightings that were there already under another uid: the same bytes of the same
            artifact in the same place and state, seen from both sides.
        marks: Settings of tags and aliases that were new, earlier ones as well.
        removals: Versions that are gone on the other side, and counted as there.
    """

    types: int
    runs: int
    versions: int
    known_runs: int
    joined: int
    marks: int = 0
    removals: int = 0

    def __str__(self) -> str:
        came = [
            counted(self.runs, "run"),
            counted(self.versions, "version"),
            "1 revision of a type" if self.types == 1 else f"{self.types} revisions of types",
        ]
        if self.marks:
            came.append(f"{counted(self.marks, 'setting')} of tags and aliases")
        if self.removals:
            came.append(counted(self.removals, "deletion"))
        known = "1 run was" if self.known_runs == 1 else f"{self.known_runs} runs were"
        joined = ""
        if self.joined:
            seen = "sighting was" if self.joined == 1 else "sightings were"
            joined = f"; {self.joined} {seen} known under other uids"
        return f"{', '.join(came[:-1])} and {came[-1]} came over; {known} there already{joined}"


@dataclass(frozen=True, slots=True)
class Side:
    """One of two catalogs."""

    database: Database
    owner: Owner


def merge(
    source: Side, target: Side, *, on_batch: Callable[[int], None] = lambda _: None
) -> Merged:
    """Record in `target` what `source` knows, and compare the two.

    Args:
        on_batch: Told after each batch how many runs have been looked at.

    Raises:
        CatalogError: They are one and the same, or the comparison found a difference.
    """
    if _are_one(source.database, target.database):
        raise CatalogError(
            f"{source.database.shown_url} cannot be merged with itself",
            remedy="Name another catalog",
        )
    upto = source.database.read(bounds)
    replay = _Replay(target.database)
    # A run that ends between being read and being compared differs once.
    for _ in range(_PASSES):
        _pass(source, replay, on_batch)
        found = verify(source.database, target.database, upto)
        if not found.differences:
            marks = merge_marks(source.database, target.database)
            removals = merge_removals(source.database, target.database)
            return replace(replay.merged(joined=found.joined), marks=marks, removals=removals)
    raise CatalogError(
        f"after merging, the other catalog lacks {found.differences}",
        remedy="Merge once more; if it stays so, report it",
    )


def _are_one(a: Database, b: Database) -> bool:
    if a.is_sqlite and b.is_sqlite:
        return a.path.samefile(b.path)
    return a.engine.url == b.engine.url


def _pass(source: Side, replay: _Replay, on_batch: Callable[[int], None]) -> None:
    replay.enter_types(source.database)
    for orphans in _orphans(source):
        replay.enter_versions(orphans)
    seen = 0
    for marks in _marks(source.database):
        wanted, known = replay.news(marks)
        for some in _portions(source.database, wanted):
            replay.enter_runs(_whole(source, some), known)
        seen += len(marks)
        replay.seen = max(seen, replay.seen)
        on_batch(seen)


class _Replay:
    """Enters records into a catalog, and counts what was new.

    Attributes:
        seen: Runs that were looked at.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recorder = Recorder(database, {})
        self._types = self._versions = 0
        self._runs: set[str] = set()
        self.seen = 0

    def merged(self, *, joined: int) -> Merged:
        """Return what was new."""
        return Merged(
            types=self._types,
            runs=len(self._runs),
            versions=self._versions,
            known_runs=self.seen - len(self._runs),
            joined=joined,
        )

    def news(self, marks: Sequence[RunMark]) -> tuple[list[int], frozenset[str]]:
        """Return the row ids of runs of which this catalog knows less, and whom it knows."""
        uids = sorted(mark.uid for mark in marks)
        there = self._database.read(lambda connection: run_marks(connection, uids))
        news = [mark for mark in marks if mark.adds_to(there.get(mark.uid))]
        self._runs.update(mark.uid for mark in news)
        return [mark.row_id for mark in news], frozenset(there)

    def enter_types(self, source: Database) -> None:
        """Enter what types were declared."""
        self._types += merge_types(source, self._database)

    def enter_versions(self, records: Iterable[VersionRecord]) -> None:
        """Enter versions, and the contents of those that were not read whole until now."""
        by_uid = {record.ref.version: record for record in records}
        before = self._database.read(lambda connection: _digests(connection, sorted(by_uid)))
        learned = {
            uid: replace(record, is_learned=True)
            for uid, record in by_uid.items()
            if uid in before and before[uid].is_unread and not record.ref.digest.is_unread
        }
        self._recorder.enter_versions([*{**by_uid, **learned}.values()])
        after = self._database.read(lambda connection: _digests(connection, sorted(by_uid)))
        self._versions += len(after) - len(before)

    def enter_runs(self, runs: Sequence[WholeRun], known: Collection[str]) -> None:
        """Enter runs: new ones that have ended in one transaction, others record by record.

        Args:
            known: Uids of runs that are there already, but not whole.
        """
        self.enter_versions(version for run in runs for version in run.versions)
        whole: list[tuple[RunEnded, RunStarted]] = []
        for run in runs:
            if run.start is not None and run.end is not None and run.end.uid not in known:
                whole.append((run.end, run.start))
                continue
            if run.start is not None:
                self._recorder.start_run(run.start)
            if run.end is not None:
                self._recorder.finish_run(run.end)
        if whole:
            self._recorder.finish_runs(whole)
        self._adopt([run.end for run in runs if run.end is not None])

    def _adopt(self, ended: Sequence[RunEnded]) -> None:
        """Make runs the producers of what was taken for foreign bytes here: they came later."""
        places = sorted({short_digest(one.version.ref.uri) for end in ended for one in end.outputs})
        seen = self._database.read(lambda connection: _seen(connection, places))
        for end in ended:
            if any(short_digest(one.version.ref.uri) in seen for one in end.outputs):
                self._recorder.adopt(end)


def _marks(database: Database) -> Iterator[list[RunMark]]:
    last = 0
    while marks := database.read(partial(run_marks_after, row_id=last, limit=_RUNS)):
        yield marks
        last = marks[-1].row_id


def _portions(database: Database, row_ids: Sequence[int]) -> Iterator[list[int]]:
    """Divide runs so that no portion holds too many inputs and outputs."""
    edges = database.read(lambda connection: weights(connection, row_ids)) if row_ids else {}
    portion: list[int] = []
    held = 0
    for row_id in row_ids:
        count = edges.get(row_id, 0)
        if portion and held + count > _EDGES:
            yield portion
            portion, held = [], 0
        portion.append(row_id)
        held += count
    if portion:
        yield portion


def _whole(source: Side, row_ids: Sequence[int]) -> list[WholeRun]:
    return source.database.read(lambda connection: whole_runs(connection, source.owner, row_ids))


def _orphans(source: Side) -> Iterator[list[VersionRecord]]:
    last = 0
    while found := source.database.read(
        partial(orphans_after, owner=source.owner, row_id=last, limit=_EDGES)
    ):
        yield list(found.values())
        last = max(found)


def _seen(connection: Connection, places: Sequence[bytes]) -> set[bytes]:
    """Return those of these places where something stands that no run made."""
    found: set[bytes] = set()
    for some in chunks(places):
        query = (
            select(t.location.c.uri_digest)
            .join(t.version, t.version.c.id == t.location.c.version_id)
            .where(t.location.c.uri_digest.in_(some), t.version.c.run_id.is_(None))
        )
        found.update(bytes(place) for place in connection.execute(query).scalars())
    return found


def _digests(connection: Connection, uids: Sequence[str]) -> dict[str, Digest]:
    """Return the digests of those of these versions that are recorded, by uid."""
    found: dict[str, Digest] = {}
    for some in chunks(uids):
        query = (
            select(t.version.c.uid, t.content.c.digest)
            .join(t.content, t.content.c.id == t.version.c.content_id)
            .where(t.version.c.uid.in_(some))
        )
        found.update((uid, Digest(digest)) for uid, digest in connection.execute(query))
    return found
