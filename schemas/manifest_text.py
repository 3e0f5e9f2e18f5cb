"""The text of a manifest as a stream: a folder of any number of files is read and written flat.

`Manifest` holds all its members as values; 100,000 of them are read here in a third of the time and
none is held. What is not written as we write it, such as a manifest that somebody's editor has laid
out anew, goes to `Manifest` and is held to the same rules.
"""

from __future__ import annotations

import hashlib
import re
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import ContentError
from rootcellar.schemas.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["Line", "ManifestText", "ManifestWriter", "in_order"]

_BLOCK_BYTES = 256 * 1024
_LONGEST_FOREIGN = 256 * 1024 * 1024
_SEGMENT = r'(?!\.{1,2}[/"])(?:[^"/\\\x00-\x1f\x7f]++|\\")++'
_PATH = f"{_SEGMENT}(?:/{_SEGMENT})*+"
_HEAD = re.compile(f'{{"format":1,"root":"((?:{_PATH})?)","members":\\[')
_LINE = re.compile(
    f'{{"path":"({_PATH})","size_bytes":(0|[1-9][0-9]{{0,17}}),'
    r'"digest":"((?:sha256|blake3):[0-9a-f]{64})"},'
)
# A quote that follows a digit is the end of a string: within one it would follow a backslash.
_SEAM = b'"},{"path":"'
_END = b"]}"
_LINES_AT_ONCE = 1000


class Line(NamedTuple):
    """One member of a folder; see `Member`. Lighter than that, and not checked when it is made."""

    path: str
    size_bytes: int
    digest: Digest


class ManifestText:
    """A manifest in a local file: checked once, then iterated line by line as often as needed.

    Attributes:
        root: Where the members lie, relative to the folder's URI.
        members: How many there are.
        size_bytes: All members together.
        digest: As `Manifest.digest`.

    Raises:
        ContentError: As `Manifest.from_bytes`.
    """

    def __init__(self, path: Path, *, uri: str) -> None:
        self._path = path
        self._uri = uri
        self._held: tuple[Line, ...] | None = None
        try:
            self.root, lines = self._opened()
            self._sum_up(lines)
        except ValueError:
            manifest = self._foreign()
            self.root = manifest.root
            self._held = tuple(Line(m.path, m.size_bytes, m.digest) for m in manifest.members)
            self._sum_up(self._held)

    def __iter__(self) -> Iterator[Line]:
        if self._held is not None:
            return iter(self._held)
        return self._opened()[1]

    def _sum_up(self, lines: Iterable[Line]) -> None:
        state = hashlib.sha256()
        self.members = self.size_bytes = 0
        ordered = in_order(lines)
        while some := list(islice(ordered, _LINES_AT_ONCE)):
            self.members += len(some)
            self.size_bytes += sum(line.size_bytes for line in some)
            state.update(_content_of(some))
        self.digest = Digest(f"sha256:{state.hexdigest()}")

    def _opened(self) -> tuple[str, Iterator[Line]]:
        """Return the root, and the lines while they are as we write them; else a ValueError."""
        with self._path.open("rb") as file:
            start = file.read(_BLOCK_BYTES)
        # A block may end within a letter; the head is far shorter.
        head = _HEAD.match(start.decode(errors="replace"))
        if head is None:
            raise ValueError(self._path.name)
        begin = len(head[0].encode())
        return _plain(head[1]), self._lines(begin)

    def _lines(self, begin: int) -> Iterator[Line]:
        with self._path.open("rb") as file:
            file.seek(begin)
            for block in _blocks(file):
                yield from _lines_of(block.decode())

    def _foreign(self) -> Manifest:
        if self._path.stat().st_size > _LONGEST_FOREIGN:
            raise ContentError(
                "its manifest cannot be read: it is large, and not as rootcellar writes it",
                "",
                self._uri,
                "Publish the folder again, or use the rootcellar that wrote it",
            )
        return Manifest.from_bytes(self._path.read_bytes(), uri=self._uri)


