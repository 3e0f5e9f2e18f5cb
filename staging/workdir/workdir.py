"""The folder of one run: inputs to read, places to write to, room for temporary files.

Making and removing folders is what costs time here, so there are as few as can be: inputs lie in
the workdir itself and outputs in `out`, and only a name that is taken gets a further folder
(`places`). What a run leaves empty serves the next.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import CacheFull, RootcellarError
from rootcellar.schemas.manifest import check_member_path
from rootcellar.staging.cache.cache import cache_errors
from rootcellar.staging.cache.root_folder import cache_error, workdir_lost
from rootcellar.staging.host.epoch import mark
from rootcellar.staging.host.local_copy import NO_LINK
from rootcellar.staging.host.removal import remove_later
from rootcellar.staging.host.scratch import Scratch, remove_tree, sweep_ended, sweep_scratch
from rootcellar.staging.host.spares import READY
from rootcellar.staging.workdir.placed import FolderPlace, PlacedInput, is_untouched
from rootcellar.staging.workdir.places import Places
from rootcellar.staging.workdir.release import Release, opened_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from rootcellar.staging.cache.cache import Cache, Cached
    from rootcellar.staging.cache.space import Reservation

    _Staged = TypeVar("_Staged")

__all__ = ["ASIDE", "Workdir", "sweep", "until_placed"]

ASIDE, _OUT, _TMP = "aside", "out", "tmp"
_PLACINGS = 5
_MANY = 1000
_SMALL_BYTES = 1024 * 1024
_REMEDY_EVICTED = (
    "Try again later, or set cache_budget (ROOTCELLAR_CACHE_BUDGET) to more: it is too small for "
    "what runs here at once"
)


class Workdir:
    """A run's folder, mode 0700, gone with process or `close`. Thread safe.

    Inputs lie in it, outputs in `out`, the body's temporary files in `tmp`, and the cache's
    downloads in `aside`. Each of these is made when it is needed.

    Args:
        cache: Of this host.
        run_uid: Names it, so that `sweep` tells of the run if the process dies. Without it the
            folder may be one that lies ready, and something else tells of the run.

    Raises:
        CacheUnusable: The folder cannot be made, or the run has one already.
    """

    def __init__(self, cache: Cache, run_uid: str | None) -> None:
        self._cache = cache
        self._guard = threading.Lock()
        self._files: list[tuple[str, Cached, str, int]] = []
        self._folders: list[FolderPlace] = []
        self._copies: list[Reservation] = []
        name = None if run_uid is None else _name_of(run_uid)
        try:
            self._scratch = Scratch(cache.top, "work", name)
        except FileNotFoundError:
            with cache_errors():
                cache.make_folders()
                self._scratch = Scratch(cache.top, "work", name)
        except OSError as error:
            raise cache_error(error) from error
        self._root = cache.root
        self._is_closed = False
        self._top = self._scratch.location
        self._before = len(self._top) + 1
        self._inputs = Places(self._top, root=cache.root, taken=(ASIDE, _OUT, _TMP))
        self._outputs: Places | None = None
        self._reserved: list[str] = []

    @property
    def path(self) -> Path:
        """The folder."""
        return self._scratch.path

    @property
    def is_lost(self) -> bool:
        """Whether somebody deleted it."""
        return not self._is_closed and not os.path.lexists(self._top)

    @property
    def tmp(self) -> Path:
        """Where the body's temporary files belong."""
        return self._made(_TMP)

    @property
    def aside(self) -> Path:
        """Where files are before they are in the cache."""
        return self._made(ASIDE)

    def place(self, cached: Cached, *, argument: str, ordinal: int, name: str) -> Path:
        """Put a cached file into the workdir under its name, read-only, and return the path.

        Raises:
            CacheFull: It was evicted meanwhile; fetch it again.
            CacheUnavailable: The workdir is gone.
        """
        try:
            with self._guard:
                path = self._inputs.claim(_plain(name))
            self._link(cached, path)
        except RootcellarError:
            raise
        except OSError as error:
            raise cache_error(error) from error
        self._files.append((path, cached, argument, ordinal))
        # Not `Path(path)`, which would take apart what leads to the workdir, each time.
        return self._scratch.path / path[self._before :]

    def folder(self, *, argument: str, ordinal: int, name: str) -> FolderPlace:
        """Make an input folder, to be filled file by file.

        A file that is placed is leased, so place each as soon as it is fetched.
        """
        with cache_errors():
            with self._guard:
                top = self._inputs.claim(_plain(name))
            os.mkdir(top, 0o700)
        place = FolderPlace(self._link, top, argument, ordinal)
        self._folders.append(place)
        return place

    def reserve(self, argument: str, name: str, *, ordinal: int = 0) -> Path:
        """Return a path to write an output to; its folder exists, and nothing at the path."""
        del argument, ordinal  # names tell outputs apart, or numbered folders do
        with cache_errors(), self._guard:
            if self._outputs is None:
                self._make(_OUT)
                self._outputs = Places(f"{self._top}/{_OUT}")
            path = self._outputs.claim(_plain(name))
        self._reserved.append(name)
        return Path(path)

    def modified_inputs(self) -> tuple[PlacedInput, ...]:
        """Return the placed files that were written to, replaced or removed since."""
        modified = []
        for path, cached, argument, ordinal in self._files:
            if not is_untouched(path, cached.size_bytes):
                modified.append(PlacedInput(argument, ordinal, Path(path), cached.digest))
        for folder in self._folders:
            modified += folder.modified()
        return tuple(modified)

    def close(self) -> None:
        """Release the inputs and remove the folder, whatever the body left in it. Safe to repeat.

        It is gone from its place at once, and from the disk soon after.
        """
        if self._is_closed:
            return
        with cache_errors():
            try:
                self._release(self._scratch.fileno(), at_once=True)
                self._drop_outputs()
                self._inputs.put_aside()
                if not self._scratch.put_aside(beside=_OUT):
                    self._move_out()
                self._is_closed = True
            finally:
                while self._copies:
                    self._copies.pop().close()

    def _drop_outputs(self) -> None:
        """Remove outputs that are removed at once, as the cache has their bytes or they are few."""
        if not self._reserved or len(self._reserved) > _MANY:
            return
        with contextlib.suppress(OSError), opened_folder(_OUT, self._scratch.fileno()) as out:
            while self._reserved:
                _drop(self._reserved.pop(), out)

    def _move_out(self) -> None:
        ended = self._root / "ended" / f"{self.path.name}-{secrets.token_hex(4)}"
        if self._scratch.move_out(ended):
            remove_later(lambda: self._take_down(ended))

    def _take_down(self, ended: Path) -> None:
        with contextlib.suppress(OSError), opened_folder(str(ended)) as top:
            self._release(top, at_once=False)
        remove_tree(ended)

    def _release(self, top: int, *, at_once: bool) -> None:
        """End the leases of files below the workdir, which is open; of many not at once."""
        with Release(top) as release:
            while self._files:
                release.let_go(self._files.pop()[0][self._before :])
            while self._folders and not (at_once and self._folders[-1].count > _MANY):
                for path in self._folders.pop().paths():
                    release.let_go(path[self._before :])

    def _link(self, cached: Cached, path: str) -> None:
        try:
            try:
                os.link(cached.location, path, follow_symlinks=False)
            except OSError as error:
                if error.errno not in NO_LINK:
                    raise
                self._copy(cached, path)
        except FileNotFoundError as error:
            if not os.path.isdir(os.path.dirname(path)):
                raise workdir_lost() from error
            raise CacheFull(
                "an input was evicted before the run could hold it", remedy=_REMEDY_EVICTED
            ) from error

    def _copy(self, cached: Cached, path: str) -> None:
        reserved = self._cache.copy_out(cached, path, f"{self._top}/{ASIDE}")
        self._copies.append(reserved)
        mark(path, 0)

    def _made(self, name: str) -> Path:
        with cache_errors():
            self._make(name)
        return self.path / name

    def _make(self, name: str) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{self._top}/{name}", 0o700)


