"""Versions as rows, inside a run's transaction.

Every writer takes rows in one order (contents, artifacts, keys, heads, versions, locations), and
within a table in the order of their natural keys, so that none waits for another in a circle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from rootcellar.catalog.artifacts import (
    ArtifactName,
    ContentName,
    ensure_artifacts,
    ensure_contents,
)
from rootcellar.catalog.canonical import clean_text, short_digest, whole
from rootcellar.catalog.heads import lock_heads, move_heads
from rootcellar.catalog.schema_tables import column_statistics
from rootcellar.catalog.sighted import Entry, Sighting, originals, seen_before
from rootcellar.catalog.table_facts import statistics_row
from rootcellar.catalog.tables import LocationState, location, run, version
from rootcellar.catalog.upserts import chunks, insert_missing, insert_new

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rootcellar.catalog.heads import Head
    from rootcellar.catalog.held import Executes
    from rootcellar.schemas.record import VersionRecord

__all__ = ["adopt", "claim", "ensure_versions", "learn", "supersede", "supersede_at"]

# Built once: for statements as small as these, building costs more than running.
_CLAIM = (
    update(version)
    .where(version.c.uid == bindparam("of_uid"), version.c.run_id.is_(None))
    .values(
        run_id=bindparam("by_run"),
        origin="run",
        media_type=bindparam("new_media_type"),
        row_count=bindparam("new_row_count"),
        schema_fingerprint=bindparam("new_fingerprint"),
    )
)
_made, _there, _seen, _here = version.alias(), location.alias(), version.alias(), location.alias()
_TAKEN_FOR_FOREIGN = (
    select(_seen.c.uid, _seen.c.id, run.c.id.label("run_id"))
    .select_from(_made)
    .join(run, run.c.id == _made.c.run_id)
    .join(_there, _there.c.version_id == _made.c.id)
    .join(
        _seen,
        (_seen.c.artifact_id == _made.c.artifact_id)
        & (_seen.c.content_id == _made.c.content_id)
        & (_seen.c.recorded_at >= _made.c.recorded_at)
        & _seen.c.run_id.is_(None),
    )
    .join(
        _here,
        (_here.c.version_id == _seen.c.id)
        & (_here.c.uri_digest == _there.c.uri_digest)
        & (_here.c.pin_etag == _there.c.pin_etag)
        & (_here.c.pin_version == _there.c.pin_version),
    )
    .where(
        _made.c.uid == bindparam("of_uid"),
        run.c.uid == bindparam("by_uid"),
        _here.c.uri_digest == bindparam("place"),
    )
    .order_by(_seen.c.uid)
)
_LEARN = (
    update(version).where(version.c.id == bindparam("of_id")).values(content_id=bindparam("is_of"))
)
_KNOWN = select(version.c.uid, version.c.id).where(
    version.c.uid.in_(bindparam("uids", expanding=True))
)
_PRESENT = (
    select(location.c.uri_digest, location.c.version_id)
    .join(version, version.c.id == location.c.version_id)
    .where(
        location.c.uri_digest.in_(bindparam("places", expanding=True)),
        location.c.state == LocationState.PRESENT,
    )
    .order_by(version.c.recorded_at, version.c.id)
)
_SUPERSEDE = (
    update(location)
    .where(location.c.version_id.in_(bindparam("losers", expanding=True)))
    .values(state=LocationState.SUPERSEDED)
)


def ensure_versions(
    connection: Executes, records: Iterable[VersionRecord], types: Mapping[str, int]
) -> dict[str, int]:
    """Return version ids by the uids in `records`, after inserting those not known yet.

    A sighting of foreign bytes that are known already, in the same artifact, place, state and with
    the same digest, gets the id of the known version: its own uid is not entered, unless something
    else stood there in the meantime.

    Args:
        types: Ids of all types the records name.
    """
    wanted = {record.ref.version: record for record in records}
    known = _known(connection, wanted)
    missing = [record for uid, record in sorted(wanted.items()) if uid not in known]
    if not missing:
        return known
    entries = _entries(connection, missing, types)
    heads = lock_heads(connection, {entry.sighting.artifact_id for entry in entries})
    # While this waited for the heads, another run may have recorded the same versions.
    known |= _known(connection, [entry.uid for entry in entries])
    entries = [entry for entry in entries if entry.uid not in known]
    seen = seen_before(connection, entries)
    fresh = [entry for entry in entries if entry.uid not in seen.ids]
    entered = originals(fresh)
    new = [one for one in fresh if entered[one.uid] == one.uid]
    ids = _insert(connection, new, heads, seen.again)
    return known | seen.ids | {uid: ids[original] for uid, original in entered.items()}


def claim(connection: Executes, run_id: int, made: Sequence[VersionRecord]) -> None:
    """Enter the run as the producer of versions that have none yet.

    One that was read before its producer's record arrived was taken for foreign bytes; what the
    producer says of it is the truth.
    """
    claims = [
        {
            "of_uid": record.ref.version,
            "by_run": run_id,
            "new_media_type": record.media_type,
            "new_row_count": whole(record.row_count),
            "new_fingerprint": record.schema_fingerprint,
        }
        for record in sorted(made, key=lambda record: record.ref.version)
    ]
    if claims:
        connection.execute(_CLAIM, claims)


def adopt(connection: Executes, run_uid: str, made: Sequence[VersionRecord]) -> None:
    """Enter a run as the producer of the sightings of what it made, if they came in before it did.

    Who reads a file whose producer is not recorded yet takes it for foreign bytes. What stands in
    the same place and state with the same content, and was seen later, is what the run made.
    """
    for record in sorted(made, key=lambda record: record.ref.version):
        ref = record.ref
        wanted = {"of_uid": ref.version, "by_uid": run_uid, "place": short_digest(ref.uri)}
        for row in connection.execute(_TAKEN_FOR_FOREIGN, wanted):
            connection.execute(
                _CLAIM,
                {
                    "of_uid": row.uid,
                    "by_run": row.run_id,
                    "new_media_type": record.media_type,
                    "new_row_count": whole(record.row_count),
                    "new_fingerprint": record.schema_fingerprint,
                },
            )
            if record.statistics:
                told = statistics_row(row.id, record.statistics)
                insert_missing(connection, column_statistics, [told])


def learn(connection: Executes, records: Iterable[VersionRecord], ids: Mapping[str, int]) -> None:
    """Enter the contents of versions that were recorded before their bytes were read whole.

    Args:
        ids: Of the versions by uid.
    """
    learned = {record.ref.version: record for record in records}
    contents = ensure_contents(connection, list(learned.values()))
    changes = [
        {"of_id": ids[uid], "is_of": contents[ContentName.of(record)]}
        for uid, record in sorted(learned.items())
    ]
    connection.execute(_LEARN, changes)


def _known(connection: Executes, uids: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(sorted(uids)):
        found.update((row.uid, row.id) for row in connection.execute(_KNOWN, {"uids": some}))
    return found


def _entries(
    connection: Executes, records: Sequence[VersionRecord], types: Mapping[str, int]
) -> list[Entry]:
    """Return the records with the rows they hang on, in the order they were made."""
    contents = ensure_contents(connection, records)
    artifacts = ensure_artifacts(connection, records, types)
    return [
        Entry(
            record,
            Sighting(
                artifacts[ArtifactName.of(record, types)],
                contents[ContentName.of(record)],
                short_digest(record.ref.uri),
                clean_text(record.ref.pin.etag),
                clean_text(record.ref.pin.version_id),
            ),
        )
        for record in sorted(records, key=lambda one: (one.recorded_at, one.ref.version))
    ]


def _insert(
    connection: Executes,
    entries: Sequence[Entry],
    heads: Mapping[int, Head],
    again: Mapping[str, Mapping[str, Any]],
) -> dict[str, int]:
    rows = [
        {**_version_row(entry, heads[entry.sighting.artifact_id]), **again.get(entry.uid, {})}
        for entry in entries
    ]
    inserted = insert_new(connection, version, rows, version.c.uid, version.c.id)
    ids: dict[str, int] = {row.uid: row.id for row in inserted}
    places = [_location_row(ids[entry.uid], entry) for entry in entries]
    insert_missing(connection, location, places)
    supersede_at(connection, sorted({entry.sighting.uri_digest for entry in entries}))
    move_heads(connection, heads, ids)
    return ids


def _version_row(entry: Entry, head: Head) -> dict[str, Any]:
    record = entry.record
    return {
        "uid": entry.uid,
        "artifact_id": entry.sighting.artifact_id,
        "seq": head.add(entry.uid, record.recorded_at),
        "content_id": entry.sighting.content_id,
        "origin": record.origin,
        "run_id": None,  # its producer claims it later, but for what is there again
        "media_type": record.media_type,
        "row_count": whole(record.row_count),
        "schema_fingerprint": record.schema_fingerprint,
        "recorded_at": record.recorded_at,
    }


def _location_row(version_id: int, entry: Entry) -> dict[str, Any]:
    return {
        "version_id": version_id,
        "uri": entry.record.ref.uri,
        "uri_digest": entry.sighting.uri_digest,
        "pin_size": entry.record.ref.pin.size_bytes,
        "pin_etag": entry.sighting.etag,
        "pin_version": entry.sighting.version_id,
        "state": LocationState.PRESENT,
    }


def supersede_at(connection: Executes, uri_digests: Sequence[bytes]) -> None:
    """Leave one version present at each place: the newest."""
    newest: dict[bytes, int] = {}
    losers: list[int] = []
    for some in chunks(uri_digests):
        for uri_digest, version_id in connection.execute(_PRESENT, {"places": some}):
            place = bytes(uri_digest)
            if place in newest:
                losers.append(newest[place])
            newest[place] = version_id
    supersede(connection, losers)


def supersede(connection: Executes, losers: Iterable[int]) -> None:
    """Enter that something newer stands where these versions stood."""
    for some in chunks(sorted(losers)):
        connection.execute(_SUPERSEDE, {"losers": some})
