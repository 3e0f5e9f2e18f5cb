"""Columns of a table, and what is known of the values in each, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Bounds", "Column", "ColumnStatistics", "Value", "merged_statistics"]

Value: TypeAlias = bool | int | float | str | None
"""A least or greatest value as JSON has it; times and decimals are text, and so is infinity."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        type: Arrow's name of the type. Variants of storage (large, view, dictionary) have the
            name of the plain type.
    """

    name: str
    type: str
    nullable: bool = True

    @property
    def full_type(self) -> str:
        """The type with its nullability, as in `int64 not null`."""
        return self.type if self.nullable else f"{self.type} not null"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnStatistics:
    """What a file says of one column's values without their being read.

    Attributes:
        null_count: None if it is not told.
        minimum: Of what is neither null nor NaN; None if there is none, or it is not told. A long
            text is cut, and ends in an ellipsis.
        maximum: As `minimum`.
    """

    name: str
    null_count: int | None = None
    minimum: Value = None
    maximum: Value = None


def _itself(value: Any) -> Any:
    return value


@dataclass(slots=True)
class Bounds:
    """Least and greatest value and nulls of a column, part by part.

    A part that has values and tells no bounds makes those of the whole unknown.

    Attributes:
        order: What values are compared by.
    """

    order: Callable[[Any], Any] = _itself
    null_count: int | None = 0
    minimum: Any = None
    maximum: Any = None
    _is_known: bool = field(default=True, init=False)

    def add(self, *, rows: int | None, null_count: int | None, minimum: Any, maximum: Any) -> None:
        """Add a part of so many rows, None if that is not known; a bound of None is not known."""
        if null_count is None or self.null_count is None:
            self.null_count = None
        else:
            self.null_count += null_count
        if not self._is_known or (null_count is not None and null_count == rows):
            return
        if minimum is None or maximum is None:
            self._is_known = False
            self.minimum = self.maximum = None
        elif self.minimum is None:
            self.minimum, self.maximum = minimum, maximum
        else:
            self.minimum = min(self.minimum, minimum, key=self.order)
            self.maximum = max(self.maximum, maximum, key=self.order)


def merged_statistics(
    columns: Sequence[Column], parts: Sequence[tuple[int | None, Sequence[ColumnStatistics]]]
) -> tuple[ColumnStatistics, ...]:
    """Return the statistics of tables with the same columns, laid one below the other.

    Args:
        parts: Of each table its number of rows, and what is known of its columns.
    """
    found: list[ColumnStatistics] = []
    by_name = [(rows, {one.name: one for one in part}) for rows, part in parts]
    for column in columns:
        told = [(rows, part[column.name]) for rows, part in by_name if column.name in part]
        if not told or len(told) < len(parts):
            continue
        bounds = Bounds(_order_of(column.type))
        for rows, one in told:
            bounds.add(
                rows=rows, null_count=one.null_count, minimum=one.minimum, maximum=one.maximum
            )
        found.append(
            ColumnStatistics(
                name=column.name,
                null_count=bounds.null_count,
                minimum=bounds.minimum,
                maximum=bounds.maximum,
            )
        )
    return tuple(found)


def _order_of(type_name: str) -> Callable[[Any], Any]:
    """Return what the values of a type are compared by: some numbers are written as text."""
    if type_name.startswith("decimal"):
        return Decimal
    return float if type_name in {"halffloat", "float", "double"} else _itself
