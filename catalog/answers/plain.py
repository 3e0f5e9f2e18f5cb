"""The arguments of a run that are no files, as they are recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["is_redacted", "plain_arguments"]

_REDACTED = "***"


def plain_arguments(arguments: Mapping[str, Any], staged: Collection[str]) -> dict[str, Any]:
    """Return the arguments without those that name inputs or outputs."""
    return {name: value for name, value in arguments.items() if name not in staged}


def is_redacted(value: Any) -> bool:
    """Tell whether a JSON value holds a secret, of which only the place is recorded."""
    if isinstance(value, dict):
        return any(is_redacted(one) for one in value.values())
    if isinstance(value, list):
        return any(is_redacted(one) for one in value)
    return bool(value == _REDACTED)
