"""What a measured process is told: where the server is, and which objects to move."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Item", "Place", "differing", "make_items", "put_stored", "stored_files"]

KEY = "benchmark"
"""The access key id, and the secret."""

PIECE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Item:
    """One object and one file of the same bytes.

    Attributes:
        key: In the bucket.
        source: The file that holds the bytes; read-only to clients.
        target: Where a download goes.
        size: In bytes.
    """

    key: str
    source: str
    target: str
    size: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where to work.

    Attributes:
        endpoint: Of the server, `http://127.0.0.1:port`.
        stored: The server's own folder; empty for a server that shows none.
        folder: For this run alone, on the file system of sources and targets.
        prefix: Key of the folder that holds all objects of a many-objects run.
    """

    endpoint: str
    bucket: str
    stored: str
    folder: str
    prefix: str

    @property
    def port(self) -> int:
        """Of the endpoint."""
        return int(self.endpoint.rpartition(":")[2])


def make_items(folder: Path, prefix: str, *, count: int, size: int) -> list[Item]:
    """Write random files to `folder/source` and return them with their keys and targets."""
    (folder / "source").mkdir(parents=True, exist_ok=True)
    items = []
    for number in range(count):
        name = f"{number:06d}.bin"
        source = folder / "source" / name
        with source.open("wb") as file:
            for start in range(0, size, PIECE):
                file.write(os.urandom(min(PIECE, size - start)))
        target = folder / "run" / "target" / name
        items.append(Item(f"{prefix}/{name}", str(source), str(target), size))
    return items


def put_stored(objects: Path, items: list[Item]) -> None:
    """Let the server have the objects, as second names of the source files."""
    for item in items:
        path = objects / item.key
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(item.source, path)


def stored_files(root: Path, bucket: str, key: str) -> list[Path]:
    """Return the server's files whose bytes, in a row, are those of an object."""
    path = root / "buckets" / bucket / key
    if not path.stat().st_mode & 0o100:
        return [path]
    name, *sizes = path.read_text("utf-8").split()
    parts = root / "parts" / name
    whole = parts / "whole"
    return [whole] if whole.exists() else [parts / str(n + 1) for n in range(len(sizes))]


def differing(source: Path, files: list[Path]) -> str:
    """Return where files, in a row, differ from the source; empty if nowhere."""
    position = 0
    with source.open("rb") as expected:
        for path in files:
            try:
                file = path.open("rb")
            except OSError as error:
                return f"{path.name} cannot be read: {error.strerror}"
            with file:
                while piece := file.read(PIECE):
                    if piece != expected.read(len(piece)):
                        return f"{path.name} differs within {len(piece)} bytes from {position}"
                    position += len(piece)
        if expected.read(1):
            return f"{source.name} is cut off at {position}"
    return ""
