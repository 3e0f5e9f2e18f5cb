"""Deferred: values that are made when they are asked for, out of what was read already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Columnar", "Deferred", "each"]

_S = TypeVar("_S")
_T = TypeVar("_T")


class Deferred(Sequence[_T], Generic[_S, _T]):
    """A sequence as long as its sources; each value is made once, at the first look at it.

    Equal to any list, tuple or other of its kind with equal values.

    Args:
        sources: What the values are made of; nobody changes it afterwards.
        make: Makes one, and always an equal one of the same source.
    """

    __hash__ = None  # type: ignore[assignment]  # it equals lists

    def __init__(self, sources: Sequence[_S], make: Callable[[_S], _T]) -> None:
        self._sources = sources
        self._make = make
        self._made: dict[int, _T] = {}

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | Sequence[_T]:
        if isinstance(index, slice):
            return Deferred(range(len(self))[index], self.__getitem__)
        place = range(len(self))[index]
        if place not in self._made:
            self._made[place] = self._make(self._sources[place])
        return self._made[place]

    def __iter__(self) -> Iterator[_T]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | tuple | Deferred) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"<{len(self)} deferred values>"


class Columnar(Deferred[_S, _T]):
    """Rows that are made when they are asked for, and columns that need no rows.

    Args:
        sources: As of `Deferred`.
        make: As of `Deferred`.
        array: Returns a column, by name, as a `pyarrow.Array` of its kind's type.
    """

    def __init__(
        self, sources: Sequence[_S], make: Callable[[_S], _T], array: Callable[[str], Any]
    ) -> None:
        super().__init__(sources, make)
        self.array = array


def each(values: Sequence[_S], make: Callable[[_S], Any]) -> Sequence[Any]:
    """Return what is made of each value; of deferred ones when it is asked for."""
    return Deferred(values, make) if isinstance(values, Deferred) else [make(one) for one in values]
