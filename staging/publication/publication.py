"""Publish what a run wrote: all of its outputs or none, each at once and whole.

Everything is transferred first: files invisibly, the members of folders below a segment of their
own that nobody reads yet. Then files and manifests are made visible, some at once. Within that last
step a store that fails may leave some outputs visible and others not: no store offers more than one
object at a time.
"""

from __future__ import annotations

import _thread
from typing import TYPE_CHECKING, TypeVar

from rootcellar.staging.engine.pipeline import pipelined
from rootcellar.staging.publication.outgoing import OutgoingFile, OutgoingFolder, Published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rootcellar.staging.publication.handover import Handover
    from rootcellar.staging.publication.outgoing import LocalFile, PublishedManifest
    from rootcellar.staging.publication.output import Output
    from rootcellar.staging.stores.location import Stores
    from rootcellar.staging.stores.store import Address, Progress

__all__ = ["Publication", "Published"]

_PARALLEL = 8
_One = TypeVar("_One")
_Result = TypeVar("_Result")


class Publication:
    """The outputs of one run: `prepare` each, then `commit` them together, or `abort`."""

    def __init__(self, stores: Stores, progress: Progress | None = None) -> None:
        self._stores = stores
        self._progress = progress
        self._prepared: list[OutgoingFile | OutgoingFolder] = []
        self._begun: dict[Path, OutgoingFolder] = {}
        # The body's threads may hand over; raw, for a signal may interrupt one of them.
        self._beginning = _thread.allocate_lock()

    def handover(self, output: Output) -> Handover:
        """Return what takes members of a folder output before it is prepared.

        `prepare` it all the same; its `abort` is that of the publication.
        """
        with self._beginning:
            if output.path not in self._begun:
                folder = OutgoingFolder(output, self._address(output), None)
                self._begun[output.path] = folder
            return self._begun[output.path].handover()

    def finish_handovers(self) -> None:
        """Wait until all that was handed over is in its store.

        Raises:
            ContentError, StoreError: An upload failed.
        """
        for folder in self._begun.values():
            folder.handover().finish()

    def prepare(self, *outputs: Output) -> None:
        """Check outputs and transfer them; they are visible to nobody.

        Several files are transferred at once. Folders are walked without following links; empty
        folders in them are left out.

        Raises:
            MissingOutput: Nothing is at its path.
            ContentError: It is not a regular file or a folder of such, a name cannot be kept, or
                something wrote to it meanwhile.
            StoreError: The store could not take it.
        """
        # Before anything is transferred, so that `abort` knows of all of it.
        new = [self._begin(output) for output in outputs]
        self._prepared += new
        files = [one for one in new if isinstance(one, OutgoingFile)]
        for _ in _each(files, OutgoingFile.transfer):
            pass
        for one in new:
            if isinstance(one, OutgoingFolder):
                one.transfer()

    def commit(self) -> tuple[Published, ...]:
        """Make all prepared outputs visible, and return them in the order of preparation.

        Raises:
            ContentError: Something wrote to an output since it was prepared.
            StoreError: A store failed; outputs published before stay visible.
        """
        try:
            for one in self._prepared:
                one.check()
            published = tuple(_each(self._prepared, _publish))
        except BaseException:
            self.abort()
            raise
        for one in self._prepared:
            one.tidy()
        return published

    def abort(self) -> None:
        """Give up what is not visible yet. Safe to repeat, and after `commit`.

        What was handed over for a task that may be tried again stays in the store, where only
        another attempt looks for it, until `forget`.
        """
        for one in self._everything():
            one.abort()

    def forget(self) -> None:
        """Give up, after `abort`, also what another attempt could have used."""
        for one in self._everything():
            one.forget()

    def local_files(self) -> Iterator[LocalFile]:
        """Yield the files that still are what was published, members of folders too."""
        for one in self._prepared:
            yield from one.local_files()

    def manifests(self) -> Iterator[PublishedManifest]:
        """Yield the manifests that were published."""
        for one in self._prepared:
            if isinstance(one, OutgoingFolder) and (manifest := one.manifest()) is not None:
                yield manifest

    def _begin(self, output: Output) -> OutgoingFile | OutgoingFolder:
        if output.path in self._begun:
            return self._begun[output.path]
        kind = OutgoingFile if output.kind == "file" else OutgoingFolder
        return kind(output, self._address(output), self._progress)

    def _address(self, output: Output) -> Address:
        return self._stores.store_for(output.uri.rstrip("/"))

    def _everything(self) -> list[OutgoingFile | OutgoingFolder]:
        begun = (one for one in self._begun.values() if one not in self._prepared)
        return [*self._prepared, *begun]


def _publish(one: OutgoingFile | OutgoingFolder) -> Published:
    return one.publish()


def _each(ones: Sequence[_One], work: Callable[[_One], _Result]) -> Iterator[_Result]:
    """Work on several at once; one alone needs no thread."""
    if len(ones) > 1:
        return pipelined(ones, work, parallel=_PARALLEL, ordered=True)
    return map(work, ones)
