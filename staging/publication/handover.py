"""Members that a body hands over while it runs: uploaded beside it, and removed from the disk."""

from __future__ import annotations

import _thread
import os
import queue
from contextlib import suppress
from typing import TYPE_CHECKING

from rootcellar.schemas.errors import BindingError, ContentError
from rootcellar.schemas.manifest import check_member_path
from rootcellar.staging.engine.pipeline import Stopped, pipelined
from rootcellar.staging.host.file_identity import identity_of
from rootcellar.staging.publication.folder_upload import SMALL_BYTES, discard
from rootcellar.staging.publication.journal import SECONDS, Earlier, Journal
from rootcellar.staging.publication.output import check_member, unsteady, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rootcellar.staging.host.file_identity import FileIdentity
    from rootcellar.staging.publication.folder_upload import FolderUpload, Member
    from rootcellar.staging.stores.store import Address

__all__ = ["Handover"]

_WAITING_BYTES = 256 * 1024 * 1024
"""Of files that may wait on the disk to be uploaded, beside the first."""

_LISTEN_SECONDS = 0.5
"""A signal that comes just before Python begins to wait is seen only after the wait."""


class Handover:
    """Takes the members of one folder output as they are finished.

    For any threads of the process that runs the body. Nothing is visible before the manifest.

    Attributes:
        taken: Paths that were handed over, with the file each was.
    """

    def __init__(self, upload: FolderUpload, folder: Address) -> None:
        self.taken: dict[str, FileIdentity] = {}
        self._upload = upload
        self._output = upload.output
        self._folder = folder
        self._most_waiting = 2 * folder.store.parallel
        self._pid = os.getpid()
        self._journal: Journal | None = None
        self._earlier = Earlier()
        self._queue: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()
        # Only wakes who waits: a limit that strikes may lose what was taken out of it.
        self._freed: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._waiting: dict[str, int] = {}
        self._error: BaseException | None = None
        self._large: set[str] = set()
        self._stopped = self._is_over = False
        # Held by the thread that uploads, and by one that adds. Raw, as those of `pipelined`, and
        # for the same reason.
        self._serving = _thread.allocate_lock()
        self._adding = _thread.allocate_lock()
        self._begun = self._is_served = False

    @property
    def is_kept(self) -> bool:
        """Whether another attempt could use what was handed over."""
        return self._journal is not None

    def add(self, path: Path, check: Callable[[str], None]) -> None:
        """Upload a member, or all files of a folder of members, in the background.

        One thread adds at a time, others wait. Each file is removed from the disk when it is in the
        store. Blocks while too much is waiting.

        Args:
            path: In the output's folder; relative to it or absolute.
            check: Called with each member's path in the folder before it is taken; may refuse it.

        Raises:
            BindingError: The path does not lie inside the output.
            ContentError: It is no regular file, or a member that was handed over before and is
                another file now.
            StoreError: An upload failed, perhaps an earlier one.
        """
        if self._pid != os.getpid():
            raise self._not_now()
        with self._adding:
            if self._is_over:
                raise self._not_now()
            self._add(path, check)

    def _add(self, path: Path, check: Callable[[str], None]) -> None:
        for member, identity in self._files(self._name(path)):
            known = self.taken.get(member)
            if known is not None and known != identity:
                raise ContentError(
                    f"member {member!a} was written again after it was handed over",
                    self._output.artifact,
                    self._output.uri,
                    "Add each member once, when it is finished",
                )
            if known is None:
                check(member)
                self._take(member, identity)

    def finish(self) -> None:
        """Wait until all is in the store.

        Raises:
            ContentError, StoreError: As `add`.
        """
        with self._adding:
            while self._waiting:
                self._wait()
            self._raise()
            self._is_over = True
        self._end()

    def stop(self, *, ended: bool) -> None:
        """End uploads, and note for another attempt what is there. Safe to repeat.

        Args:
            ended: Nothing of this attempt is, or will be, published.
        """
        if self._stopped or self._pid != os.getpid():
            return
        self._stopped = self._is_over = True
        self._end()
        if self._journal is not None and ended:
            self._journal.write(ended=True)

    def note(self, member: Member) -> None:
        """Take down a member for another attempt."""
        if self._journal is not None:
            self._journal.note(member)

    def clean(self) -> None:
        """Remove what only another attempt would have read, and what dead attempts left."""
        if self._journal is not None:
            keys = [*self._journal.pages(), *self._earlier.pages, *self._earlier.dead]
            discard(self._folder.store, keys)

    def _take(self, member: str, identity: FileIdentity) -> None:
        size_bytes = identity[1]
        if not self._begun:
            self._begin()
        while self._is_too_much(size_bytes):
            self._wait()
        self._raise()
        self._waiting[member] = size_bytes
        self.taken[member] = identity
        self._queue.put((member, size_bytes))

    def _is_too_much(self, size_bytes: int) -> bool:
        waiting = tuple(self._waiting.values())
        is_full = len(waiting) >= self._most_waiting
        return is_full or (bool(waiting) and sum(waiting) + size_bytes > _WAITING_BYTES)

    def _wait(self) -> None:
        """Return when something may have come to its end."""
        with suppress(queue.Empty):
            self._freed.get(timeout=_LISTEN_SECONDS)
        self._raise()
        if self._waiting and not self._is_served:
            raise self._not_now()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _begin(self) -> None:
        if self._output.journal:
            journal = Journal(self._folder, self._output.journal, self._output.root)
            self._earlier = journal.earlier()
            self._upload.earlier = self._earlier.members
            self._journal = journal
        # Not waiting: who was struck when he had taken it begins once more, and it is his.
        self._serving.acquire(blocking=False)
        self._begun = self._is_served = True
        try:
            _thread.start_new_thread(self._serve, ())
        except RuntimeError as error:
            # No more threads for this process: nobody would release it, or serve the queue.
            self._error = error
            self._is_served = False
            self._serving.release()
            raise

    def _end(self) -> None:
        if self._begun:
            self._queue.put(None)
            with self._serving:
                pass

    def _serve(self) -> None:
        try:
            for _ in pipelined(self._items(), self._send, parallel=self._folder.store.parallel):
                pass
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 (raised in the body's thread)
            self._error = self._error or error
        finally:
            self._is_served = False
            self._freed.put(None)
            self._serving.release()

    def _items(self) -> Iterator[tuple[str, int]]:
        """Yield what is to be sent; never more than fits, so that a stop is always seen."""
        while True:
            try:
                item = self._queue.get(timeout=SECONDS if self._journal is not None else None)
            except queue.Empty:
                if self._journal is not None:
                    self._journal.write()
                continue
            if self._stopped and self._large:
                raise Stopped
            # A small request is over in a moment; cut off, its object may come later, to stay.
            if self._stopped or item is None:
                return
            yield item

    def _send(self, item: tuple[str, int]) -> None:
        name, size_bytes = item
        if size_bytes > SMALL_BYTES:
            self._large.add(name)
        try:
            if not self._stopped:
                self.note(self._sent(name))
                self._remove(name)
        except Stopped:
            raise
        except BaseException as error:
            self._error = self._error or error
            raise
        finally:
            self._large.discard(name)
            self._waiting.pop(name, None)
            self._freed.put(None)

    def _sent(self, name: str) -> Member:
        member = self._upload.send(name)
        sent = (member.sent.inode, member.sent.size_bytes, member.sent.mtime_ns)
        if sent != self.taken[name]:
            raise unsteady(self._output, name)
        return member

    def _remove(self, name: str) -> None:
        """Remove what was sent; what took its place stays, to be refused at the end."""
        path = self._output.path / name
        try:
            if identity_of(path.lstat()) == self.taken[name]:
                path.unlink()
        except FileNotFoundError:
            pass

    def _name(self, path: Path) -> str:
        """Return the path of a member, or of a folder of them; empty for the whole output."""
        top = self._output.path
        inside = path if path.is_absolute() else top / path
        if inside == top:
            return ""
        try:
            return check_member_path(inside.relative_to(top).as_posix())
        except ValueError as error:
            raise self._refused(f"{path.name!a} does not lie in the output's folder") from error

    def _files(self, name: str) -> Iterator[tuple[str, FileIdentity]]:
        """Yield the files that are meant, and which each is."""
        path = self._output.path / name
        if path.is_dir() and not path.is_symlink():
            # Or some of what is found would be removed before it is looked at.
            while self._waiting:
                self._wait()
            for member, entry in walk(self._output, f"{name}/" if name else ""):
                yield member, identity_of(entry.stat(follow_symlinks=False))
        elif (status := self._status(name)) is not None:
            yield name, identity_of(status)

    def _status(self, name: str) -> os.stat_result | None:
        """Return the state of one file; None if it was handed over, and is removed since."""
        try:
            return check_member(self._output, name)
        except ContentError:
            if name in self.taken and not os.path.lexists(self._output.path / name):
                return None
            raise

    def _not_now(self) -> BindingError:
        return self._refused("members are handed over by the task's process, while it runs")

    def _refused(self, problem: str) -> BindingError:
        return BindingError(
            problem,
            self._output.artifact,
            self._output.uri,
            "Add paths below the output's .path, in the body",
        )
