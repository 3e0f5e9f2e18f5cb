"""Formats of other distributions, found by entry point."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from rootcellar.schemas.errors import DeclarationError
from rootcellar.schemas.formats.arrow_ipc import ArrowIpc
from rootcellar.schemas.formats.csv import Csv
from rootcellar.schemas.formats.file import File
from rootcellar.schemas.formats.folder import Folder
from rootcellar.schemas.formats.format import Format
from rootcellar.schemas.formats.json import Json
from rootcellar.schemas.formats.parquet import Parquet
from rootcellar.schemas.formats.text import Text

__all__ = ["BUILT_IN", "GROUP", "discover"]

GROUP = "rootcellar.formats"
"""The entry point group; an entry point's name is the format's, its object a class."""

BUILT_IN: dict[str, type[Format]] = {
    "arrow": ArrowIpc,
    "csv": Csv,
    "file": File,
    "folder": Folder,
    "json": Json,
    "parquet": Parquet,
    "text": Text,
}

_METHODS = tuple(
    name for name, member in vars(Format).items() if callable(member) and not name.startswith("_")
)


def discover() -> dict[str, type[Format]]:
    """Return the formats of installed distributions by name, sorted; not the built-in ones.

    Each is imported by this call, and not before.

    Raises:
        DeclarationError: Two formats of one name, one of a built-in name, one that cannot be
            imported, or one that lacks a method of `Format`. It names the distribution.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        _check_name(entry, found.get(entry.name))
        found[entry.name] = entry
    return {name: _loaded(found[name]) for name in sorted(found)}


def _check_name(entry: EntryPoint, other: EntryPoint | None) -> None:
    if entry.name in BUILT_IN:
        raise DeclarationError(
            f"{_origin(entry)} offers a format {entry.name!r}, which is built in",
            "",
            "",
            "Uninstall it, or ask its authors for another name",
        )
    if other is not None:
        raise DeclarationError(
            f"{_origin(other)} and {_origin(entry)} both offer a format {entry.name!r}",
            "",
            "",
            "Uninstall one of the two",
        )


def _loaded(entry: EntryPoint) -> type[Format]:
    remedy = "Upgrade or uninstall the distribution"
    try:
        class_ = entry.load()
    except (ImportError, AttributeError) as error:
        raise DeclarationError(
            f"{_origin(entry)} offers a format {entry.name!r} that cannot be imported: {error}",
            "",
            "",
            remedy,
        ) from error
    problem = "it is no class" if not isinstance(class_, type) else _lacking(class_)
    if problem:
        raise DeclarationError(
            f"{_origin(entry)} offers {entry.name!r}, which is no format: {problem}",
            "",
            "",
            remedy,
        )
    return class_  # type: ignore[no-any-return]  # an entry point's object; checked above


def _lacking(class_: type[Format]) -> str:
    """Name the methods of `Format` that a class lacks; attributes may be set per instance."""
    missing = [name for name in _METHODS if not callable(getattr(class_, name, None))]
    return f"it lacks {', '.join(missing)}" if missing else ""


def _origin(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value
