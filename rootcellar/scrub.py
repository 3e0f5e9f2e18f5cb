"""Texts without the paths of this host, for rows and logs."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootcellar.settings import Settings

__all__ = ["error_text", "scrubbed"]

_MAX_CHARACTERS = 20_000


def error_text(error: BaseException) -> str:
    """Return the traceback as text, with file names from their topmost package on."""
    report = traceback.TracebackException.from_exception(error)
    for part in _chain(report):
        for frame in part.stack:
            frame.filename = _module_path(frame.filename)
    return "".join(report.format())[-_MAX_CHARACTERS:]


def _chain(report: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """Yield an error and all it was raised from, while handling, or as a group of."""
    yield report
    for behind in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if behind is not None:
            yield from _chain(behind)


def _module_path(filename: str) -> str:
    """Return a file's path from its topmost package on; its bare name outside packages."""
    path = Path(filename)
    names = [path.name]
    for folder in path.parents:
        if not (folder / "__init__.py").is_file():
            break
        names.insert(0, folder.name)
    return "/".join(names)


def scrubbed(text: str, settings: Settings) -> str:
    """Return the text with our own folders' places on this host left out."""
    places = {str(settings.cache_folder): "<cache>", str(settings.home): "<home>"}
    for store in settings.stores.values():
        if store.url.startswith(("/", "file:")):
            places[store.url.removeprefix("file://")] = "<store>"
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    return text
