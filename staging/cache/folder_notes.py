"""Which digests the members of a foreign folder had, in which states: one file for each folder.

Blocks are appended, each by one write: an empty line, a line with a tab and the folder's URI, and
for each of up to a thousand members, in their order, a line

    path <tab> token of its state <tab> digest

What a killed process or a loss of power left of a block is no line, or one without a digest at its
end, and so costs downloads and no more. A folder that has changed has blocks that do not follow
each other; these are merged when it is read again. Nothing of it is held in memory.
"""

from __future__ import annotations

import heapq
import os
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.schemas.digest import Digest
from rootcellar.staging.host.temp_file import create_temp, temp_name

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator

__all__ = ["FolderNotes", "Lookup"]

_FLAGS = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_LONGEST = 16 * 1024
_MOST_RUNS = 64
_URI = b"\t"
"""What the line of the URI begins with, and no path does."""


class FolderNotes:
    """The notes of one folder; the file need not be there. Thread safe.

    Args:
        path: Of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def append(self, uri: str, notes: Iterable[tuple[str, str, Digest]]) -> None:
        """Note members of the folder of that URI: sorted paths, tokens and digests."""
        lines = "".join([f"{path}\t{token}\t{digest}\n" for path, token, digest in notes])
        if not lines:
            return
        # Each block names the folder: nobody knows which process writes the first.
        block = f"\n\t{uri}\n{lines}".encode()
        file = os.open(self._path, _FLAGS, 0o600)
        try:
            os.write(file, block)
        finally:
            os.close(file)

    @contextmanager
    def lookup(self) -> Iterator[Lookup]:
        """Yield what tells the digests of members that are asked for in their order."""
        if len(self._runs()) > 1:
            self._rewrite(None)
        with closing(self._lines()) as lines:
            yield Lookup(lines)

    def find(self, path: str, token: str) -> Digest | None:
        """Return the digest of one member in that state, or None."""
        wanted = _begin(path, token)
        with closing(self._lines()) as lines:
            found = (line for line in lines if line.startswith(wanted))
            return next((digest for line in found if (digest := _digest_of(line))), None)

    def walk(self) -> Iterator[tuple[Digest, str]]:
        """Yield digests and the URIs that had them."""
        uri = ""
        for line in self._lines():
            if line.startswith(_URI):
                uri = line[1:].decode(errors="replace")
            elif digest := _digest_of(line):
                yield digest, f"{uri}/{line.partition(_URI)[0].decode(errors='replace')}"

    def prune(self, known: Collection[Digest]) -> int:
        """Remove what leads to no entry, and return how many lines those were."""
        kept = lost = 0
        for digest, _ in self.walk():
            kept += digest in known
            lost += digest not in known
        if not kept:
            with suppress(FileNotFoundError):
                self._path.unlink()
        elif lost:
            self._rewrite(known)
        return lost

    def _rewrite(self, known: Collection[Digest] | None) -> None:
        """Write it anew as one sorted block, or only what leads to a known entry.

        What another process appends meanwhile is lost; so is the rest where there is no room.
        """
        temp = self._path.with_name(temp_name(self._path.name))
        with suppress(FileNotFoundError):  # another one pruned
            try:
                with create_temp(temp) as file:
                    uri = next((line for line in self._lines() if line.startswith(_URI)), _URI)
                    file.write(b"\n%b\n" % uri)
                    last = b""
                    runs = [self._lines(*run) for run in self._runs()[:_MOST_RUNS]]
                    for line in heapq.merge(*runs):
                        digest = _digest_of(line)
                        if digest and line != last and (known is None or digest in known):
                            file.write(line + b"\n")
                        last = line
                temp.rename(self._path)
            finally:
                temp.unlink(missing_ok=True)

    def _runs(self) -> list[tuple[int, int]]:
        """Return from where to where the lines are sorted."""
        starts, end, last = [0], 0, b""
        for line in self._lines():
            if line and not line.startswith(_URI):
                if line < last:
                    starts.append(end)
                last = line
            end += len(line) + 1
        return list(zip(starts, [*starts[1:], end], strict=True))

    def _lines(self, start: int = 0, end: int | None = None) -> Generator[bytes, None, None]:
        """Yield the lines, without what ends them; a line that is too long in pieces."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        with os.fdopen(file, "rb") as lines:
            lines.seek(start)
            while (end is None or start < end) and (line := lines.readline(_LONGEST)):
                start += len(line)
                yield line.rstrip(b"\n")


class Lookup:
    """Tells digests of members in the order of their paths. For one thread."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._line: bytes | None = b""

    def digest(self, path: str, token: str) -> Digest | None:
        """Return the digest of a member in that state, or None."""
        line = self._line
        if line is None:
            return None
        wanted = _begin(path, token)
        while line < wanted:
            line = next(self._lines, None)
            if line is None:
                break
        self._line = line
        return _digest_of(line) if line is not None and line.startswith(wanted) else None


def _begin(path: str, token: str) -> bytes:
    return f"{path}\t{token}\t".encode()


def _digest_of(line: bytes) -> Digest | None:
    try:
        return Digest(line.rpartition(_URI)[2].decode())
    except ValueError:
        return None
