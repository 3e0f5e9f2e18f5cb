"""Which digest a URI had in which pinned state: one small file for each, named by both."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from rootcellar.schemas.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.stores.store import Address

__all__ = ["Sources", "source_name"]

_MOST_BYTES = 4096
_FLAGS = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def source_name(address: Address, pin: Pin) -> str:
    """Return the name under which the digest of an object in this state is kept."""
    return hashlib.sha256(f"{address.uri}\n{pin.token}".encode()).hexdigest()


class Sources:
    """The folder `sources` below the root of a cache.

    The files are written in place: half of one, or none of it after a loss of power, is no digest,
    and so costs a download and no more.
    """

    def __init__(self, root: str) -> None:
        self._top = f"{root}/sources"

    def digest(self, name: str) -> Digest | None:
        """Return the digest that was noted, or None."""
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

    def walk(self) -> Iterator[tuple[Digest, str]]:
        """Yield digests and the URIs that had them."""
        for name in os.listdir(self._top):
            lines = self._lines(name)
            with contextlib.suppress(ValueError):
                yield Digest(lines[0] if lines else ""), lines[1]

    def prune(self, known: Collection[Digest]) -> int:
        """Remove what leads to no entry, and return how many those were."""
        pruned = 0
        for name in os.listdir(self._top):
            if self.digest(name) not in known:
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
