"""Runs as they lie in the database: a value is made of one only when it is asked for.

A table of a hundred thousand runs becomes a data frame column by column, out of what was stored.
"""

from __future__ import annotations

import json
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
            return pc.divide(pa.array(self._values(_MILLISECONDS[name]), pa.float64()), 1000.0)
        if name == "seconds":
            return self._seconds()
        values = self._values(_CALLED.get(name, name))
        if name == "started_at":
            return _times(values)
        if name == "arguments":
            return pa.array([_canonical(value) for value in values], pa.string())
        return pa.array([value or "" for value in values]) if name == "task" else pa.array(values)

    def _values(self, name: str) -> list[Any]:
        place = self._places[name]
        return [row[place] for row in self._rows]

    def _seconds(self) -> Any:
        """Return what `Run.seconds` says, to the millisecond as in the table."""
        import pyarrow as pa  # noqa: PLC0415 - optional extra
        import pyarrow.compute as pc  # noqa: PLC0415

        states = self._values("state")
        ended = [
            None if state == RunState.LOST else value
            for state, value in zip(states, self._values("ended_at"), strict=True)
        ]
        took = pc.subtract(_times(ended), _times(self._values("started_at"))).cast(pa.int64())
        return pc.round(pc.divide(took.cast(pa.float64()), 1e6), 3)


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
