"""All files of one run: located, staged in, reserved, published, cleaned up."""

from __future__ import annotations

import logging
import os
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import (
    CacheFull,
    CacheUnusable,
    InputModified,
    RootcellarError,
    StoreError,
)
from rootcellar.staging.cache.cache import cache_errors
from rootcellar.staging.cache.root_folder import workdir_lost
from rootcellar.staging.engine.some import some_of
from rootcellar.staging.folders.folder_input import FolderInput, pin_of_folder
from rootcellar.staging.folders.kept_listing import KeptListings
from rootcellar.staging.publication.publication import Publication, Published
from rootcellar.staging.staged import (
    Located,
    StagedFile,
    staged_by_link,
    staged_file,
    staged_folder,
)
from rootcellar.staging.stores.transfer import digest_file
from rootcellar.staging.streams.streaming import Streams
from rootcellar.staging.workdir.changed import refusal
from rootcellar.staging.workdir.linked_input import LinkedInputs
from rootcellar.staging.workdir.workdir import ASIDE, Workdir, until_placed

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rootcellar.schemas.digest import Digest
    from rootcellar.schemas.errors import CacheUnavailable
    from rootcellar.schemas.ref import Kind
    from rootcellar.staging.cache.cache import Cache
    from rootcellar.staging.publication.handover import Handover
    from rootcellar.staging.publication.outgoing import LocalFile
    from rootcellar.staging.publication.output import Output
    from rootcellar.staging.stores.location import Stores
    from rootcellar.staging.stores.store import TotalProgress
    from rootcellar.staging.streams.streaming import StreamedInput, StreamRequest
    from rootcellar.staging.workdir.linked_input import LinkLocal

__all__ = ["StagingSession"]

_MANY = 8
_log = logging.getLogger(__name__)


