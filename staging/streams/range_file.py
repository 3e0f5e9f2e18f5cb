"""A pinned object as a file: seekable, and read ahead while it is read from front to back."""

from __future__ import annotations

import io
import os
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from rootcellar.schemas.errors import BindingError

if TYPE_CHECKING:
    from rootcellar.staging.streams.pinned_object import PinnedObject
    from rootcellar.staging.streams.readers import Readers, Reading

__all__ = ["BLOCK_BYTES", "SPANS_AHEAD", "SPAN_BYTES", "RangeFile", "Room"]

BLOCK_BYTES: Final = 64 * 1024
"""Read at least, where reading jumps; by a reader with a plan only where it wants next to nothing.
"""

SPAN_BYTES: Final = 8 * 1024 * 1024
SPANS_AHEAD: Final = 4
"""So many spans of at most that size are held or on their way, where reading goes on and on."""

_BLOCKS = 64
_NEXT_TO_NOTHING_BYTES = 4096
_FIRST_SPAN_BYTES = 1024 * 1024
_SEQUENTIAL_BYTES = 2 * BLOCK_BYTES
_WORTH_DIVIDING_BYTES = 2 * _FIRST_SPAN_BYTES


_ROOM_BYTES = 4 * SPANS_AHEAD * SPAN_BYTES


class Room:
    """Memory for what all open files of a run hold, here or on its way. Thread safe."""

    def __init__(self, size_bytes: int = _ROOM_BYTES) -> None:
        self._left = size_bytes
        self._mutex = threading.Lock()

    def take(self, size_bytes: int) -> bool:
        """Take so many bytes, and tell whether there are as many left."""
        with self._mutex:
            if size_bytes > self._left:
                return False
            self._left -= size_bytes
            return True

    def give_back(self, size_bytes: int) -> None:
        """Have so many bytes more for others."""
        with self._mutex:
            self._left += size_bytes


class RangeFile(io.RawIOBase):
    """A pinned object as a file, for one thread at a time.

    A read returns all that was asked for, but at the end of the file. Few requests serve many
    reads: small ones share blocks, a large one is divided and fetched in parallel, and once the
    reading is sequential what follows is on its way before it is wanted.

    Args:
        source: What is read.
        readers: Do what is read in parallel.
        reads_ahead: Go on past what is asked for; off for a reader that plans its own reading.
        room: Of the run; without any left a file reads what is asked for, and keeps one block.
    """

    def __init__(
        self,
        source: PinnedObject,
        readers: Readers,
        *,
        reads_ahead: bool = True,
        room: Room | None = None,
    ) -> None:
        super().__init__()
        self._source = source
        self._room = room or Room()
        self._ahead = _Spans(source, readers, self._room)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._reads_ahead = reads_ahead
        self._least_bytes = BLOCK_BYTES if reads_ahead else _NEXT_TO_NOTHING_BYTES
        self._pid = os.getpid()
        self._position = 0
        self._expected = 0
        self._run_bytes = 0

    def __reduce__(self) -> NoReturn:
        raise _bound_to_process(self._source)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def size(self) -> int:
        """Return the size of the whole object in bytes."""
        return self._source.size_bytes

    def tell(self) -> int:
        """Return the position in bytes."""
        self._check()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position, also past the end; nothing is read."""
        self._check()
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size()}
        if whence not in starts or starts[whence] + offset < 0:
            msg = f"no position in a file: {offset} with whence {whence}"
            raise ValueError(msg)
        self._position = starts[whence] + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return as many bytes, or all that follow."""
        left = max(0, self.size() - self._position)
        buffer = bytearray(left if size is None or size < 0 else min(size, left))
        self.readinto(buffer)
        return bytes(buffer)

    def readall(self) -> bytes:
        """Return all bytes that follow."""
        return self.read()

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer, and return how much of it; less only at the end of the file.

        Raises:
            ArtifactNotFound, StoreError: See `PinnedObject.read`.
        """
        self._check()
        view = memoryview(buffer).cast("B")
        start = self._position
        count = max(0, min(len(view), self.size() - start))
        goes_on = self._goes_on(start, count)
        limit = self.size() if goes_on else start + count
        began = time.monotonic()
        try:
            done = 0
            while done < count:
                done += self._fill(start + done, view[done:count], limit)
        finally:
            self._source.meter.waited(time.monotonic() - began)
        self._position = start + count
        return count

    def close(self) -> None:
        """Give up what is on its way, without waiting for it. Safe to repeat."""
        if not self.closed:
            self._ahead.drop()
            self._keep_blocks(0)
        super().close()

    def _goes_on(self, start: int, count: int) -> bool:
        """Tell whether enough was read in a row to expect more of the same."""
        if start != self._expected:
            self._run_bytes = 0
        before = self._run_bytes
        self._run_bytes += count
        self._expected = start + count
        return self._reads_ahead and before >= _SEQUENTIAL_BYTES

    def _fill(self, position: int, view: memoryview, limit: int) -> int:
        if copied := self._ahead.copy(position, view, limit):
            return copied
        if limit > position + len(view) or len(view) >= _WORTH_DIVIDING_BYTES:
            self._ahead.start(position, limit)
            copied = self._ahead.copy(position, view, limit)
            if copied:
                return copied
            self._check()  # it may have been closed by the end of the run, in another thread
            view = view[:SPAN_BYTES]
        if len(view) < self._least_bytes:
            return self._copy_block(position, view)
        view[:] = self._source.read(position, position + len(view))
        return len(view)

    def _copy_block(self, position: int, view: memoryview) -> int:
        number, offset = divmod(position, BLOCK_BYTES)
        block = self._blocks.get(number)
        if block is None:
            start = number * BLOCK_BYTES
            block = self._source.read(start, min(start + BLOCK_BYTES, self.size()))
            self._keep_blocks(_BLOCKS - 1)
            # One needs no room, or a reader of small pieces would fetch it again for each.
            if self._blocks and not self._room.take(BLOCK_BYTES):
                self._keep_blocks(0)
            self._blocks[number] = block
        else:
            self._blocks.move_to_end(number)
        part = block[offset : offset + len(view)]
        view[: len(part)] = part
        return len(part)

    def _keep_blocks(self, most: int) -> None:
        while len(self._blocks) > most:
            self._blocks.popitem(last=False)
            if self._blocks:
                self._room.give_back(BLOCK_BYTES)

    def _check(self) -> None:
        if self.closed:
            raise _closed()
        if self._pid != os.getpid():
            raise _bound_to_process(self._source)


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of an object, here or on its way."""

    start: int
    end: int
    content: Reading


