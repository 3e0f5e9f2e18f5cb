"""Runs as they lie in the database: a value is made of one only when it is asked for.

A table of a hundred thousand runs becomes a data frame column by column, out of what was stored.
"""

from __future__ import annotations

import json
from collections import namedtuple
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rootcellar.catalog.canonical import canonical_text
from rootcellar.catalog.drawing.deferred import Deferred
from rootcellar.catalog.values import Run
from rootcellar.schemas.record import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rootcellar.schemas.record import ErrorRecord

__all__ = ["StoredRuns"]

_SPACED = '": '
"""In every JSON object that is not empty and was not written canonically."""
_MILLISECONDS = {
    "download_seconds": "download_ms",
    "stage_in_seconds": "stage_in_ms",
    "body_seconds": "body_ms",
    "stage_out_seconds": "stage_out_ms",
}
_COUNTS = {"downloaded_bytes", "uploaded_bytes", "hits", "misses", "retries"}
_OF_ERROR = {"error", "message"}
_CALLED = {"run": "uid", "task_id": "celery_task_id"}


class StoredRuns(Deferred[int, Run]):
    """Runs by the columns of their table, times and JSON in them as they are stored.

    Args:
        columns: Of one length, by name.
        make: Makes the value of one, of a row with these names.
        tasks: Names by row id.
        errors: By the row id of the run.
        count: How many there are, if the columns hold more.
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence[Any]],
        make: Callable[[Any], Run],
        *,
        tasks: Mapping[int, str],
        errors: Mapping[int, ErrorRecord],
        count: int | None = None,
    ) -> None:
        row_class = namedtuple("StoredRun", columns)  # type: ignore[misc]  # noqa: PYI024  # known when it runs
        lists = tuple(columns.values())
        places = range(len(lists[0]))[:count]
        super().__init__(places, lambda place: make(row_class(*[one[place] for one in lists])))
        self._columns = columns
        self._make_of = make
        self._tasks = tasks
        self._errors = errors

    def first(self, count: int) -> StoredRuns:
        """Return so many of them, without a copy."""
        return StoredRuns(
            self._columns,
            self._make_of,
            tasks=self._tasks,
            errors=self._errors,
            count=min(count, len(self)),
        )

    def column(self, name: str) -> Sequence[Any]:
        """Return the values of a column of the database, as they are stored."""
        return self._columns[name][: len(self)]

    def array(self, name: str) -> Any:
        """Return a column of the table of runs as a `pyarrow.Array`."""
        return self._array(name).slice(0, len(self))

    def _array(self, name: str) -> Any:
        """Return the whole column: to cut an array costs nothing, to cut a list each value."""
        import pyarrow as pa  # noqa: PLC0415 - optional extra
        import pyarrow.compute as pc  # noqa: PLC0415

        if name in _MILLISECONDS:
            stored = self._columns[_MILLISECONDS[name]]
            return pc.divide(pa.array(stored, pa.float64()), 1000.0)
        if name in _COUNTS:
            return pa.array(self._columns[name], pa.int64())
        if name == "seconds":
            return self._seconds()
        if name == "started_at":
            return self._started
        return pa.array(self._texts(name), pa.string())

    def _texts(self, name: str) -> Sequence[str | None]:
        if name == "task":
            return [self._tasks.get(one, "") for one in self._columns["task_id"]]
        if name in _OF_ERROR:
            told = {row_id: getattr(error, name) for row_id, error in self._errors.items()}
            return [told.get(one) for one in self._columns["error_of"]]
        if name == "arguments":
            return [_canonical(value) for value in self._columns[name]]
        return self._columns[_CALLED.get(name, name)]

    @cached_property
    def _started(self) -> Any:
        return _times(self._columns["started_at"])

    def _seconds(self) -> Any:
        """Return what `Run.seconds` says, to the millisecond as in the table."""
        import pyarrow as pa  # noqa: PLC0415 - optional extra
        import pyarrow.compute as pc  # noqa: PLC0415

        took = pc.subtract(_times(self._columns["ended_at"]), self._started).cast(pa.int64())
        # Of a lost run nobody knows when it ended.
        is_lost = pc.equal(
            pa.array(self._columns["state"], pa.string()), pa.scalar(str(RunState.LOST))
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
