"""Deleting what the retention of the types leaves over: announced, deleted, entered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.catalog.drawing.table import Column, Row, Table
from rootcellar.schemas.errors import InvalidKey, StoreError
from rootcellar.schemas.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootcellar.catalog.answers.removals import Retiring
    from rootcellar.catalog.catalog import Catalog
    from rootcellar.catalog.values import Version
    from rootcellar.schemas.ref import Pin
    from rootcellar.schemas.registry import Registry
    from rootcellar.schemas.retention import Retention
    from rootcellar.staging.stores import Stores
    from rootcellar.staging.stores.store import Address, Store

__all__ = ["Retired", "policies_of", "retire"]

_BATCH = 100
_COLUMNS = (
    Column("result", "str"),
    Column("artifact", "str"),
    Column("seq", "int"),
    Column("freed_bytes", "int"),
    Column("problem", "str"),
    Column("uri", "str"),
    Column("version", "str"),
)


@dataclass(frozen=True, repr=False)
class Retired(Table[Row]):
    """What was deleted. The column `result` is `deleted`, `missing`, `kept` or `failed`.

    `missing` was removed or replaced by somebody else before; `kept` is no longer left over;
    what `failed` stays announced, and is tried again next time.

    Attributes:
        deleted: How many versions.
        failed: How many could not be deleted.
        freed_bytes: That were deleted.
    """

    deleted: int = 0
    failed: int = 0
    freed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of one version; `freed_bytes` is None if nothing of it was there."""

    version: Version
    freed_bytes: int | None = None
    problem: str = ""
    is_kept: bool = False

    @property
    def result(self) -> str:
        if self.is_kept:
            return "kept"
        if self.problem:
            return "failed"
        return "missing" if self.freed_bytes is None else "deleted"


def policies_of(registry: Registry) -> dict[str, Retention]:
    """Return the retention of each type that has one."""
    found = {one.type_name: one.declaration.retention for one in registry}
    return {name: policy for name, policy in found.items() if policy is not None}


def retire(plan: Retiring, catalog: Catalog, stores: Stores) -> Retired:
    """Delete what a plan lists and its policies still leave over.

    Each is announced before it is deleted and entered as deleted after, so that a run of this that
    is killed can be repeated.
    """
    now = {one.uid: one for one in catalog.left_over(plan.policies)}
    catalog.withdraw_removals(now)
    going = [one for one in plan if one.uid in now]
    outcomes = [_Outcome(one, is_kept=True) for one in plan if one.uid not in now]
    for start in range(0, len(going), _BATCH):
        some = going[start : start + _BATCH]
        policies = {one.uid: str(plan.policies[one.type]) for one in some}
        before = catalog.announce_removals(policies)
        found = [_deleted(one, stores, is_begun=one.uid in before) for one in some]
        gone = {one.version.uid: one.freed_bytes for one in found if not one.problem}
        catalog.finish_removals(gone, policies)
        outcomes += found
    return _told(outcomes)


def _told(outcomes: list[_Outcome]) -> Retired:
    rows: list[tuple[object, ...]] = [
        (
            one.result,
            one.version.artifact,
            one.version.seq,
            one.freed_bytes or 0,
            one.problem or None,
            one.version.uri,
            one.version.uid,
        )
        for one in outcomes
    ]
    return Retired(
        _COLUMNS,
        rows,
        deleted=sum(one.result == "deleted" for one in outcomes),
        failed=sum(one.result == "failed" for one in outcomes),
        freed_bytes=sum(one.freed_bytes or 0 for one in outcomes),
    )


def _deleted(version: Version, stores: Stores, *, is_begun: bool) -> _Outcome:
    """Delete a version; what was begun before and is gone, was deleted then."""
    freed = version.size_bytes if is_begun else None
    try:
        address = stores.store_for(version.uri.rstrip("/"))
        if version.kind == "folder":
            found = _delete_folder(version, address)
            return _Outcome(version, freed if found is None or is_begun else found)
        is_done = address.store.remove(address.key, version.pin)
    except (StoreError, InvalidKey) as error:
        return _Outcome(version, problem=error.problem)
    return _Outcome(version, version.size_bytes if is_done else freed)


def _delete_folder(version: Version, address: Address) -> int | None:
    """Delete a folder's manifest, which makes it one, and then the members of this version.

    They lie under the version's uid: in the template, or in a segment of their own.
    """
    store, key = address.store, address.key
    manifest = f"{key}/{MANIFEST_NAME}"
    has_own = version.state == "present" or bool(version.pin.version_id)
    was_there = has_own and store.remove(manifest, version.pin)
    below = key if version.uid in key else f"{key}/v-{version.uid}"
    freed = 0
    for member, pin in list(_members(store, below)):
        if store.remove(member, pin):
            was_there = True
            freed += pin.size_bytes
    return freed if was_there else None


def _members(store: Store, below: str) -> Iterator[tuple[str, Pin]]:
    for listed in store.list(below):
        # A listing may tell less than a look: of which version an object is.
        pin = store.stat(listed.key)
        if pin is not None:
            yield listed.key, pin
