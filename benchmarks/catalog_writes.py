"""What it costs to record a run with three inputs and two outputs, and how large a catalog gets."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.fresh import ROOT, FailedError, call_fresh
from benchmarks.postgres import postgres
from benchmarks.processes import NotStartedError
from benchmarks.suite import OURS, Row, Run, Series, disk_folder, interleaved, rows_of
from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.held import Held
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import (
    CodeIdentity,
    Environment,
    InputRecord,
    OutputRecord,
    PhaseSeconds,
    RunEnded,
    RunStarted,
    RunState,
    VersionRecord,
    new_uid,
)
from rootcellar.schemas.ref import Pin, Ref

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.suite import Scale

__all__ = ["measure_record", "measure_size"]

INPUTS, OUTPUTS = 3, 2
BYTES = 20_000
COMMIT = "0" * 40
MICRO = 1e6
WARM = 20
"""Runs before the clock counts: statements are built at their first use, in each library."""
LIMIT_SECONDS = 300.0
TWICE = "in two transactions"
PEERS = {
    "ml-metadata": "benchmarks.clients.mlmd:record",
    "redun": "benchmarks.clients.redun_backend:record",
}
PYTHON = ROOT / ".venv-lineage" / "bin" / "python"


def measure_record(name: str, scale: Scale) -> list[Row]:
    """Return the rows of `record-sqlite`, with its peers, or of `record-postgres`."""
    times = scale.pick(1_000, 20)
    if name == "record-postgres":
        try:
            with postgres() as url:
                series = interleaved(
                    [OURS, TWICE], lambda peer: _ours(url, peer, times), rounds=_all(scale)
                )
                trips = Series([Run(float(_fresh("trips", url, OURS, WARM)))])
        except (FailedError, NotStartedError) as error:
            series, trips = {OURS: Series(note=str(error))}, Series(note=str(error))
        return rows_of(name, "µs", series) + rows_of(f"{name}-trips", "waits", {OURS: trips})

    def measure(peer: str) -> Run:
        with disk_folder() as folder:
            if peer in PEERS:
                return _peer(peer, folder, times)
            return _ours(f"sqlite:///{folder}/catalog.sqlite", peer, times)

    return rows_of(name, "µs", interleaved([OURS, TWICE, *PEERS], measure, rounds=_all(scale)))


def measure_size(name: str, scale: Scale) -> list[Row]:
    """Return the row of `catalog-size`: bytes for each run, in SQLite."""
    series, times = Series(), scale.pick(20_000, 500)
    with disk_folder() as folder:
        path = folder / "catalog.sqlite"
        try:
            _fresh("recorded", f"sqlite:///{path}", OURS, times)
        except FailedError as error:
            series.note = str(error)
        else:
            series.runs.append(Run(path.stat().st_size / (times + WARM)))
    return rows_of(name, "bytes", {OURS: series})


def _all(scale: Scale) -> Any:
    return lambda _: scale.rounds


def _ours(url: str, peer: str, times: int) -> Run:
    return Run(statistics.median(_fresh("recorded", url, peer, times)) * MICRO)


def _fresh(function: str, url: str, peer: str, times: int) -> Any:
    arguments = {"url": url, "peer": peer, "times": times}
    return call_fresh(f"{__name__}:{function}", arguments, limit_seconds=LIMIT_SECONDS)


def _peer(peer: str, folder: Path, times: int) -> Run:
    if not PYTHON.exists():
        raise LookupError("its environment .venv-lineage is not there; `make bench` installs it")
    arguments = {"folder": str(folder), "times": times + WARM}
    seconds = call_fresh(PEERS[peer], arguments, limit_seconds=LIMIT_SECONDS, python=str(PYTHON))
    return Run(statistics.median(seconds[WARM:]) * MICRO)


def recorded(url: str, peer: str, times: int) -> list[float]:
    """Within a fresh process: seconds of each of so many runs, which read what others made."""
    runs = _runs(times + WARM)
    seconds = []
    with Catalog(url) as catalog:
        for start, end in runs:
            begun = time.perf_counter()
            if peer == TWICE:
                catalog.start_run(start)
                catalog.finish_run(end)
            else:
                catalog.finish_run(end, start)
            seconds.append(time.perf_counter() - begun)
    return seconds[WARM:]


def trips(url: str, peer: str, times: int) -> int:
    """Within a fresh process: how often one run waits for the database, at the median."""
    waits, execute, gather, commit = [0], Held.execute, Held.gather, Held.commit

    def counted(self: Held, statement: Any, parameters: Any = None, /) -> Any:
        waits[-1] += bool(list(statement.exported_columns))
        return execute(self, statement, parameters)

    def gathered(self: Held, asked: Any, /) -> Any:
        waits[-1] += 1
        return gather(self, asked)

    def ended(self: Held) -> None:
        waits[-1] += 1
        commit(self)
        waits.append(0)

    Held.execute, Held.commit = counted, ended  # type: ignore[method-assign]
    Held.gather = gathered  # type: ignore[method-assign]
    recorded(url, peer, times)
    return int(statistics.median(waits[-times:-1]))


def _runs(count: int) -> Iterator[tuple[RunStarted, RunEnded]]:
    code = CodeIdentity(
        qualname="bench:make", source_digest=Digest.of(b"code"), git_commit="0" * 40
    )
    where = Environment(python="3.11", platform="linux", packages={"numpy": "2.0"})
    known = [_version(-number, "observed") for number in range(1, INPUTS + 1)]
    for number in range(count):
        now = datetime.now(UTC)
        uid, task_id = new_uid(), new_uid()
        made = [_version(number * OUTPUTS + side, "run") for side in range(OUTPUTS)]
        start = RunStarted(
            uid=uid,
            kind="task",
            task="bench.make",
            started_at=now,
            task_id=task_id,
            root_id=task_id,
            queue="celery",
            arguments={"number": number, "tilt": number % 90},
            code=code,
            environment=where,
            host="worker-1",
            pid=4321,
        )
        yield start, _end(uid, now, known, made)
        known = [*known, *made][-INPUTS:]


def _end(
    uid: str, begun: datetime, read: list[VersionRecord], made: list[VersionRecord]
) -> RunEnded:
    return RunEnded(
        uid=uid,
        state=RunState.SUCCEEDED,
        ended_at=begun + timedelta(seconds=3),
        phases=PhaseSeconds(stage_in=0.01, body=2.9, stage_out=0.05),
        inputs=tuple(
            InputRecord(argument="source", ordinal=number, version=one, cache="hit", hits=1)
            for number, one in enumerate(read)
        ),
        outputs=tuple(
            OutputRecord(argument="made", ordinal=number, version=one, transferred_bytes=BYTES)
            for number, one in enumerate(made)
        ),
    )


def _version(number: int, origin: Any) -> VersionRecord:
    digest = Digest.of(str(number).encode())
    ref = Ref(
        type="product",
        key={"number": number},
        uri=f"bench://product/{number:09d}.dat",
        version=new_uid(),
        kind="file",
        digest=digest,
        size_bytes=BYTES,
        pin=Pin(size_bytes=BYTES, etag=digest[-32:]),
    )
    now = datetime.now(UTC)
    return VersionRecord(ref=ref, origin=origin, media_type="text/plain", recorded_at=now)