class _Spans:
    """Parts of an object that follow one another, here or on their way; few at a time.

    For one reader; but another thread may `drop` them at any time.
    """

    def __init__(self, source: PinnedObject, readers: Readers, room: Room) -> None:
        self._source = source
        self._readers = readers
        self._room = room
        self._mutex = threading.Lock()
        self._spans: deque[_Span] = deque()
        self._end = 0
        self._next_bytes = _FIRST_SPAN_BYTES

    def start(self, position: int, limit: int) -> None:
        """Begin anew at a position; nothing is asked for past `limit`."""
        self.drop()
        with self._mutex:
            self._end = position
            self._next_bytes = _FIRST_SPAN_BYTES
            self._ask(limit)

    def copy(self, position: int, view: memoryview, limit: int) -> int:
        """Copy what there is from a position on, and return how much; 0 if nothing is."""
        span = self._at(position, limit)
        if span is None:
            return 0
        try:
            content = span.content.result()
        except BaseException:
            self.drop()
            raise
        if content is None:
            raise _closed()
        offset = position - span.start
        count = min(len(view), span.end - position)
        view[:count] = memoryview(content)[offset : offset + count]
        if position + count == span.end:
            del span, content
            self._at(position + count, limit)
        return count

    def drop(self) -> None:
        """Forget everything; what is on its way ends unheard."""
        with self._mutex:
            while self._spans:
                self._forget_first()

    def _at(self, position: int, limit: int) -> _Span | None:
        """Return the span that holds a position, and ask for what follows it."""
        with self._mutex:
            while self._spans and self._spans[0].end <= position:
                self._forget_first()
            if not self._spans or position < self._spans[0].start:
                return None
            self._ask(limit)
            return self._spans[0]

    def _forget_first(self) -> None:
        span = self._spans.popleft()
        span.content.cancel()
        self._room.give_back(span.end - span.start)

    def _ask(self, limit: int) -> None:
        while len(self._spans) < SPANS_AHEAD and self._end < limit:
            start, end = self._end, min(self._end + self._next_bytes, limit)
            if not self._room.take(end - start):
                return
            reading = None
            try:
                reading = self._readers.begin(partial(self._source.read, start, end))
            finally:
                if reading is None:
                    self._room.give_back(end - start)
            if reading is None:  # the run has ended meanwhile
                raise _closed()
            self._spans.append(_Span(start, end, reading))
            self._end = end
            # Small at first, so that the first bytes are here soon and few are in vain.
            self._next_bytes = min(2 * self._next_bytes, SPAN_BYTES)


def _closed() -> ValueError:
    return ValueError("I/O operation on closed file")


def _bound_to_process(source: PinnedObject) -> BindingError:
    return BindingError(
        "a streamed input belongs to the process and the run that opened it",
        source.artifact,
        source.address.uri,
        "Drop STREAMED, and give other processes the path",
    )
