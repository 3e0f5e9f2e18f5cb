"""What a session answers: where an input is, and the files that lie ready for a body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.ref import Kind, Pin
    from rootcellar.staging.cache.cache import Cached
    from rootcellar.staging.folders.folder_input import StagedFolder
    from rootcellar.staging.workdir.linked_input import LinkedInput

__all__ = ["Located", "StagedFile", "staged_by_link", "staged_file", "staged_folder"]


@dataclass(frozen=True, slots=True)
class Located:
    """One state of what lies at a URI. A ref's URI, kind and pin make one too.

    Attributes:
        pin: Of the file; for a folder, of its manifest or of its listing.
    """

    uri: str
    kind: Kind
    pin: Pin


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A file or folder that lies ready for the body.

    Attributes:
        path: In the workdir, read-only.
        digest: Of the file, or of the folder's manifest.
        pin: Which state it is. Not the one that was located if that was replaced meanwhile.
        hit: All bytes were on the host.
        members: Number of files of a folder; None for a file.
        hits: Files that were on the host.
        misses: Files that were downloaded.
    """

    uri: str
    kind: Kind
    path: Path
    digest: Digest
    size_bytes: int
    pin: Pin
    hit: bool
    transferred_bytes: int
    seconds: float
    members: int | None
    hits: int = 0
    misses: int = 0


def staged_file(located: Located, cached: Cached, path: Path, seconds: float) -> StagedFile:
    """Return what a body gets of an input file that was placed from the cache."""
    return StagedFile(
        uri=located.uri,
        kind="file",
        path=path,
        digest=cached.digest,
        size_bytes=cached.size_bytes,
        pin=cached.pin,
        hit=cached.hit,
        transferred_bytes=cached.transferred_bytes,
        seconds=seconds,
        members=None,
        hits=int(cached.hit),
        misses=int(not cached.hit),
    )


def staged_by_link(located: Located, linked: LinkedInput, seconds: float) -> StagedFile:
    """Return what a body gets of an input that was linked where it lies."""
    return StagedFile(
        uri=located.uri,
        kind="file",
        path=linked.path,
        digest=linked.digest,
        size_bytes=linked.size_bytes,
        pin=located.pin,
        hit=True,
        transferred_bytes=0,
        seconds=seconds,
        members=None,
        hits=1,
    )


def staged_folder(located: Located, staged: StagedFolder, seconds: float) -> StagedFile:
    """Return what a body gets of an input folder."""
    return StagedFile(
        uri=located.uri,
        kind=located.kind,
        path=staged.path,
        digest=staged.digest,
        size_bytes=staged.size_bytes,
        pin=staged.pin,
        hit=not staged.misses,
        transferred_bytes=staged.transferred_bytes,
        seconds=seconds,
        members=staged.members,
        hits=staged.members - staged.misses,
        misses=staged.misses,
    )
