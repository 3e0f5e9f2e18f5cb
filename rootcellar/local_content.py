"""What a file or folder on this disk holds, by the digests that a catalog could know it by."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rootcellar.catalog.answers.whence import LocalContent
from rootcellar.schemas.errors import BindingError, CatalogError, ContentError, SettingsError
from rootcellar.schemas.manifest import MANIFEST_NAME
from rootcellar.schemas.manifest_text import Line, ManifestText, ManifestWriter
from rootcellar.staging.engine.hashing import digest_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rootcellar.catalog.catalog import Catalog
    from rootcellar.schemas.digest import Digest
    from rootcellar.staging.engine.hashing import Algorithm

__all__ = ["content_of"]

_ALGORITHMS: tuple[Algorithm, ...] = ("sha256", "blake3")


def content_of(path: str | os.PathLike[str], catalog: Catalog) -> LocalContent:
    """Return what lies at a local path; its bytes are read only if the catalog knows such a size.

    A folder is known by the manifest of its files, which is made here as an upload makes it. One
    that has a manifest of its own, as a folder in a store, is taken by that, and its files are not
    read; so is the manifest alone.

    Raises:
        BindingError: There is no such file or folder.
        ContentError: It cannot be read, or its manifest is none.
    """
    place = Path(path)
    try:
        mode = place.stat().st_mode
        if stat.S_ISDIR(mode):
            manifest = place / MANIFEST_NAME
            return (
                _by_manifest(manifest, place.resolve().name)
                if manifest.is_file()
                else _folder(place, catalog)
            )
        if stat.S_ISREG(mode):
            if place.name == MANIFEST_NAME:
                return _by_manifest(place, place.name)
            return _file(place, catalog)
    except CatalogError:  # some are an OSError, and not about this file
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BindingError(
            f"there is no local file or folder {place.name!r}",
            remedy="Check the path, relative to the working folder",
        ) from error
    except OSError as error:
        raise ContentError(f"{place.name!r} cannot be read: {error.strerror}") from error
    raise BindingError(f"{place.name!r} is neither a file nor a folder")


def _file(path: Path, catalog: Catalog) -> LocalContent:
    size = path.stat().st_size
    wanted = catalog.algorithms(kind="file", size_bytes=size)
    digests, note = _digests(wanted, lambda algorithm: digest_file(path, algorithm))
    return LocalContent(name=path.name, kind="file", size_bytes=size, digests=digests, note=note)


def _folder(path: Path, catalog: Catalog) -> LocalContent:
    files = sorted(_files(path))
    size = sum(size for _, size in files)
    wanted = catalog.algorithms(kind="folder", size_bytes=size, members=len(files))
    digests, note = _digests(wanted, lambda algorithm: _manifest_digest(path, files, algorithm))
    return LocalContent(
        name=path.resolve().name,
        kind="folder",
        size_bytes=size,
        digests=digests,
        members=len(files),
        note=note,
    )


def _by_manifest(path: Path, name: str) -> LocalContent:
    manifest = ManifestText(path, uri="")
    return LocalContent(
        name=name,
        kind="folder",
        size_bytes=manifest.size_bytes,
        digests=(manifest.digest,),
        members=manifest.members,
        note="by its manifest; the files beside it were not read",
    )


def _digests(
    wanted: Iterable[str], digest_by: Callable[[Algorithm], Digest]
) -> tuple[tuple[Digest, ...], str]:
    """Return the digests by each wanted algorithm that is installed, and which one is not."""
    wanted = set(wanted)
    digests: list[Digest] = []
    note = ""
    for algorithm in _ALGORITHMS:
        if algorithm not in wanted:
            continue
        try:
            digests.append(digest_by(algorithm))
        except SettingsError:
            note = f"not compared by {algorithm}, whose package is not installed"
    # Each at most once: a folder without files has the same one by every algorithm.
    return tuple(dict.fromkeys(digests)), note


def _manifest_digest(path: Path, files: Iterable[tuple[str, int]], algorithm: Algorithm) -> Digest:
    writer = ManifestWriter(
        Line(name, size, digest_file(path / name, algorithm)) for name, size in files
    )
    writer.sum_up()
    return writer.digest


def _refuse(error: OSError) -> NoReturn:
    # What is passed over would make another folder of it.
    raise error


def _files(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the files below a folder, by path with slashes, with their sizes."""
    for folder, _, names in os.walk(path, onerror=_refuse):
        below = Path(folder).relative_to(path)
        for name in names:
            yield (below / name).as_posix(), (path / below / name).stat().st_size
