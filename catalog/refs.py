"""Refs of versions by what staging knows of them: asked for every input of every run."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import bindparam, select

from rootcellar.catalog import tables as t
from rootcellar.catalog.canonical import clean_text, short_digest
from rootcellar.catalog.sighted import SETTLED
from rootcellar.schemas.record import VersionRecord, new_uid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rootcellar.catalog.engine import Database
    from rootcellar.catalog.held import Executes
    from rootcellar.schemas.ref import Pin, Ref

__all__ = ["Refs", "remember"]

_K = TypeVar("_K")
_T = TypeVar("_T")

_MANY = 10_000
_FRESH_SECONDS = 1.0
_NO_ANSWER: tuple[float, None] = (0.0, None)

_HERE = (
    select(t.version.c.uid, t.version.c.id, t.location.c.state)
    .join(t.location, t.location.c.version_id == t.version.c.id)
    .where(
        t.location.c.uri_digest == bindparam("place"),
        t.location.c.pin_version == bindparam("pinned"),
        t.location.c.pin_size == bindparam("size"),
    )
    .order_by(t.version.c.recorded_at.desc(), t.version.c.id.desc())
    .limit(1)
)
_BY_VERSION = _HERE
_BY_ETAG = _HERE.where(t.location.c.pin_etag == bindparam("etag"))
_STANDING = (
    select(t.version.c.recorded_at)
    .join(t.location, t.location.c.version_id == t.version.c.id)
    .where(
        t.location.c.uri_digest == bindparam("place"),
        t.location.c.state == t.LocationState.PRESENT,
    )
    .order_by(t.version.c.recorded_at.desc())
    .limit(1)
)
_HEAD = (
    select(t.version.c.uid, t.version.c.id)
    .join(t.artifact_head, t.artifact_head.c.version_id == t.version.c.id)
    .join(t.artifact, t.artifact.c.id == t.artifact_head.c.artifact_id)
    .join(t.artifact_type, t.artifact_type.c.id == t.artifact.c.type_id)
    .join(t.location, t.location.c.version_id == t.version.c.id)
    .where(
        t.location.c.state.not_in([t.LocationState.DELETED, t.LocationState.MISSING]),
        t.artifact_type.c.name == bindparam("type"),
        t.artifact.c.key_digest == bindparam("key"),
    )
)


class Refs:
    """Finds which version is meant, and remembers its ref: versions never change.

    But for one thing: a digest that is not known yet will be, so such a ref is read each time.

    Args:
        load: Reads the ref of the version with a uid.
        see: Enters sightings.
        ids: Told the row id of each version that is met, by uid.
    """

    def __init__(
        self,
        database: Database,
        load: Callable[[str], Ref | None],
        *,
        see: Callable[[Sequence[VersionRecord]], None],
        ids: dict[str, int],
    ) -> None:
        self._database = database
        self._ids = ids
        self._load = load
        self._see = see
        self._known: dict[str, Ref] = {}
        self._answers: dict[tuple[str, str, int], tuple[float, Ref]] = {}

    def at(self, uri: str, pin: Pin) -> Ref | None:
        """Return the ref of the newest version known to be at `uri` in the state `pin`, or None.

        One that another process recorded in the last second may not be it yet, if an older version
        stood there in the same state, which is to say with the same bytes.

        Who asks has seen the object in that state. If something else should stand there by what is
        recorded, the store went back to an earlier state: that is entered, and becomes the head.
        """
        if not pin.etag and not pin.version_id:
            return None
        asked = (uri, pin.token, pin.size_bytes)
        since, ref = self._answers.get(asked, _NO_ANSWER)
        if ref is None or time.monotonic() - since > _FRESH_SECONDS:
            since = time.monotonic()
            ref = self._at(uri, pin)
            if ref is not None and not ref.digest.is_unread:
                remember(self._answers, {asked: (since, ref)})
        return ref

    def forget(self) -> None:
        """Ask again: this process recorded something."""
        self._answers.clear()

    def _at(self, uri: str, pin: Pin) -> Ref | None:
        wanted = {"place": short_digest(uri), "pinned": pin.version_id, "size": pin.size_bytes}
        query = _BY_VERSION if pin.version_id else _BY_ETAG
        if not pin.version_id:
            wanted["etag"] = pin.etag
        row = self._look(query, wanted)
        is_past = row is not None and row.state != t.LocationState.PRESENT
        if is_past and self._see_again(row, wanted):
            row = self._look(query, wanted)
        return self._met(row)

    def _see_again(self, row: Any, wanted: Mapping[str, Any]) -> bool:
        """Enter that an earlier state stands there again, if it is sure; tell whether."""
        now = datetime.now(UTC)
        standing = self._look(_STANDING, {"place": wanted["place"]})
        ref = self._met(row)
        if ref is None or standing is None or standing.recorded_at > now - SETTLED:
            return False
        self._see(
            [
                VersionRecord(
                    ref=ref.model_copy(update={"version": new_uid()}),
                    origin="observed",
                    media_type="",  # that of the earlier one
                    recorded_at=now,
                )
            ]
        )
        return True

    def head(self, type_name: str, key: Mapping[str, Any]) -> Ref | None:
        """Return the ref of an artifact's current version, or None."""
        wanted = {"type": clean_text(type_name), "key": short_digest(key)}
        return self._met(self._look(_HEAD, wanted))

    def _look(self, query: Any, wanted: Mapping[str, Any]) -> Any:
        def find(connection: Executes) -> Any:
            return connection.execute(query, wanted).first()

        return self._database.look(find)

    def _met(self, row: Any) -> Ref | None:
        """Return the ref of the version in a row, and remember it."""
        if row is None:
            return None
        uid: str = row.uid
        ref = self._known.get(uid)
        if ref is None or uid not in self._ids:
            ref = self._load(uid)
            if ref is not None:
                remember(self._ids, {uid: row.id})
            if ref is not None and not ref.digest.is_unread:
                remember(self._known, {uid: ref})
        return ref


def remember(known: dict[_K, _T], more: Mapping[_K, _T]) -> None:
    """Add to what a process knows and forget all of it when that grows too much."""
    if len(known) > _MANY:
        known.clear()
    known.update(more)