class ManifestWriter:
    """Writes the canonical text of sorted lines, the same bytes as `Manifest.to_bytes`.

    Attributes:
        members: How many there are; this and what follows once `blocks` is exhausted, or after
            `sum_up`.
        size_bytes: All members together.
        digest: As `Manifest.digest`.
    """

    def __init__(self, lines: Iterable[Line], *, root: str = "") -> None:
        self._lines = lines
        self._root = root
        self._state = hashlib.sha256()
        self.members = self.size_bytes = 0

    @property
    def digest(self) -> Digest:
        """Of the lines written so far."""
        return Digest(f"sha256:{self._state.hexdigest()}")

    def blocks(self) -> Iterator[bytes]:
        """Yield the text piece by piece, once.

        Raises:
            ContentError: A path is there twice, or is a file and a folder at once.
        """
        comma = ""
        yield f'{{"format":1,"root":"{_quoted(self._root)}","members":['.encode()
        for some in self._summed_up():
            yield (comma + ",".join(map(_text_of, some))).encode()
            comma = ","
        yield _END

    def sum_up(self) -> None:
        """Take the lines without writing them, and raise as `blocks`."""
        for _ in self._summed_up():
            pass

    def _summed_up(self) -> Iterator[list[Line]]:
        ordered = in_order(self._lines)
        try:
            while some := list(islice(ordered, _LINES_AT_ONCE)):
                self.members += len(some)
                self.size_bytes += sum(line.size_bytes for line in some)
                self._state.update(_content_of(some))
                yield some
        except ValueError as error:
            raise ContentError(f"no manifest can list it: {error}") from error


class _Named(Protocol):
    @property
    def path(self) -> str: ...


_Item = TypeVar("_Item", bound=_Named)


def in_order(lines: Iterable[_Item]) -> Iterator[_Item]:
    """Pass on what has a path, while each path is once and none is a file and a folder at once.

    Raises:
        ValueError: One is; or they are not sorted by path, which is how this is known without
            holding them.
    """
    last = ""
    # Files whose name the latest path begins with. What begins with a name follows it in a row.
    above: list[str] = []
    for line in lines:
        path = line.path
        if path <= last:
            msg = "its members are not sorted, or one is named twice"
            raise ValueError(msg)
        while above and not path.startswith(above[-1]):
            above.pop()
        if above and any(path[len(name)] == "/" for name in above):
            name = next(name for name in above if path[len(name)] == "/")
            msg = f"it names {name[:80]!a} as a file and as a folder"
            raise ValueError(msg)
        above.append(path)
        last = path
        yield line


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield whole lines, each with a comma behind it, without what ends the manifest."""
    rest = b""
    while chunk := file.read(_BLOCK_BYTES):
        rest += chunk
        seam = rest.rfind(_SEAM)
        if seam >= 0:
            cut = seam + len('"},')
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > 4 * _BLOCK_BYTES:
            # No member is that long; do not search the same bytes again and again.
            raise ValueError(file.name)
    if not rest.endswith(_END):
        raise ValueError(file.name)
    if rest != _END:
        yield rest[: -len(_END)] + b","


def _lines_of(block: str) -> Iterator[Line]:
    end = 0
    new = str.__new__
    for found in iter(_LINE.scanner(block).match, None):  # type: ignore[attr-defined]  # in re, not in typeshed
        path, size, digest = found.groups()
        # The expression has checked what `Digest` would check again.
        yield Line(_plain(path), int(size), new(Digest, digest))
        end = found.end()
    if end != len(block):
        msg = "not as we write it"
        raise ValueError(msg)


def _text_of(line: Line) -> str:
    return (
        f'{{"path":"{_quoted(line.path)}","size_bytes":{line.size_bytes},"digest":"{line.digest}"}}'
    )


def _content_of(lines: list[Line]) -> bytes:
    return "".join(
        chain.from_iterable((d, " ", str(size), " ", path, "\n") for path, size, d in lines)
    ).encode()


def _quoted(path: str) -> str:
    # The one character of a checked path that JSON writes in another way.
    return path.replace('"', '\\"')


def _plain(text: str) -> str:
    return text.replace('\\"', '"')
