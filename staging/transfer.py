"""Move one file from a store to this host, whole and of one version."""

from __future__ import annotations

import hashlib
import os
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    ArtifactNotFound,
    DigestMismatch,
    ObjectChanged,
    StoreUnavailable,
)
from rootcellar.staging.temp_file import create_temp, temp_name

if TYPE_CHECKING:
    from pathlib import Path

    from rootcellar.schemas.ref import Pin
    from rootcellar.staging.stores.store import Address, Progress

__all__ = ["Downloaded", "digest_file", "download"]

RANGE_BYTES = 8 * 1024 * 1024
_RESTARTS = 3
_TRIES_PER_RANGE = 3
_FIRST_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a download wrote.

    Attributes:
        pin: The state that was read; not the one asked for if the object changed meanwhile.
    """

    digest: Digest
    size_bytes: int
    pin: Pin


def digest_file(path: Path) -> Digest:
    """Return the sha256 digest of a local file."""
    with path.open("rb") as file:
        return Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")


def download(
    address: Address,
    target: Path,
    *,
    pin: Pin,
    expected: Digest | None = None,
    progress: Progress | None = None,
) -> Downloaded:
    """Copy one object to `target`, read-only.

    Atomic: `target` is absent or whole, even if the process dies; what a killed process leaves is
    a hidden file beside it. Safe to repeat, and for several processes at once: the last rename
    wins. Not on the disk for sure before the system writes it there.

    An object that is replaced meanwhile is read again from its start in its new state, at most
    three times.

    Args:
        address: Of the object.
        target: Its folder must exist.
        pin: The state to read.
        expected: Refuse other bytes. A replaced object is then read again only if its size is
            still the same.
        progress: Hears of every range.

    Raises:
        ArtifactNotFound: The object was deleted, or was replaced by other bytes than expected.
        DigestMismatch: The object as pinned does not hold the expected bytes.
        ObjectChanged: It was replaced each time.
        StoreUnavailable: A range could not be had after three tries.
    """
    held = pin
    for _ in range(1 + _RESTARTS):
        try:
            done = _download_pinned(address, target, held, expected, progress)
        except ObjectChanged:
            held = _pin_now(address, pin, expected)
        except DigestMismatch as error:
            if held == pin:
                raise
            raise _replaced(address) from error
        else:
            return done
    raise ObjectChanged(
        f"it was replaced {1 + _RESTARTS} times while it was read",
        "",
        address.uri,
        "Try again when nobody writes there",
    )


def _pin_now(address: Address, wanted: Pin, expected: Digest | None) -> Pin:
    pin = address.store.stat(address.key)
    if pin is None:
        raise ArtifactNotFound(
            "it was deleted", "", address.uri, "Make it again, or restore it in its store"
        )
    if expected is not None and pin.size_bytes != wanted.size_bytes:
        raise _replaced(address)
    return pin


def _download_pinned(
    address: Address,
    target: Path,
    pin: Pin,
    expected: Digest | None,
    progress: Progress | None,
) -> Downloaded:
    temp = target.with_name(temp_name(target.name))
    state, received = hashlib.sha256(), 0
    try:
        with create_temp(temp) as file:
            while received < pin.size_bytes:
                chunk = _read_range(address, pin, received)
                file.write(chunk)
                state.update(chunk)
                received += len(chunk)
                if progress is not None:
                    progress.advance(len(chunk))
            digest = Digest(f"sha256:{state.hexdigest()}")
            _compare(address, expected, digest)
            os.fchmod(file.fileno(), 0o444)
        temp.replace(target)
    except BaseException:
        temp.unlink(missing_ok=True)
        if progress is not None:
            progress.advance(-received)
        raise
    return Downloaded(digest, received, pin)


def _read_range(address: Address, pin: Pin, start: int) -> bytes:
    end = min(start + RANGE_BYTES, pin.size_bytes)
    for tried in range(_TRIES_PER_RANGE):
        try:
            content = address.store.read(address.key, pin, start, end)
        except StoreUnavailable:
            if tried + 1 == _TRIES_PER_RANGE:
                raise
        else:
            if len(content) == end - start:
                return content
        # Workers that failed together shall not come back together.
        time.sleep(_FIRST_PAUSE_SECONDS * 2**tried * random.uniform(0.5, 1.5))  # noqa: S311
    raise StoreUnavailable(
        f"bytes {start} to {end} came incomplete {_TRIES_PER_RANGE} times",
        "",
        address.uri,
        "Try again later",
    )


def _compare(address: Address, expected: Digest | None, found: Digest) -> None:
    if expected is not None and found != expected:
        raise DigestMismatch(
            f"its bytes are {found}, not {expected} as recorded",
            "",
            address.uri,
            "Something changed the stored bytes without a new version; restore or make them again",
        )


def _replaced(address: Address) -> ArtifactNotFound:
    return ArtifactNotFound(
        "this version was replaced since, and its bytes can no longer be read",
        "",
        address.uri,
        "Use the newest version, or keep versions in the store",
    )
