"""Artifacts and contents as rows: what a version is a version of, and which bytes it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sqlalchemy import bindparam, select

from rootcellar.catalog.canonical import clean_text, key_text, short_digest, whole
from rootcellar.catalog.keys import key_rows
from rootcellar.catalog.tables import artifact, artifact_head, artifact_key, content
from rootcellar.catalog.upserts import chunks, insert_missing, insert_new

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rootcellar.catalog.held import Executes
    from rootcellar.schemas.record import VersionRecord

__all__ = [
    "ARTIFACT",
    "ArtifactName",
    "ContentName",
    "artifact_ids",
    "content_row",
    "ensure_artifacts",
    "ensure_contents",
]

ARTIFACT = (artifact.c.type_id, artifact.c.key_digest, artifact.c.id)
_CONTENT = (content.c.digest, content.c.kind, content.c.id)

# Built once: for statements as small as these, building costs more than running.
_ARTIFACT_IDS = select(*ARTIFACT).where(
    artifact.c.type_id.in_(bindparam("types", expanding=True)),
    artifact.c.key_digest.in_(bindparam("keys", expanding=True)),
)
_CONTENT_IDS = select(*_CONTENT).where(content.c.digest.in_(bindparam("digests", expanding=True)))


class ArtifactName(NamedTuple):
    """What tells artifacts apart."""

    type_id: int
    key_digest: bytes

    @classmethod
    def of(cls, record: VersionRecord, types: Mapping[str, int]) -> Self:
        """Return the name of the artifact that a record is about."""
        return cls(types[clean_text(record.ref.type)], short_digest(record.ref.key))


class ContentName(NamedTuple):
    """What tells contents apart."""

    digest: str
    kind: str

    @classmethod
    def of(cls, record: VersionRecord) -> Self:
        """Return the name of the content that a record is about."""
        return cls(str(record.ref.digest), record.ref.kind)


def content_row(record: VersionRecord) -> dict[str, Any]:
    """Return the row of a record's content, without its id."""
    return {
        "digest": str(record.ref.digest),
        "kind": record.ref.kind,
        "size_bytes": record.ref.size_bytes,
        "members": whole(record.members),
    }


def ensure_contents(
    connection: Executes, records: Sequence[VersionRecord]
) -> dict[ContentName, int]:
    """Return the row ids of the records' contents, after inserting those not known yet."""
    rows = {ContentName.of(record): content_row(record) for record in records}
    inserted = insert_new(connection, content, [rows[name] for name in sorted(rows)], *_CONTENT)
    found = {ContentName(row.digest, row.kind): row.id for row in inserted}
    for some in chunks(sorted({name.digest for name in rows if name not in found})):
        for row in connection.execute(_CONTENT_IDS, {"digests": some}):
            found[ContentName(row.digest, row.kind)] = row.id
    return found


def ensure_artifacts(
    connection: Executes, records: Sequence[VersionRecord], types: Mapping[str, int]
) -> dict[ArtifactName, int]:
    """Return the row ids of the records' artifacts, after inserting those not known yet.

    Args:
        types: Ids of all types the records name.
    """
    keys = {ArtifactName.of(record, types): record.ref.key for record in records}
    found = artifact_ids(connection, sorted(keys))
    new = sorted(keys.keys() - found.keys())
    if not new:
        return found
    rows = [{**name._asdict(), "key_text": key_text(keys[name])} for name in new]
    inserted = insert_new(connection, artifact, rows, *ARTIFACT)
    made = {ArtifactName(row.type_id, bytes(row.key_digest)): row.id for row in inserted}
    # What another run inserted meanwhile.
    made |= artifact_ids(connection, [name for name in new if name not in made])
    ordered = sorted(new, key=made.__getitem__)
    fields = [row for name in ordered for row in key_rows(made[name], name.type_id, keys[name])]
    insert_missing(connection, artifact_key, fields)
    heads = [{"artifact_id": made[name], "last_seq": 0} for name in ordered]
    insert_missing(connection, artifact_head, heads)
    return found | made


def artifact_ids(connection: Executes, wanted: Sequence[ArtifactName]) -> dict[ArtifactName, int]:
    """Return the row ids of those of these artifacts that are known."""
    found: dict[ArtifactName, int] = {}
    for some in chunks(wanted):
        names = {
            "types": sorted({name.type_id for name in some}),
            "keys": [name.key_digest for name in some],
        }
        for type_id, key_digest, row_id in connection.execute(_ARTIFACT_IDS, names):
            found[ArtifactName(type_id, bytes(key_digest))] = row_id
    # Types may share a key; what was not asked for is left out.
    return {name: found[name] for name in wanted if name in found}
