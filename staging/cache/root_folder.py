"""The folder that a cache lies in: ours alone, on a disk that can be shared, and marked."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import CacheUnavailable, CacheUnusable, RootcellarError
from rootcellar.schemas.mounts import file_system, network_file_system
from rootcellar.staging.cache.space import NO_SPACE, no_space
from rootcellar.staging.host.temp_file import create_temp, temp_name

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["AREAS", "LAYOUT", "REMEDY", "cache_error", "cache_errors", "claim_root", "workdir_lost"]

LAYOUT = "v2"
AREAS = ("cas", "sources", "locks", "tmp", "work", "spare", "away", "ended", "quarantine")
REMEDY = (
    "Set cache_dir (ROOTCELLAR_CACHE_DIR) to a folder of this user's own with free space, on a "
    "local disk; `rootcellar config` shows where it is now"
)
_REMEDY_DELETED = "Delete the cache folder only while no task runs; run the task again"
_REMEDY_FILES = (
    "Allow more (`ulimit -n`, in systemd LimitNOFILE), run fewer tasks at once in this process, or "
    "have its tasks close what they open"
)
_TOO_MANY_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of rootcellar and may be deleted when no task runs.\n"
    "# See https://bford.info/cachedir/\n"
)


def claim_root(root: Path) -> bool:
    """Make the folder, or check that it can be used; tell whether it is in memory.

    Raises:
        CacheUnusable: It is another user's, others may write there, or it is on a network.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = root.stat()
    if status.st_uid != os.geteuid():
        raise CacheUnusable("the cache folder belongs to another user", remedy=REMEDY)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheUnusable(
            "other users may write to the cache folder",
            remedy=f"Take that right away (chmod go-w). {REMEDY}",
        )
    if network := network_file_system(root):
        raise CacheUnusable(
            f"the cache folder is on a network file system ({network}), whose locks and links "
            "cannot be relied on",
            remedy=REMEDY,
        )
    _write_once(root / "CACHEDIR.TAG", _TAG)
    return file_system(root) in _IN_MEMORY


def _write_once(path: Path, text: str) -> None:
    if path.exists():
        return
    temp = path.with_name(temp_name(path.name))
    try:
        with create_temp(temp) as file:
            file.write(text.encode())
        temp.replace(path)
    finally:
        temp.unlink(missing_ok=True)


class _CacheErrors:
    # A class, because a generator costs more than looking up an entry does.
    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, RootcellarError):
            raise cache_error(error) from error


def cache_error(error: OSError) -> CacheUnusable:
    """Return what to raise for an operating system's error about the cache's folder.

    For what is done for each input; elsewhere `cache_errors` reads better, and costs three calls.
    """
    if error.errno in _TOO_MANY_FILES:
        where = "in this process" if error.errno == errno.EMFILE else "on this host"
        return CacheUnavailable(f"too many files are open {where}", remedy=_REMEDY_FILES)
    if error.errno == errno.ENOENT:
        return CacheUnavailable(
            "a part of the cache folder was deleted while it was used", remedy=_REMEDY_DELETED
        )
    if error.errno in NO_SPACE:
        return no_space(error)
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return CacheUnusable(f"the cache folder failed: {reason}", remedy=REMEDY)


def workdir_lost(artifact: str = "", uri: str = "") -> CacheUnavailable:
    """Return the error for a run whose folder was deleted, and what it missed first."""
    return CacheUnavailable(
        "the run's folder was deleted while it ran", artifact, uri, _REMEDY_DELETED
    )


_cache_errors = _CacheErrors()


def cache_errors() -> _CacheErrors:
    """Turn the operating system's errors about the cache's folder into CacheUnusable."""
    return _cache_errors
