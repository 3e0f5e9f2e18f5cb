"""Which digest a URI had in which pinned state: one small file for each, named by both.

The members of a foreign folder share one, named by the folder (`folder_notes`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from rootcellar.schemas.digest import Digest
from rootcellar.staging.cache.folder_notes import FolderNotes
from rootcellar.staging.stores.store import Address

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from rootcellar.schemas.ref import Pin

__all__ = ["Sources", "source_name"]

_MOST_BYTES = 4096
_MOST_KNOWN = 2048
_FOLDER = ".folder"
_FLAGS = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def source_name(address: Address, pin: Pin) -> str:
    """Return the name under which the digest of an object in this state is kept."""
    return _name_of(_state(address, pin))


def _state(address: Address, pin: Pin) -> str:
    # Two configurations may give one name to two stores, and two stores one token to two objects.
    return f"{address.store.place}\n{address.uri}\n{pin.token}"


def _name_of(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


class Sources:
    """The folder `sources` below the root of a cache.

    The files are written in place: half of one, or none of it after a loss of power, is no digest,
    and so costs a download and no more. Thread safe.
    """

    def __init__(self, root: str) -> None:
        self._top = f"{root}/sources"
        # What bytes an object in one state has never changes: of that a process reads each once.
        self._known: dict[str, Digest] = {}

    def digest(self, address: Address, pin: Pin) -> Digest | None:
        """Return the digest that was noted of an object in this state, or None."""
        state = _state(address, pin)
        known = self._known.get(state)
        if known is None and (known := self._noted(_name_of(state))) is not None:
            self._know(state, known)
        return known

    def folder(self, address: Address) -> FolderNotes:
        """Return the notes of the members of a foreign folder."""
        name = _name_of(f"{address.store.place}\n{address.uri}")
        return FolderNotes(f"{self._top}/{name}{_FOLDER}")

    def digest_in_folder(self, address: Address, pin: Pin) -> Digest | None:
        """Return the digest that was noted of an object as the member of a folder, or None."""
        key, end = address.key, address.key.rfind("/")
        while end > 0:
            notes = self.folder(Address(address.store, key[:end]))
            if digest := notes.find(key[end + 1 :], pin.token):
                return digest
            end = key.rfind("/", 0, end)
        return None

    def has_single(self) -> bool:
        """Tell whether there are any notes but those of folders."""
        with os.scandir(self._top) as found:
            return any(not one.name.endswith(_FOLDER) for one in found)

    def _know(self, state: str, digest: Digest) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[state] = digest

    def _noted(self, name: str) -> Digest | None:
        lines = self._lines(name)
        try:
            return Digest(lines[0]) if lines else None
        except ValueError:
            return None

    def note(self, address: Address, pin: Pin, digest: Digest) -> None:
        """Note what bytes an object in this state has."""
        path = f"{self._top}/{source_name(address, pin)}"
        line = f"{digest}\n{address.uri}\n".encode()
        try:
            file = os.open(path, _FLAGS | os.O_EXCL, 0o600)
        except FileExistsError:
            file = os.open(path, _FLAGS, 0o600)
            is_new = False
        else:
            is_new = True
        try:
            os.pwrite(file, line, 0)
            if not is_new:
                os.ftruncate(file, len(line))
        finally:
            os.close(file)
        self._know(_state(address, pin), digest)

    def walk(self) -> Iterator[tuple[Digest, str]]:
        """Yield digests and the URIs that had them."""
        for name in os.listdir(self._top):
            if name.endswith(_FOLDER):
                yield from FolderNotes(f"{self._top}/{name}").walk()
                continue
            lines = self._lines(name)
            with contextlib.suppress(ValueError):
                yield Digest(lines[0] if lines else ""), lines[1]

    def prune(self, known: Collection[Digest]) -> int:
        """Remove what leads to no entry, and return how many those were."""
        pruned = 0
        for name in os.listdir(self._top):
            if name.endswith(_FOLDER):
                pruned += FolderNotes(f"{self._top}/{name}").prune(known)
            elif self._noted(name) not in known:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{self._top}/{name}")
                pruned += 1
        return pruned

    def _lines(self, name: str) -> list[str]:
        try:
            file = os.open(f"{self._top}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        try:
            content = os.read(file, _MOST_BYTES)
        finally:
            os.close(file)
        head, end, rest = content.decode(errors="replace").partition("\n")
        return [head, rest.rstrip("\n")] if end else []
