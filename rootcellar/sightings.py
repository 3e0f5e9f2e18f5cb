"""Objects that were there before us become artifacts, by the templates of a registry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from rootcellar.catalog.drawing.table import Column, Row, Table
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ArtifactNotFound, RootcellarError
from rootcellar.schemas.record import VersionRecord, new_uid, time_of
from rootcellar.schemas.ref import Pin, Ref
from rootcellar.staging.folders.folder_input import pin_of_folder
from rootcellar.staging.stores.store import Address
from rootcellar.staging.streams.streaming import StreamRequest, Streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rootcellar.catalog.catalog import Catalog
    from rootcellar.runtime import Runtime
    from rootcellar.schemas.artifact import Artifact
    from rootcellar.schemas.registry import Registry
    from rootcellar.staging.stores.store import Store

__all__ = ["Imported", "Importer"]

_BATCH = 500
_COLUMNS = (
    Column("state", "str"),
    Column("artifact", "str"),
    Column("size_bytes", "int"),
    Column("uri", "str"),
    Column("problem", "str"),
)


@dataclass(frozen=True, repr=False)
class Imported(Table[Row]):
    """What lies at a place, by what it is to the registry: one row per artifact or loose object.

    The column `state` is `new`, `known` for what the catalog has in this very state, `no type` for
    what no template renders, or `unusable` with the problem. An earlier state that stands there
    again is known, and becomes the current version.

    Attributes:
        new: How many artifacts were entered, or would be.
        new_bytes: Their size.
        known: How many the catalog had.
        loose: How many objects no template renders.
        unusable: How many artifacts cannot be entered.
        is_dry_run: Nothing was entered.
    """

    new: int = 0
    new_bytes: int = 0
    known: int = 0
    loose: int = 0
    unusable: int = 0
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One artifact, or one object that is none, at a URI."""

    uri: str
    address: Address
    artifact: Artifact | None
    pin: Pin | None  # of a folder it is asked for later
    size_bytes: int = 0
    members: int | None = None
    digest: Digest | None = None
    state: str = "new"
    problem: str = ""

    @property
    def name(self) -> str | None:
        """The artifact as the catalog prints it."""
        if self.artifact is None:
            return None
        key = ", ".join(f"{name}={value!r}" for name, value in self.artifact.key.items())
        return f"{self.artifact.type_name}({key})"

    @property
    def is_folder(self) -> bool:
        return self.artifact is not None and self.artifact.declaration.format.kind == "folder"


class Importer:
    """Enters what lies at a place. Use one for each place.

    Args:
        catalog: Where it is entered.
        registry: Its templates tell what is what.
        runtime: Whose stores are listed.
    """

    def __init__(self, catalog: Catalog, registry: Registry, runtime: Runtime) -> None:
        self._catalog = catalog
        self._registry = registry
        self._runtime = runtime
        self._counts = {"new": 0, "known": 0, "no type": 0, "unusable": 0}
        self._bytes = 0
        self._rows: list[tuple[object, ...]] = []

    def run(self, uri: str, *, dry_run: bool, limit: int) -> Imported:
        """Enter the artifacts at and below a URI, in batches of some hundred.

        Args:
            limit: Rows of the table; all are counted.

        Raises:
            ArtifactNotFound: Nothing is there.
            StoreError: The store could not be listed; whole batches before that are entered.
        """
        store, prefix = self._place(uri)
        streams = Streams(self._runtime.cache)
        try:
            found = self._artifacts(store, prefix)
            while batch := list(islice(found, _BATCH)):
                self._take(batch, streams, dry_run=dry_run, limit=limit)
        finally:
            streams.close()
        counts, shown = self._counts, len(self._rows)
        if not any(counts.values()):
            raise ArtifactNotFound("nothing is there", "", uri, "Check the URI and the store")
        total = sum(counts.values())
        note = f"first {shown} of {total}" if total > shown else ""
        return Imported(
            _COLUMNS,
            self._rows,
            note=note,
            new=counts["new"],
            new_bytes=self._bytes,
            known=counts["known"],
            loose=counts["no type"],
            unusable=counts["unusable"],
            is_dry_run=dry_run,
        )

    def _place(self, uri: str) -> tuple[Store, str]:
        scheme, _, rest = uri.partition("://")
        if rest.strip("/") or not scheme:
            address = self._runtime.stores.store_for(uri.rstrip("/"))
            return address.store, address.key
        return self._runtime.stores.named(scheme), ""

    def _artifacts(self, store: Store, prefix: str) -> Iterator[_Found]:
        """Yield each artifact once, and each object that belongs to none."""
        folders: dict[str, Artifact | None] = {}
        pin = store.stat(prefix) if prefix else None
        if pin is not None:
            yield self._file(store, prefix, pin)
        for key, pin in store.list(prefix):
            above = _above(key)
            known = next((one for one in above if folders.get(one) is not None), None)
            if known is not None:
                continue
            for one in above:
                if one in folders:
                    continue
                found = self._registry.at(store.uri(one))
                is_folder = found is not None and found.declaration.format.kind == "folder"
                folders[one] = found if is_folder else None
                if is_folder:
                    address = Address(store, one)
                    yield _Found(uri=address.uri, address=address, artifact=found, pin=None)
                    break
            else:
                yield self._file(store, key, pin)

    def _file(self, store: Store, key: str, pin: Pin) -> _Found:
        address = Address(store, key)
        found = self._registry.at(address.uri)
        if found is not None and found.declaration.format.kind == "folder":
            found = None  # a file where a folder should be
        return _Found(
            uri=address.uri,
            address=address,
            artifact=found,
            pin=pin,
            size_bytes=pin.size_bytes,
            state="no type" if found is None else "new",
        )

    def _take(self, batch: list[_Found], streams: Streams, *, dry_run: bool, limit: int) -> None:
        known = self._catalog.pins_at(one.uri for one in batch)
        judged = [_judged(one, known.get(one.uri, [])) for one in self._exact(batch)]
        measured = [
            _measured(one, streams) if one.is_folder and one.state == "new" else one
            for one in judged
        ]
        fresh = [_record(one) for one in measured if one.state == "new"]
        if fresh and not dry_run:
            self._catalog.enter_sightings(fresh)
        if not dry_run:
            self._see_again(judged, known)
        for one in measured:
            self._counts[one.state] += 1
            self._bytes += one.size_bytes if one.state == "new" else 0
            if len(self._rows) < limit:
                row = (one.state, one.name, one.size_bytes, one.uri, one.problem or None)
                self._rows.append(row)

    def _see_again(self, judged: list[_Found], known: dict[str, list[Pin]]) -> None:
        """Have it entered where the store went back to an earlier state."""
        for one in judged:
            if one.state == "known" and one.pin and not _agree(one.pin, known[one.uri][-1]):
                self._catalog.ref_at(one.uri, one.pin)

    def _exact(self, batch: list[_Found]) -> Iterable[_Found]:
        """Return artifacts with the pins that staging will find; listings tell less than a look."""
        file = next((one for one in batch if one.artifact and not one.is_folder), None)
        keeps_versions = file is not None and _has_version(file)
        wanted = [one for one in batch if one.is_folder or (keeps_versions and one.artifact)]
        if not wanted:
            return batch
        with ThreadPoolExecutor(max(1, wanted[0].address.store.parallel)) as pool:
            looked = dict(zip((one.uri for one in wanted), pool.map(_look, wanted), strict=True))
        return [looked.get(one.uri, one) for one in batch]


