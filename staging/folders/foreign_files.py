"""The files of a folder that has no manifest, each looked up in the cache or downloaded."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from rootcellar.schemas.errors import ContentError, ObjectChanged, StoreUnavailable
from rootcellar.schemas.manifest_text import Line, in_order
from rootcellar.staging.engine.hashing import digest_bytes
from rootcellar.staging.engine.pipeline import pipelined
from rootcellar.staging.folders.folder_listing import member_path
from rootcellar.staging.folders.member_download import SMALL_BYTES
from rootcellar.staging.stores.store import SMALL_OBJECT_BYTES, Address, ManyObjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rootcellar.staging.cache.cache import Cached
    from rootcellar.staging.cache.lot import Lot
    from rootcellar.staging.folders.folder_listing import FolderListing
    from rootcellar.staging.folders.member_files import MemberFiles
    from rootcellar.staging.stores.store import Listed

__all__ = ["Looked", "Wanted", "check_length", "fetched_all", "wanted_files"]

_NAME_BYTES = 255


class Wanted(NamedTuple):
    """A foreign file and its path in the folder."""

    path: str
    item: Listed


class Looked(NamedTuple):
    """A foreign file, and the entry of the cache if there is one."""

    wanted: Wanted
    cached: Cached | None


def fetched_all(
    files: MemberFiles,
    folder: Address,
    some: list[Looked],
    note: Callable[[list[Looked], Mapping[int, Cached]], None],
) -> list[Cached]:
    """Bring foreign files to their places, and return them in the same order.

    Args:
        files: Writes them.
        folder: Where they are.
        some: What to bring.
        note: Hears in the end, also of an error, which of them are there, by their numbers.
    """
    found: dict[int, Cached] = {}
    try:
        _fetch_all(files, folder, some, found)
    finally:
        note(some, found)
    return [found[number] for number in range(len(some))]


def _fetch_all(
    files: MemberFiles, folder: Address, some: list[Looked], found: dict[int, Cached]
) -> None:
    missing: dict[int, Wanted] = {}
    for number, (wanted, cached) in enumerate(some):
        if cached is not None and files.place(wanted.path, cached):
            found[number] = cached
        else:
            missing[number] = wanted
    sizes = (wanted.item.pin.size_bytes for wanted in missing.values())
    with files.lot(sum(size for size in sizes if size <= SMALL_BYTES)) as lot:
        for number, done in _fetched_small(files, folder, missing, lot):
            found[number] = done
            del missing[number]
        arrived = pipelined(
            missing.items(),
            lambda one: (one[0], _fetched(files, folder, one[1])),
            parallel=folder.store.parallel,
        )
        found.update(arrived)


def _fetched_small(
    files: MemberFiles, folder: Address, missing: Mapping[int, Wanted], lot: Lot | None
) -> Iterator[tuple[int, Cached]]:
    """Do as `fetched_all` what can be done by one thread."""
    store = folder.store
    if not isinstance(store, ManyObjects) or not files.links:
        return
    wanted = (
        (number, one.item.key, one.item.pin)
        for number, one in tuple(missing.items())
        if 0 < one.item.pin.size_bytes <= SMALL_OBJECT_BYTES
    )
    with closing(store.read_many(wanted)) as contents:
        for number, content in contents:
            if content is None:
                continue
            path, item = missing[number]
            line = Line(path, len(content), digest_bytes(content, store.algorithm))
            if files.write(line, content, lot=lot):
                yield number, files.arrived(line, item.pin)


def _fetched(files: MemberFiles, folder: Address, wanted: Wanted) -> Cached:
    """Bring a foreign file to its place by one request, or as any large one."""
    at, pin = Address(folder.store, wanted.item.key), wanted.item.pin
    if 0 < pin.size_bytes <= SMALL_BYTES and files.links:
        try:
            content = at.store.read(at.key, pin, 0, pin.size_bytes)
        except (ObjectChanged, StoreUnavailable):
            content = b""  # the long way knows what to do
        if len(content) == pin.size_bytes:
            line = Line(wanted.path, len(content), digest_bytes(content, at.store.algorithm))
            if files.write(line, content):
                return files.arrived(line, pin)
    return files.fetch(wanted.path, at, pin, None)


def wanted_files(folder: Address, listing: FolderListing) -> Iterator[Wanted]:
    """Yield the listed files; refuse names that a bucket may hold and a disk not."""
    files = (Wanted(member_path(folder, item), item) for item in listing)
    try:
        for wanted in in_order(files):
            check_length(folder, wanted.path)
            yield wanted
    except ValueError as error:
        raise ContentError(str(error), "", folder.uri, "Rename one of them in its store") from error


def check_length(folder: Address, path: str) -> None:
    """Refuse a name that no disk can hold."""
    if len(path) * 4 <= _NAME_BYTES:
        return
    if any(len(os.fsencode(segment)) > _NAME_BYTES for segment in path.split("/")):
        raise ContentError(
            f"the name of a file in the folder is too long for a disk: {path[:40]!a}…",
            "",
            folder.uri,
            f"Use at most {_NAME_BYTES} bytes between two slashes",
        )
