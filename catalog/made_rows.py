"""The rows of what a run made, all of it new: worked out before and between few statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.artifacts import ArtifactName, ContentName
from rootcellar.catalog.canonical import clean_text, key_text, short_digest, whole
from rootcellar.catalog.keys import key_rows
from rootcellar.catalog.tables import LocationState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rootcellar.catalog.heads import Head
    from rootcellar.schemas.record import RunEnded, VersionRecord

__all__ = ["Ground", "Product", "artifact_row", "product_rows", "products"]

_PRESENT = LocationState.PRESENT.value  # plain: of a class of its own each row would make one
_MOST = 100
"""More than that is entered the long way, which takes any number in pieces."""


@dataclass(frozen=True, slots=True)
class Product:
    """A version that a run made, with what names the rows it hangs on."""

    record: VersionRecord
    artifact: ArtifactName
    content: ContentName
    place: bytes

    @property
    def uid(self) -> str:
        """Uid of the version."""
        return self.record.ref.version


@dataclass(frozen=True, slots=True)
class Ground:
    """Ids of the rows that products hang on, some of them just entered.

    Attributes:
        numbers: Ids that the versions get, in the order of the products.
        heads: Of artifacts that were there before, locked.
    """

    run_id: int
    numbers: Sequence[int]
    contents: Mapping[ContentName, int]
    artifacts: Mapping[ArtifactName, int]
    heads: Mapping[int, Head]


def products(record: RunEnded, types: Mapping[str, int]) -> list[Product]:
    """Return what a run made, in the order it was made; nothing if that is not simply new.

    Simply new are versions of artifacts and at places that differ.

    Args:
        types: Ids of all types that the versions name.
    """
    made = [item.version for item in record.outputs]
    if (
        not 0 < len(made) <= _MOST
        or record.error is not None
        or any(item.mode != "created" for item in record.outputs)
        or any(one.origin != "run" or one.is_learned for one in made)
    ):
        return []
    found = [
        Product(one, ArtifactName.of(one, types), ContentName.of(one), short_digest(one.ref.uri))
        for one in sorted(made, key=lambda one: (one.recorded_at, one.ref.version))
    ]
    for names in zip(*((one.uid, one.artifact, one.place) for one in found), strict=True):
        if len(set(names)) < len(found):
            return []
    return found


def artifact_row(product: Product) -> dict[str, Any]:
    """Return the row of the artifact."""
    return {**product.artifact._asdict(), "key_text": key_text(product.record.ref.key)}


def product_rows(made: Sequence[Product], ground: Ground) -> dict[str, list[dict[str, Any]]]:
    """Return rows by table, for all that refers to the ground; heads only of new artifacts."""
    rows: dict[str, list[dict[str, Any]]] = {
        "artifact_key": [],
        "version": [],
        "artifact_head": [],
        "location": [],
    }
    fresh: dict[int, list[dict[str, Any]]] = {}
    for product, number in zip(made, ground.numbers, strict=True):
        record, artifact_id = product.record, ground.artifacts[product.artifact]
        head = ground.heads.get(artifact_id)
        if head is None:
            seq = 1
            fresh[artifact_id] = key_rows(artifact_id, product.artifact.type_id, record.ref.key)
            rows["artifact_head"].append(
                {
                    "artifact_id": artifact_id,
                    "version_id": number,
                    "recorded_at": record.recorded_at,
                    "last_seq": seq,
                }
            )
        else:
            seq = head.add(product.uid, record.recorded_at)
        rows["version"].append(_version_row(product, ground, number, seq))
        rows["location"].append(_location_row(product, number))
    rows["artifact_key"] = [row for _, of_one in sorted(fresh.items()) for row in of_one]
    return rows


def _version_row(product: Product, ground: Ground, number: int, seq: int) -> dict[str, Any]:
    record = product.record
    return {
        "id": number,
        "uid": product.uid,
        "artifact_id": ground.artifacts[product.artifact],
        "seq": seq,
        "content_id": ground.contents[product.content],
        "origin": "run",
        "run_id": ground.run_id,
        "media_type": record.media_type,
        "row_count": whole(record.row_count),
        "schema_fingerprint": record.schema_fingerprint,
        "recorded_at": record.recorded_at,
    }


def _location_row(product: Product, number: int) -> dict[str, Any]:
    ref = product.record.ref
    return {
        "version_id": number,
        "uri": ref.uri,
        "uri_digest": product.place,
        "pin_size": ref.pin.size_bytes,
        "pin_etag": clean_text(ref.pin.etag),
        "pin_version": clean_text(ref.pin.version_id),
        "state": _PRESENT,
    }
