"""The folder of one run: inputs to read, places to write to, room for temporary files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.schemas.manifest import check_member_path
from rootcellar.staging.cache import cache_errors
from rootcellar.staging.local_copy import link_or_copy
from rootcellar.staging.scratch import Scratch, sweep_scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.cache import Cache, Cached

__all__ = ["PlacedInput", "Workdir", "sweep"]


@dataclass(frozen=True, slots=True)
class PlacedInput:
    """One file that was placed for a body to read."""

    argument: str
    ordinal: int
    path: Path
    digest: Digest


class Workdir:
    """A run's folders `in`, `out`, `tmp` and `aside`, mode 0700, gone with process or `close`.

    The body gets paths in the first three; the cache downloads into the last.

    Raises:
        CacheUnusable: The folder cannot be made, or the run has one already.
    """

    def __init__(self, cache: Cache, run_uid: str) -> None:
        self._placed: dict[PlacedInput, tuple[int, int, int]] = {}
        with cache_errors():
            cache.make_folders()
            self._scratch = Scratch(cache.root, "work", _plain(run_uid))
            self.path = self._scratch.path
            try:
                for name in ("in", "out", "tmp", "aside"):
                    (self.path / name).mkdir(mode=0o700)
            except BaseException:
                self._scratch.close()
                raise

    @property
    def tmp(self) -> Path:
        """Where the body's temporary files belong."""
        return self.path / "tmp"

    @property
    def aside(self) -> Path:
        """Where files are before they are in the cache."""
        return self.path / "aside"

    def place(self, cached: Cached, *, argument: str, ordinal: int, name: str) -> Path:
        """Put a cached file at `in/<argument>/<ordinal>/<name>`, read-only, and return the path."""
        path = self._in(argument, ordinal) / _plain(name)
        with cache_errors():
            self._place(cached, path, argument, ordinal)
        return path

    def place_folder(
        self, members: Mapping[str, Cached], *, argument: str, ordinal: int, name: str
    ) -> Path:
        """Put cached files at their paths below `in/<argument>/<ordinal>/<name>`.

        Args:
            members: Path within the folder to the cached file.
            argument: Name of the parameter.
            ordinal: Position within a fan-in, from 0.
            name: What the folder is called.
        """
        top = self._in(argument, ordinal) / _plain(name)
        with cache_errors():
            top.mkdir(mode=0o700, parents=True)
            for member, cached in members.items():
                self._place(cached, top / check_member_path(member), argument, ordinal)
        return top

    def reserve(self, argument: str, name: str, *, ordinal: int = 0) -> Path:
        """Return a path to write an output to; its folder exists, and nothing at the path."""
        path = self.path / "out" / _plain(argument) / str(ordinal) / _plain(name)
        with cache_errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def modified_inputs(self) -> tuple[PlacedInput, ...]:
        """Return the placed files that were written to, replaced or removed since."""
        return tuple(
            placed
            for placed, identity in self._placed.items()
            if _identity(placed.path) != identity
        )

    def close(self) -> None:
        """Remove the folder, whatever the body left in it. Safe to repeat."""
        with cache_errors():
            self._scratch.close()

    def _in(self, argument: str, ordinal: int) -> Path:
        return self.path / "in" / _plain(argument) / str(ordinal)

    def _place(self, cached: Cached, path: Path, argument: str, ordinal: int) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link_or_copy(cached.path, path)
        placed = PlacedInput(argument, ordinal, path, cached.digest)
        self._placed[placed] = _identity(path)


def sweep(cache: Cache, lost: Callable[[str], object] | None = None) -> tuple[str, ...]:
    """Remove the workdirs of dead processes and return the uids of their runs, sorted.

    Safe beside living runs and other sweepers.

    Args:
        cache: Of this host.
        lost: Called with each uid before its workdir is removed. If it raises, that workdir stays
            for the next sweep, so that no death goes unrecorded.
    """
    with cache_errors():
        return sweep_scratch(cache.root, "work", lost)


def _plain(name: str) -> str:
    """Return a name that is one segment of a path.

    Raises:
        ValueError: It is not.
    """
    if "/" in name:
        msg = f"not the name of a file: {name!r}"
        raise ValueError(msg)
    return check_member_path(name)


def _identity(path: Path) -> tuple[int, int, int]:
    # Not the time of the inode's last change: making a further link changes that.
    try:
        status = path.lstat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)
