"""Within the measured process: one client moves objects, and then all bytes are compared."""

from __future__ import annotations

import dataclasses
import http.client
import importlib
from pathlib import Path
from typing import Any, Protocol

from benchmarks.child import measured
from benchmarks.place import Item, Place, differing, stored_files

__all__ = ["Client", "MissingError", "run"]


class MissingError(RuntimeError):
    """A peer is not installed here."""


class Client(Protocol):
    """One way to move objects. Making one imports and connects everything.

    Optional methods: `prepare(operation, items)` before the clock starts, `found(item)` for the
    path of a download that is not at its target, `stored_key(item)` for the key of an upload that
    is not at its own, and `close()`.
    """

    def download(self, items: list[Item]) -> None: ...
    def upload(self, items: list[Item]) -> None: ...


def run(client: str, operation: str, place: dict[str, Any], items: list[Any]) -> dict[str, Any]:
    """Return the cost of one operation of `module:Class`.

    Raises:
        RuntimeError: Bytes differ afterwards.
    """
    where, wanted = Place(**place), [Item(*item) for item in items]
    module, _, name = client.partition(":")
    try:
        mover = getattr(importlib.import_module(f"benchmarks.clients.{module}"), name)(where)
    except (MissingError, ImportError) as error:
        return {"missing": str(error)}
    try:
        if hasattr(mover, "prepare"):
            mover.prepare(operation, wanted)
        with measured() as cost:
            getattr(mover, operation)(wanted)
        compare = _compare_downloads if operation == "download" else _compare_uploads
        compare(mover, where, wanted)
    finally:
        if hasattr(mover, "close"):
            mover.close()
    return dataclasses.asdict(cost)


def _compare_downloads(mover: Any, _: Place, items: list[Item]) -> None:
    for item in items:
        path = Path(mover.found(item) if hasattr(mover, "found") else item.target)
        if wrong := differing(Path(item.source), [path]):
            raise RuntimeError(wrong)


def _compare_uploads(mover: Any, place: Place, items: list[Item]) -> None:
    for item in items:
        key = mover.stored_key(item) if hasattr(mover, "stored_key") else item.key
        if not place.stored:
            _compare_answer(place, key, item)
            continue
        files = stored_files(Path(place.stored), place.bucket, key)
        if wrong := differing(Path(item.source), files):
            raise RuntimeError(wrong)


def _compare_answer(place: Place, key: str, item: Item) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", place.port)
    connection.request("GET", f"/{place.bucket}/{key}")
    if connection.getresponse().read() != Path(item.source).read_bytes():
        raise RuntimeError(f"{key} differs")
