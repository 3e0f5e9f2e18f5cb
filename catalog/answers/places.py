"""What was recorded at places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from rootcellar.catalog.canonical import short_digest
from rootcellar.catalog.tables import LocationState, location, version
from rootcellar.catalog.upserts import chunks
from rootcellar.schemas.ref import Pin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

__all__ = ["pins_at"]

_STANDING = (LocationState.PRESENT, LocationState.SUPERSEDED)


def pins_at(connection: Connection, uris: Sequence[str]) -> dict[str, list[Pin]]:
    """Return the states of what was recorded at these URIs and was not deleted, newest last."""
    names = {short_digest(uri): uri for uri in uris}
    found: dict[str, list[Pin]] = {}
    for some in chunks(sorted(names)):
        query = (
            select(
                location.c.uri_digest,
                location.c.pin_size,
                location.c.pin_etag,
                location.c.pin_version,
            )
            .join(version, version.c.id == location.c.version_id)
            .where(location.c.uri_digest.in_(some), location.c.state.in_(_STANDING))
            .order_by(version.c.recorded_at, version.c.id)
        )
        for place, size_bytes, etag, version_id in connection.execute(query):
            pin = Pin(size_bytes=size_bytes, etag=etag, version_id=version_id)
            found.setdefault(names[bytes(place)], []).append(pin)
    return found
