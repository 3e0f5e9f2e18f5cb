"""Putting documents on disk: whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootcellar.schemas.errors import CatalogError, TargetExists
from rootcellar.schemas.record import new_uid

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

__all__ = ["CRATE_FILE", "crate_folder", "write_json"]

CRATE_FILE = "ro-crate-metadata.json"


def write_json(path: str | os.PathLike[str], document: Mapping[str, Any]) -> Path:
    """Write a document, in place of one that is there; a crash leaves the old or the new one.

    Raises:
        CatalogError: It cannot be written there.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{new_uid()}")
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        try:
            beside.write_text(f"{text}\n", encoding="utf-8")
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(target, error) from error
    return target


def crate_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder for a crate, or take that of an earlier one.

    Raises:
        TargetExists: Something else is there.
        CatalogError: It cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_taken = any(folder.iterdir()) and not (folder / CRATE_FILE).exists()
    except FileExistsError as error:
        raise TargetExists(
            f"'{folder.name}' is a file, and a crate is a folder", remedy="Choose another target"
        ) from error
    except OSError as error:
        raise _unwritable(folder, error) from error
    if is_taken:
        raise TargetExists(
            f"the folder '{folder.resolve().name}' holds other things than a crate",
            remedy="Choose an empty or a new folder",
        )
    return folder


def _unwritable(target: Path, error: OSError) -> CatalogError:
    return CatalogError(
        f"'{target.name}' cannot be written: {error.strerror or error}",
        remedy="Choose a place that exists and can be written",
    )