class StagingSession:
    """One run's files. A context manager: its end drops what is not published, and the workdir.

    Args:
        stores: Where URIs lead.
        cache: Of this host.
        run_uid: Names the workdir, and `sweep` tells of the run by it; each run has its own. None
            where something else tells of the run if its process dies.
        progress: Hears of all transfers.
        link_local: Whether inputs of folder stores are linked instead of copied.
    """

    def __init__(
        self,
        stores: Stores,
        cache: Cache,
        *,
        run_uid: str | None,
        progress: TotalProgress | None = None,
        link_local: LinkLocal = "auto",
    ) -> None:
        self._stores = stores
        self._host_cache = cache
        self._run_uid = run_uid
        self._progress = progress
        self._link_local = link_local
        self._is_left_open = False
        self._uris: list[tuple[Path, str]] = []

    def __enter__(self) -> Self:
        self._pid = os.getpid()
        self._workdir = Workdir(self._host_cache, self._run_uid)
        return self

    # Made when they are needed: most runs find all they read in the cache.

    @cached_property
    def _cache(self) -> Cache:
        """The cache, with its temporary files in the workdir."""
        return self._host_cache.within(self._workdir.path / ASIDE)

    @cached_property
    def _publication(self) -> Publication:
        return Publication(self._stores, self._progress)

    @cached_property
    def _listings(self) -> KeptListings:
        return KeptListings(lambda: self._workdir.aside)

    @cached_property
    def _streams(self) -> Streams:
        return Streams(self._cache)

    @cached_property
    def _linked(self) -> LinkedInputs:
        return LinkedInputs(self._workdir, self._cache.root, self._link_local)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A child that a body forked, and that leaves by an error, has a copy of us and no more.
        if self._pid == os.getpid() and not (self._is_left_open and error is None):
            lost = None if error is None else self._lost(error)
            self.close()
            if lost is not None:
                raise lost from error

    def _lost(self, error: BaseException) -> CacheUnavailable | None:
        """Return what is behind a missing file, if that is that the workdir was deleted."""
        is_missing = isinstance(error, (FileNotFoundError, InputModified))
        if not is_missing or isinstance(error, StoreError) or not self._workdir.is_lost:
            return None
        if isinstance(error, RootcellarError):
            return workdir_lost(error.artifact, error.uri)
        name = getattr(error, "filename", None)
        return workdir_lost("", self._uri_of(Path(name)) if isinstance(name, str) else "")

    def _uri_of(self, path: Path) -> str:
        """Return what a file in the workdir is an input or a part of; empty if of none."""
        uris = dict(self._uris)
        return next((uris[one] for one in (path, *path.parents) if one in uris), "")

    def leave_open(self) -> None:
        """Have a block that ends without an error not close the session; the caller does."""
        self._is_left_open = True

    def close(self) -> None:
        """Drop what is not published, and the workdir. Safe to repeat."""
        try:
            if "_listings" in self.__dict__:
                self._listings.close()
            if "_streams" in self.__dict__:
                self._streams.close()
        finally:
            # Also if a soft limit strikes while the streams end.
            try:
                if "_publication" in self.__dict__:
                    self._publication.abort()
            finally:
                self._close_workdir()

    @property
    def workdir(self) -> Path:
        """The run's folder: the inputs, and `out` with the outputs."""
        return self._workdir.path

    def locate(self, uri: str, kind: Kind) -> Located | None:
        """Return the state of what lies at a logical URI now, or None if nothing does.

        Raises:
            InvalidKey: The URI could address something else.
            StoreError: The store is missing, refuses or does not answer.
        """
        address = self._stores.store_for(uri.rstrip("/"))
        if kind == "file":
            pin = address.store.stat(address.key)
        else:
            pin = pin_of_folder(address, self._listings)
        return None if pin is None else Located(uri, kind, pin)

    def stage_in(
        self,
        located: Located,
        *,
        argument: str,
        name: str,
        ordinal: int = 0,
        expected: Digest | None = None,
    ) -> StagedFile:
        """Place a file or folder in the workdir, read-only, downloading what the host lacks.

        With `expected`, such as a ref's digest, its content is staged or nothing: from the cache,
        from an old version that the store keeps, or from an object that holds the same bytes.

        Args:
            located: What `locate` gave, or a ref's.
            argument: Name of the parameter.
            name: What the file or folder is called in the workdir.
            ordinal: Position within a fan-in, from 0.
            expected: Digest of the file, or of the folder's manifest.

        Raises:
            ArtifactNotFound: It is gone, or was replaced by something not expected.
            DigestMismatch: The stored bytes are not the ones that were promised.
            ObjectChanged: It was replaced each time it was read.
            CacheFull: Other runs held too much of the cache for too long.
            CacheUnusable: It is larger than the cache's budget, for instance.
        """
        staged = until_placed(lambda: self._stage_in(located, argument, name, ordinal, expected))
        self._uris.append((staged.path, located.uri))
        return staged

    def stage_known(
        self,
        located: Located,
        *,
        argument: str,
        name: str,
        ordinal: int = 0,
        expected: Digest | None = None,
    ) -> StagedFile | None:
        """Place a file as `stage_in` does if the host has its bytes; None if not, or of a folder.

        Asks no store, and nothing that takes longer than a system call.
        """
        if located.kind == "folder":
            return None
        started = time.monotonic()
        address = self._stores.store_for(located.uri)
        cached = self._host_cache.known(address, located.pin, expected)
        if cached is None:
            return None
        try:
            path = self._workdir.place(cached, argument=argument, ordinal=ordinal, name=name)
        except CacheFull:  # evicted meanwhile, or it must be copied and there is no room
            return None
        self._uris.append((path, located.uri))
        return staged_file(located, cached, path, time.monotonic() - started)

    def _stage_in(
        self, located: Located, argument: str, name: str, ordinal: int, expected: Digest | None
    ) -> StagedFile:
        started = time.monotonic()
        address = self._stores.store_for(located.uri.rstrip("/"))
        if located.kind == "folder":
            folder = FolderInput(
                self._cache,
                place=lambda: self._workdir.folder(argument=argument, ordinal=ordinal, name=name),
                aside=self._workdir.aside,
                progress=self._progress,
                listings=self._listings,
            )
            staged = folder.stage(address, located.pin, expected=expected)
            self.expect(staged.transferred_bytes - staged.size_bytes)
            return staged_folder(located, staged, time.monotonic() - started)
        pin, cached = located.pin, self._host_cache.known(address, located.pin, expected)
        if cached is None:
            linked = self._linked.place(
                address, pin, argument=argument, name=name, expected=expected
            )
            if linked is not None:
                self.expect(-linked.size_bytes)
                return staged_by_link(located, linked, time.monotonic() - started)
            cached = self._cache.fetch(address, pin, expected=expected, progress=self._progress)
        path = self._workdir.place(cached, argument=argument, ordinal=ordinal, name=name)
        if cached.hit:
            self.expect(-cached.size_bytes)
        return staged_file(located, cached, path, time.monotonic() - started)

    def on_host(self, wanted: StreamRequest) -> bool:
        """Tell whether a file need not be streamed: this host has its bytes."""
        if wanted.kind == "folder":
            return False
        address = self._stores.store_for(wanted.uri)
        return self._host_cache.known(address, wanted.pin, wanted.expected) is not None

    def stream(self, wanted: StreamRequest) -> StreamedInput:
        """Return a stream of a file or folder, which is closed with the session.

        Nothing is downloaded but the manifest of a folder.

        Raises:
            ArtifactNotFound, ObjectChanged: The folder was replaced.
            ContentError: Its manifest, or the name of a foreign member, cannot be used.
            CacheFull: Its manifest was evicted each time before it was read.
        """
        address = self._stores.store_for(wanted.uri.rstrip("/"))
        opened = self._streams.file if wanted.kind == "file" else self._streams.folder
        return until_placed(lambda: opened(address, wanted))

    def reserve_output(self, argument: str, name: str, *, ordinal: int = 0, uri: str = "") -> Path:
        """Return a path in the workdir that the body may write a file or folder to.

        Args:
            argument: Name of the parameter.
            name: What the file or folder is called in the workdir.
            ordinal: Position among several outputs, from 0.
            uri: Where it will be published, if that is known already.

        Raises:
            StoreMissing: It can be told without asking anybody that there is no such place.
        """
        if uri:
            self._stores.check_place(uri)
        return self._workdir.reserve(argument, name, ordinal=ordinal)

    def expect(self, size_bytes: int) -> None:
        """Tell the progress of bytes that are yet to move; negative for such as need not."""
        if self._progress is not None:
            self._progress.expect(size_bytes)

    def check_inputs(self) -> None:
        """Drop from the cache what the body changed of its inputs.

        Raises:
            InputModified: It changed some. Its URI is that of the first.
            ObjectChanged: One that is linked was changed in its store by another writer.
        """
        modified = self._workdir.modified_inputs()
        linked = self._linked.modified() if "_linked" in self.__dict__ else []
        for placed in modified:
            # Not for a copy, nor for what took the place of a link: the entry is as it was.
            if self._cache.entries.is_at(placed.digest, placed.path):
                self._cache.forget(placed.digest)
        if modified or linked:
            raise refusal(modified, linked, self._uri_of)

    def handover(self, output: Output) -> Handover:
        """Return what takes members of a folder output while the body runs.

        The output is prepared at the end all the same.
        """
        return self._publication.handover(output)

    def finish_handovers(self) -> None:
        """Wait until all that was handed over is in its store.

        Raises:
            ContentError, StoreError: An upload failed.
        """
        self._publication.finish_handovers()

    def prepare_output(self, *outputs: Output) -> None:
        """Check and transfer outputs, several at once, visible to nobody before `publish`.

        Raises:
            MissingOutput, ContentError, StoreError: See `Publication.prepare`.
        """
        self._publication.prepare(*outputs)

    def publish(self) -> tuple[Published, ...]:
        """Make all prepared outputs visible, and return them in the order of preparation.

        Their bytes are then in the cache too, for the next task on this host.

        Raises:
            ContentError, StoreError: See `Publication.commit`.
        """
        published = self._publication.commit()
        try:
            with cache_errors():
                self._keep_published()
        except RootcellarError as error:
            # The outputs are published; that the next task downloads them is no reason to fail.
            _log.warning("Published outputs could not be kept on this host. %s", error)
        return published

    def forget(self) -> None:
        """Drop, after `close`, what another attempt could have used: there will be none."""
        self._publication.forget()

    def _keep_published(self) -> None:
        for some in some_of(self._publication.local_files()):
            self._keep_some(some)
        for manifest in self._publication.manifests():
            digest = digest_file(manifest.path)
            self._cache.add(manifest.path, digest)
            self._cache.remember(manifest.address, manifest.pin, digest)

    def _keep_some(self, some: list[LocalFile]) -> None:
        if len(some) < _MANY:
            for file in some:
                self._cache.add(Path(file.location), file.digest)
        else:
            cache = self._cache.within(self._workdir.aside)
            cache.add_many([(file.location, file.digest, file.size_bytes) for file in some])
        for file in some:
            # A folder's members need no such note: the manifest has their digests.
            if file.address is not None and file.pin is not None:
                self._cache.remember(file.address, file.pin, file.digest)

    def _close_workdir(self) -> None:
        try:
            self._workdir.close()
        except CacheUnusable as error:
            # What ended the run is worth more than this, and the next sweep removes the rest.
            _log.warning("A workdir could not be removed. %s", error)
