"""The arguments of a run that are no files, as they are recorded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["is_partial", "plain_arguments"]

_REDACTED = "***"
_CUT = re.compile(r"… \d+ (?:characters|in all)\Z")


def plain_arguments(arguments: Mapping[str, Any], staged: Collection[str]) -> dict[str, Any]:
    """Return the arguments without those that name inputs or outputs."""
    return {name: value for name, value in arguments.items() if name not in staged}


def is_partial(value: Any) -> bool:
    """Tell whether a JSON value holds what was not recorded whole: a secret, or what was cut."""
    if isinstance(value, dict):
        return any(is_partial(one) for one in value.values())
    if isinstance(value, list):
        return any(is_partial(one) for one in value)
    return isinstance(value, str) and (value == _REDACTED or _CUT.search(value) is not None)
