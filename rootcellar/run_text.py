"""A run's record as one JSON document, complete in itself: what waits while the catalog is away.

Its start has the form it has in a note. Everything is named by uids and natural keys, so that any
process may enter it into the catalog, at any time.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rootcellar.note_text import encoded, start_text, started_of
from rootcellar.schemas.columns import Column, ColumnStatistics
from rootcellar.schemas.record import (
    Environment,
    ErrorRecord,
    InputRecord,
    OutputRecord,
    PhaseSeconds,
    RunEnded,
    RunState,
    VersionRecord,
)
from rootcellar.schemas.ref import Ref

if TYPE_CHECKING:
    from rootcellar.schemas.record import RunStarted

__all__ = ["FORMAT", "NewerRecord", "WaitingRun", "read_run", "run_text"]

FORMAT = 1
_OTHERWISE = {"ref", "recorded_at", "columns", "statistics"}
_VERSION = [one.name for one in fields(VersionRecord) if one.name not in _OTHERWISE]
_INPUT = [one.name for one in fields(InputRecord) if one.name != "version"]
_OUTPUT = [one.name for one in fields(OutputRecord) if one.name != "version"]


class NewerRecord(Exception):  # noqa: N818  # no error: it waits for whoever can read it
    """A newer rootcellar wrote it."""


@dataclass(frozen=True, slots=True)
class WaitingRun:
    """What the catalog is to learn of a run: its start, its end, or both."""

    start: RunStarted | None
    end: RunEnded | None

    @property
    def uid(self) -> str:
        """The run's uid."""
        known = self.end or self.start
        return known.uid if known else ""

    @property
    def is_end(self) -> bool:
        """Whether it says how the run ended."""
        return self.end is not None


def run_text(run: WaitingRun) -> bytes:
    """Return the document, UTF-8."""
    where = None if run.start is None else run.start.environment
    parts = {
        "format": encoded(FORMAT),
        "environment": encoded(where and asdict(where)),
        "start": b"null" if run.start is None else start_text(run.start),
        "end": encoded(run.end and _end_fields(run.end)),
    }
    return b"{" + b",\n".join(b'"%s": %s' % (n.encode(), text) for n, text in parts.items()) + b"}"


def read_run(text: bytes) -> WaitingRun:
    """Return what a document says.

    Raises:
        NewerRecord: A newer rootcellar wrote it.
        ValueError: It is damaged.
    """
    try:
        said = json.loads(text)
        if said["format"] > FORMAT:
            raise NewerRecord
        where = said["environment"]
        start = said["start"] and started_of(said["start"], where and Environment(**where))
        end = said["end"] and _end_of(said["end"])
        if not start and not end:
            msg = "it says nothing of a run"
            raise ValueError(msg)
        return WaitingRun(start, end)
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        msg = f"it is damaged: {type(error).__name__}: {error}"
        raise ValueError(msg) from error


def _end_fields(end: RunEnded) -> dict[str, Any]:
    return {
        "uid": end.uid,
        "state": end.state,
        "ended_at": end.ended_at.isoformat(),
        "phases": asdict(end.phases),
        "inputs": [
            {"version": _version_fields(one.version), **_fields_of(one, _INPUT)}
            for one in end.inputs
        ],
        "outputs": [
            {"version": _version_fields(one.version), **_fields_of(one, _OUTPUT)}
            for one in end.outputs
        ],
        "error": end.error and asdict(end.error),
        "reuse_key": end.reuse_key,
        "reused_run": end.reused_run,
    }


def _fields_of(record: object, names: list[str]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}


def _version_fields(version: VersionRecord | None) -> dict[str, Any] | None:
    if version is None:
        return None
    said = {
        "ref": version.ref.model_dump(),
        "recorded_at": version.recorded_at.isoformat(),
        **_fields_of(version, _VERSION),
    }
    if version.columns or version.statistics:
        said["columns"] = [asdict(one) for one in version.columns]
        said["statistics"] = [asdict(one) for one in version.statistics]
    return said


def _end_of(said: dict[str, Any]) -> RunEnded:
    return RunEnded(
        **{
            **said,
            "state": RunState(said["state"]),
            "ended_at": datetime.fromisoformat(said["ended_at"]),
            "phases": PhaseSeconds(**said["phases"]),
            "inputs": tuple(
                InputRecord(**{**one, "version": _version_of(one["version"])})
                for one in said["inputs"]
            ),
            "outputs": tuple(
                OutputRecord(**{**one, "version": _version_of(one["version"])})
                for one in said["outputs"]
            ),
            "error": said["error"] and ErrorRecord(**said["error"]),
        }
    )


def _version_of(said: dict[str, Any] | None) -> Any:
    if said is None:
        return None
    return VersionRecord(
        **{
            **said,
            "ref": Ref.model_validate(said["ref"]),
            "recorded_at": datetime.fromisoformat(said["recorded_at"]),
            "columns": tuple(Column(**one) for one in said.get("columns", ())),
            "statistics": tuple(ColumnStatistics(**one) for one in said.get("statistics", ())),
        }
    )
