"""What is told of inputs that were changed while a body ran: by it, or by somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootcellar.schemas.errors import InputModified, ObjectChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rootcellar.staging.workdir.linked_input import LinkedInput
    from rootcellar.staging.workdir.placed import PlacedInput

__all__ = ["refusal"]


def refusal(
    placed: Sequence[PlacedInput], linked: Sequence[LinkedInput], uri_of: Callable[[Path], str]
) -> InputModified | ObjectChanged:
    """Return what to raise for inputs that are not as they were.

    Args:
        placed: Those of the cache.
        linked: Those that were linked where they lie; of either there is one at least.
        uri_of: Tells what a file in the workdir is an input or a part of.
    """
    changed = {one.path: one.argument for one in placed}
    by_us = [one for one in linked if not one.is_changed_by_others]
    changed |= {one.path: one.argument for one in by_us}
    if not changed:
        return ObjectChanged(
            "its file in the store was written to by somebody else while the body read it",
            "",
            uri_of(linked[0].path),
            "Run again; replace files in a store by a rename, and never write into them",
        )
    names = ", ".join(sorted({*changed.values()}))
    stored = [one for one in by_us if one.is_store_modified]
    if not stored:
        return InputModified(
            f"the body changed files of its inputs: {names}",
            "",
            uri_of(next(iter(changed))),
            "Copy an input before changing it, as into a folder of tempfile.mkdtemp()",
        )
    return InputModified(
        f"files of its inputs were changed while the body ran: {names}; as it is linked, the "
        f"store's own file {stored[0].source} was changed, by the body or by another writer",
        "",
        uri_of(stored[0].path),
        "Restore it; set link_local to auto, and copy an input before changing it",
    )
