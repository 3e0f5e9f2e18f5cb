"""Runs as they lie in the database: a value is made of one only when it is asked for.

A table of a hundred thousand runs becomes a data frame column by column, out of what was stored.
"""

from __future__ import annotations

import json
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.canonical import canonical_text
from rootcellar.catalog.drawing.deferred import Deferred
from rootcellar.catalog.values import Run
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Row

__all__ = ["StoredRuns"]

_SPACED = '": '
"""In every JSON object that is not empty and was not written canonically."""
_MILLISECONDS = {
    "download_seconds": "download_ms",
    "stage_in_seconds": "stage_in_ms",
    "body_seconds": "body_ms",
    "stage_out_seconds": "stage_out_ms",
}
_CALLED = {"run": "uid", "task_id": "celery_task_id"}


class StoredRuns(Deferred["Row[Any]", Run]):
    """Runs by their rows, times and JSON in them as they are stored.

    Args:
        rows: With a name for each column of a run, of its task and its error.
        make: Makes the value of one.
    """

    def __init__(self, rows: Sequence[Row[Any]], make: Callable[[Row[Any]], Run]) -> None:
        super().__init__(rows, make)
        self._rows = rows
        names = rows[0]._fields if rows else ()
        self._places = {name: place for place, name in enumerate(names)}

    def first(self, count: int) -> StoredRuns:
        """Return so many of them."""
        return StoredRuns(self._rows[:count], self._make)

    def array(self, name: str) -> Any:
        """Return a column of the table of runs as a `pyarrow.Array`."""
        import pyarrow as pa  # noqa: PLC0415 - optional extra
        import pyarrow.compute as pc  # noqa: PLC0415

        if name in _MILLISECONDS:
            return pc.divide(pa.array(self.column(_MILLISECONDS[name]), pa.float64()), 1000.0)
        if name == "seconds":
            return self._seconds()
        if name == "started_at":
            return self._started
        values = self.column(_CALLED.get(name, name))
        if name == "arguments":
            return pa.array([_canonical(value) for value in values], pa.string())
        return pa.array([value or "" for value in values]) if name == "task" else pa.array(values)

    def column(self, name: str) -> list[Any]:
        """Return the values of a column of the database, as they are stored."""
        return [*map(itemgetter(self._places[name]), self._rows)]

    @cached_property
    def _started(self) -> Any:
        return _times(self.column("started_at"))

    def _seconds(self) -> Any:
        """Return what `Run.seconds` says, to the millisecond as in the table."""
        import pyarrow as pa  # noqa: PLC0415 - optional extra
        import pyarrow.compute as pc  # noqa: PLC0415

        took = pc.subtract(_times(self.column("ended_at")), self._started).cast(pa.int64())
        # Of a lost run nobody knows when it ended.
        is_lost = pc.equal(
            pa.array(self.column("state"), pa.string()), pa.scalar(str(RunState.LOST))
        )
        known = pc.if_else(is_lost, None, took)
        return pc.round(pc.divide(known.cast(pa.float64()), 1e6), 3)


def _times(values: Sequence[Any]) -> Any:
    """Return times that are text, as in SQLite, or aware ones."""
    import pyarrow as pa  # noqa: PLC0415 - optional extra

    moments = pa.timestamp("us", tz="UTC")
    is_text = any(isinstance(value, str) for value in values)
    return pa.array(values, pa.string()).cast(moments) if is_text else pa.array(values, moments)


def _canonical(stored: Any) -> str:
    if not isinstance(stored, str):
        return canonical_text(stored)
    return canonical_text(json.loads(stored)) if _SPACED in stored else stored