def until_placed(stage: Callable[[], _Staged]) -> _Staged:
    """Fetch and place an input, again if it was evicted between the two.

    Raises:
        CacheFull: It was evicted each time, or never had room.
    """
    for _ in range(_PLACINGS):
        try:
            return stage()
        except CacheFull as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
    return stage()


def sweep(cache: Cache, lost: Callable[[str], object] | None = None) -> tuple[str, ...]:
    """Remove the workdirs of dead processes and return the uids of their runs, sorted.

    Safe beside living runs and other sweepers.

    Args:
        cache: Of this host.
        lost: Called with each uid before its workdir is removed. If it raises, that workdir stays
            for the next sweep, so that no death goes unrecorded.
    """
    with cache_errors():
        sweep_ended(cache.root)
        return sweep_scratch(cache.root, "work", lost)


def _name_of(run_uid: str) -> str:
    if run_uid.startswith(READY):
        msg = f"a sweep would not tell of a run of this name: {run_uid!r}"
        raise ValueError(msg)
    return _plain(run_uid)


@functools.lru_cache(maxsize=1_000)
def _plain(name: str) -> str:
    """Return a name that is one segment of a path.

    Raises:
        ValueError: It is not.
    """
    if "/" not in name:
        return check_member_path(name)
    msg = f"not the name of a file: {name!r}"
    raise ValueError(msg)


def _drop(name: str, folder: int) -> None:
    """Remove a file of an open folder, if that takes no time."""
    with contextlib.suppress(OSError):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if status.st_nlink > 1 or status.st_size <= _SMALL_BYTES:
            os.unlink(name, dir_fd=folder)