def _above(key: str) -> list[str]:
    """Return the folders that a key lies in, the highest first."""
    parts = key.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _has_version(one: _Found) -> bool:
    pin = one.address.store.stat(one.address.key)
    return pin is not None and bool(pin.version_id)


def _look(one: _Found) -> _Found:
    """Return it with its state in the store now."""
    store, key = one.address.store, one.address.key
    try:
        pin = pin_of_folder(one.address) if one.is_folder else store.stat(key)
    except RootcellarError as error:
        return replace(one, state="unusable", problem=error.problem)
    if pin is None:
        return replace(one, state="unusable", problem="it went away, or is not whole")
    return replace(one, pin=pin, size_bytes=pin.size_bytes)


def _judged(one: _Found, recorded: list[Pin]) -> _Found:
    if one.state != "new" or one.pin is None:
        return one
    return replace(one, state="known") if any(_agree(one.pin, pin) for pin in recorded) else one


def _agree(now: Pin, then: Pin) -> bool:
    """Tell whether two pins of one URI are of one state; by size alone where there is no token."""
    if now.size_bytes != then.size_bytes:
        return False
    if now.version_id or then.version_id:
        return now.version_id == then.version_id
    return now.etag == then.etag


def _measured(one: _Found, streams: Streams) -> _Found:
    """Return a folder with its size, its number of files and, if it has a manifest, its digest."""
    if one.pin is None:
        return one
    wanted = StreamRequest(uri=one.uri, kind="folder", pin=one.pin, artifact=str(one.artifact))
    try:
        found = streams.folder(one.address, wanted)
    except RootcellarError as error:
        return replace(one, state="unusable", problem=error.problem)
    return replace(one, size_bytes=found.size_bytes, members=found.members, digest=found.digest)


def _record(one: _Found) -> VersionRecord:
    artifact, pin, uid = one.artifact, one.pin, new_uid()
    if artifact is None or pin is None:
        msg = "no artifact"
        raise AssertionError(msg)
    token = pin.token if pin.etag or pin.version_id else uid
    return VersionRecord(
        ref=Ref(
            type=artifact.type_name,
            key=artifact.key,
            uri=one.uri,
            version=uid,
            kind=artifact.declaration.format.kind,
            digest=one.digest or Digest.unread(one.uri, token),
            size_bytes=one.size_bytes,
            pin=pin,
        ),
        origin="observed",
        media_type=artifact.declaration.format.media_type,
        recorded_at=_moment(artifact, one.uri),
        members=one.members,
    )


def _moment(artifact: Artifact, uri: str) -> datetime:
    """Return when it was seen: now, or when the uid in its URI was made."""
    match = artifact.declaration.template.match(uri)
    if match is None or not match.version:
        return datetime.now(UTC)
    try:
        return time_of(match.version)
    except ValueError:
        return datetime.now(UTC)
