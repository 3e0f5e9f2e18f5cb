"""Members in lists: what is small in one is moved by one thread, and then the rest by several."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["some_of"]

_AT_ONCE = 1024
"""Enough for the wait at the end of a list not to count; each takes some hundred bytes."""

_Item = TypeVar("_Item")


def some_of(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Yield all items, in their order."""
    left = iter(items)
    while some := list(islice(left, _AT_ONCE)):
        yield some
