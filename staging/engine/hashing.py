"""Digests of bytes as they come, and of files."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import SettingsError
from rootcellar.staging.engine.pipeline import check_stopped

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Algorithm", "Hasher", "algorithm_of", "digest_bytes", "digest_file"]

Algorithm = Literal["sha256", "blake3"]

_BUFFER_BYTES = 1024 * 1024


class Hasher:
    """The digest of bytes given one after another. For one thread.

    Args:
        algorithm: As in a digest before its colon.

    Raises:
        SettingsError: Its package is not installed.
    """

    def __init__(self, algorithm: Algorithm = "sha256") -> None:
        self._algorithm = algorithm
        self._state = hashlib.sha256() if algorithm == "sha256" else _blake3()
        self._buffer: memoryview | None = None
        self.size_bytes = 0

    def update(self, content: bytes | bytearray | memoryview) -> None:
        """Add bytes."""
        self._state.update(content)
        self.size_bytes += len(content)

    def update_from(self, file: int, start: int, end: int) -> None:
        """Add a range of an open file, by one buffer that is used again.

        Raises:
            EOFError: The file ends before.
        """
        if self._buffer is None:
            self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        while start < end:
            check_stopped()
            count = os.preadv(file, [self._buffer[: end - start]], start)
            if not count:
                raise EOFError
            self.update(self._buffer[:count])
            start += count

    @property
    def digest(self) -> Digest:
        """Of what was added so far."""
        return _digest(self._algorithm, self._state)


def digest_file(path: Path, algorithm: Algorithm = "sha256") -> Digest:
    """Return the digest of a local file; of what is left of one that is cut off meanwhile."""
    hasher = Hasher(algorithm)
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(EOFError):
            hasher.update_from(file, 0, os.fstat(file).st_size)
    finally:
        os.close(file)
    return hasher.digest


def digest_bytes(content: bytes | memoryview, algorithm: Algorithm = "sha256") -> Digest:
    """Return the digest of bytes."""
    state = hashlib.sha256(content) if algorithm == "sha256" else _blake3(content)
    return _digest(algorithm, state)


def algorithm_of(digest: Digest) -> Algorithm:
    """Return what checks a digest, whatever new ones are made by."""
    return "blake3" if digest.algorithm == "blake3" else "sha256"


def _digest(algorithm: Algorithm, state: Any) -> Digest:
    # Not checked as a text that came from elsewhere, which takes as long as to make it.
    return str.__new__(Digest, f"{algorithm}:{state.hexdigest()}")


def _blake3(content: bytes | memoryview = b"") -> Any:
    try:
        import blake3  # noqa: PLC0415 (an optional extra)
    except ImportError as error:
        raise SettingsError(
            "the digest blake3 is asked for, and its package is not installed",
            remedy="Install rootcellar[blake3], or use sha256",
        ) from error
    return blake3.blake3(content)
