"""Sightings: when foreign bytes are a version already, and when they are one again.

Two sightings of one state are one version as long as nothing else stood there between them. If
something did, the store went back to an earlier state: that is a version of its own, with the
content and the maker of the earlier one. See docs/decisions/0023.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, select

from rootcellar.catalog.tables import location, version
from rootcellar.catalog.upserts import chunks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rootcellar.catalog.held import Executes
    from rootcellar.schemas.record import VersionRecord

__all__ = ["SETTLED", "Entry", "Seen", "Sighting", "originals", "seen_before"]

SETTLED = timedelta(seconds=5)
"""Until then what was seen may have been seen before the newest version was published."""

_TOLD = ("origin", "run_id", "media_type", "row_count", "schema_fingerprint")
# Built once: for statements as small as these, building costs more than running.
_SEEN = (
    select(
        version.c.artifact_id,
        version.c.content_id,
        location.c.uri_digest,
        location.c.pin_etag,
        location.c.pin_version,
        version.c.id,
        *(version.c[name] for name in _TOLD),
    )
    .join(location, location.c.version_id == version.c.id)
    .where(
        location.c.uri_digest.in_(bindparam("places", expanding=True)),
        version.c.content_id.in_(bindparam("contents", expanding=True)),
    )
    .order_by(version.c.recorded_at, version.c.id)
)
_STOOD = (
    select(
        version.c.artifact_id,
        version.c.content_id,
        location.c.uri_digest,
        location.c.pin_etag,
        location.c.pin_version,
        version.c.recorded_at,
    )
    .join(location, location.c.version_id == version.c.id)
    .where(
        location.c.uri_digest == bindparam("place"),
        version.c.recorded_at <= bindparam("seen_at"),
    )
    .order_by(version.c.recorded_at.desc(), version.c.id.desc())
    .limit(1)
)


class Sighting(NamedTuple):
    """Which bytes of which artifact stood where in which state."""

    artifact_id: int
    content_id: int
    uri_digest: bytes
    etag: str
    version_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A record on its way into the tables."""

    record: VersionRecord
    sighting: Sighting

    @property
    def uid(self) -> str:
        """The version's."""
        return self.record.ref.version

    @property
    def is_foreign(self) -> bool:
        """Whether it is a sighting."""
        return self.record.origin == "observed"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is recorded of foreign bytes, by the uids of their sightings.

    Attributes:
        ids: Of the versions that they are.
        again: What a version shares with the earlier one whose state it is again, as columns.
    """

    ids: dict[str, int] = field(default_factory=dict)
    again: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def seen_before(connection: Executes, entries: Sequence[Entry]) -> Seen:
    """Return which versions the sightings among the entries are, or are again.

    Args:
        entries: In the order in which they were recorded.
    """
    seen = Seen()
    interrupted = _interrupted(entries)
    foreign = [entry for entry in entries if entry.is_foreign]
    known = _recorded(connection, foreign)
    for entry in foreign:
        one = known.get(entry.sighting)
        if one is None:
            continue
        if entry.uid in interrupted or _is_again(connection, entry):
            seen.again[entry.uid] = {name: getattr(one, name) for name in _TOLD}
        else:
            seen.ids[entry.uid] = one.id
    return seen


def originals(entries: Sequence[Entry]) -> dict[str, str]:
    """Return for each uid the one to enter: its own, or that of the sighting it repeats.

    Args:
        entries: In the order in which they were recorded.
    """
    first: dict[Sighting, str] = {}
    standing: dict[bytes, Sighting] = {}
    found: dict[str, str] = {}
    for entry in entries:
        place = entry.sighting.uri_digest
        if standing.get(place) != entry.sighting:
            first.pop(entry.sighting, None)
        standing[place] = entry.sighting
        is_one = entry.is_foreign
        found[entry.uid] = first.setdefault(entry.sighting, entry.uid) if is_one else entry.uid
    return found


def _interrupted(entries: Sequence[Entry]) -> set[str]:
    """Return the uids of entries before which something else is entered at their places, too."""
    before: dict[bytes, set[Sighting]] = {}
    found: set[str] = set()
    for entry in entries:
        others = before.setdefault(entry.sighting.uri_digest, set())
        if others - {entry.sighting}:
            found.add(entry.uid)
        others.add(entry.sighting)
    return found


def _recorded(connection: Executes, entries: Sequence[Entry]) -> dict[Sighting, Any]:
    """Return the newest version of each sighting that is recorded."""
    known: dict[Sighting, Any] = {}
    for some in chunks(entries):
        wanted = {
            "places": sorted({entry.sighting.uri_digest for entry in some}),
            "contents": sorted({entry.sighting.content_id for entry in some}),
        }
        for row in connection.execute(_SEEN, wanted):
            artifact_id, content_id, place, *state = row[:5]
            known[Sighting(artifact_id, content_id, bytes(place), *state)] = row
    return known


def _is_again(connection: Executes, entry: Entry) -> bool:
    """Tell whether something else is known to have stood there when this was seen."""
    wanted = {"place": entry.sighting.uri_digest, "seen_at": entry.record.recorded_at}
    row = connection.execute(_STOOD, wanted).first()
    if row is None:
        return False
    artifact_id, content_id, place, *state, recorded_at = row
    if Sighting(artifact_id, content_id, bytes(place), *state) == entry.sighting:
        return False
    since: timedelta = entry.record.recorded_at - recorded_at
    return since > SETTLED
