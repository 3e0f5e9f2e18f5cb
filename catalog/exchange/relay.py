"""Relay: telling OpenLineage of runs, apart from the runs themselves.

Events are derived from the rows that runs leave anyway, so a task neither writes nor waits for
them; see docs/decisions/0021. What was sent is remembered after it was sent: an event may come
twice, and none is left out.
"""

from __future__ import annotations

import logging
import random
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import select

from rootcellar.catalog import tables as t
from rootcellar.catalog.exchange.positions import HELD, Told, acquire, begin, release, settle, take
from rootcellar.catalog.exchange.reading import whole_runs
from rootcellar.catalog.upserts import chunks
from rootcellar.schemas.errors import CatalogUnavailable, SettingsError
from rootcellar.schemas.record import new_uid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from rootcellar.catalog.engine import Database
    from rootcellar.catalog.exchange.dataset_names import DatasetNames
    from rootcellar.catalog.exchange.positions import Batch
    from rootcellar.catalog.exchange.reading import WholeRun
    from rootcellar.catalog.values import Owner

__all__ = ["Relay", "RelayOptions", "Step"]

_log = logging.getLogger("rootcellar.openlineage")

_RUNS = 25
"""Told of before it is remembered: so many may be told of twice after a crash."""
_LOOK_SECONDS = 2.0
_WAITING_SECONDS = 5.0
_LONGEST_WAIT = 300.0
_TRY_AGAIN = {401, 403, 404, 408, 425, 429}
"""Statuses that are the server's or the settings' fault, and not the event's."""


class Client(Protocol):
    """What is asked of an OpenLineage client."""

    def emit(self, event: Any) -> Any:
        """Send an event; raises whatever its transport raises."""


def _unknown(commit: str) -> str:  # noqa: ARG001  # of every commit
    return ""


@dataclass(frozen=True, kw_only=True)
class RelayOptions:
    """How runs are told of.

    Attributes:
        namespace: Of the jobs: one for each deployment.
        names: Of the datasets.
        version: Of rootcellar.
        client: An `OpenLineageClient`; made with its own configuration if left out.
        repository: Tells of a git commit where its repository is published; empty if unknown.
        holder: Names the relay among others of the catalog; one of the same name takes over from
            it at once.
    """

    namespace: str
    names: DatasetNames
    version: str
    client: Client | None = None
    repository: Callable[[str], str] = _unknown
    holder: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step did.

    Attributes:
        sent: Events that arrived.
        problem: Why it stopped, as a sentence; empty if it did not.
        is_elsewhere: Another process relays at present.
        is_done: There was nothing left to tell.
    """

    sent: int = 0
    problem: str = ""
    is_elsewhere: bool = False
    is_done: bool = False


class Relay:
    """Tells OpenLineage of the runs of one catalog, from where the last one left off.

    Of several relays of a catalog one works, and the others wait.

    Raises:
        SettingsError: The extra is not installed, or the client's configuration leads nowhere.
    """

    def __init__(self, database: Database, owner: Owner, options: RelayOptions) -> None:
        self._database = database
        self._owner = owner
        self._options = options
        self._events = _events_module()
        self._client = options.client or _configured_client()
        self._holder = options.holder or new_uid()
        self._held_until = datetime.min.replace(tzinfo=UTC)

    def begin(self, *, from_first: bool = False) -> None:
        """Begin after the last run, if no relay ever began; or else with the very first one."""
        now = datetime.now(UTC)
        self._database.write(lambda connection: begin(connection, now, from_first=from_first))

    def step(self) -> Step:
        """Tell of some runs, and remember that; safe to repeat.

        Raises:
            CatalogUnavailable: The catalog cannot be reached.
        """
        now = datetime.now(UTC)
        if not self._hold(now):
            return Step(is_elsewhere=True)
        batch = self._database.read(lambda connection: take(connection, now, _RUNS))
        sent, told, problem = self._tell(batch)
        if batch.new or batch.open or batch.forgotten:
            after = datetime.now(UTC)
            self._database.write(
                lambda connection: settle(connection, self._holder, batch, told, after)
            )
        return Step(sent=sent, problem=problem, is_done=not (batch.new or batch.open))

    def follow(self, wait: Callable[[float], bool]) -> None:
        """Tell of runs as they come, until `wait(seconds)` returns true.

        What fails is tried again after up to five minutes.
        """
        failures = 0
        while True:
            try:
                step = self.step()
            except CatalogUnavailable as error:
                step = Step(problem=str(error))
            if step.problem:
                failures += 1
                _log.warning("telling OpenLineage failed, will try again: %s", step.problem)
            elif step.sent:
                failures = 0
            if wait(_pause(step, failures)):
                return

    def close(self) -> None:
        """Let another relay take over at once, and not only after a while."""
        now = self._held_until = datetime.now(UTC)
        with suppress(CatalogUnavailable):
            self._database.write(lambda connection: release(connection, self._holder, now))

    def _hold(self, now: datetime) -> bool:
        """Take or keep the right to relay, and write only where that is needed."""
        if now < self._held_until:
            return True
        is_held = self._database.write(lambda connection: acquire(connection, self._holder, now))
        self._held_until = now + HELD / 3 if is_held else now
        return is_held

    def _tell(self, batch: Batch) -> tuple[int, list[Told], str]:
        row_ids = [*batch.open, *(one for one in batch.new if one not in batch.unknown)]
        runs = self._database.read(lambda connection: whole_runs(connection, self._owner, row_ids))
        how = self._emission(runs)
        sent, told = 0, []
        for row_id, run in zip(row_ids, runs, strict=True):
            is_started = batch.open.get(row_id, False)
            if not self._hold(datetime.now(UTC)):
                break
            try:
                sent += 0 if is_started else self._send_start(run, how)
                is_started = True
                sent += 0 if run.end is None else self._send_end(run, how)
            except Exception as error:  # noqa: BLE001 - transports raise anything
                if is_started:
                    told.append(Told(row_id, is_over=False))
                return sent, told, f"{type(error).__name__}: {error}"
            told.append(Told(row_id, is_over=run.end is not None))
        return sent, told, ""

    def _send_start(self, run: WholeRun, how: Any) -> int:
        return self._send(self._events.start_event(run.start, how))

    def _send_end(self, run: WholeRun, how: Any) -> int:
        return self._send(self._events.end_event(run, how))

    def _send(self, event: Any) -> int:
        """Send an event; one that the server will never take is logged and passed over."""
        try:
            self._client.emit(event)
        except Exception as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            if not isinstance(status, int) or not _is_refusal(status):
                raise
            _log.warning("the event of run %s was refused: %s", event.run.runId, error)
            return 0
        return 1

    def _emission(self, runs: Sequence[WholeRun]) -> Any:
        types = sorted({one.ref.type for run in runs for one in run.versions})
        commits = {run.start.code.git_commit for run in runs if run.start and run.start.code}
        parents = sorted({run.start.parent_run for run in runs if run.start} - {""})
        return self._events.Emission(
            namespace=self._options.namespace,
            names=self._options.names,
            version=self._options.version,
            templates=self._database.read(partial(_templates, types=types)),
            parents=self._database.read(partial(_tasks, uids=parents)),
            repositories={one: self._options.repository(one) for one in commits if one},
        )


def _pause(step: Step, failures: int) -> float:
    if step.problem:
        return min(2.0**failures, _LONGEST_WAIT) * random.uniform(0.5, 1)  # noqa: S311 - jitter
    if step.is_elsewhere:
        return _WAITING_SECONDS
    return _LOOK_SECONDS if step.is_done else 0.0


def _is_refusal(status: int) -> bool:
    return 400 <= status < 500 and status not in _TRY_AGAIN  # noqa: PLR2004 - HTTP's own


def _events_module() -> Any:
    try:
        from rootcellar.catalog.exchange import events  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        raise SettingsError(
            "the OpenLineage client is not installed",
            remedy="Install rootcellar[openlineage], or set openlineage to off",
        ) from error
    return events


def _configured_client() -> Client:
    """Return a client with its own configuration, if that leads anywhere.

    Left to itself it would take events and drop them, and they would count as sent.
    """
    from openlineage.client import OpenLineageClient  # noqa: PLC0415 - an optional extra

    with _unsaid("Couldn't find any OpenLineage transport"):
        client = OpenLineageClient()
    kind = client.transport.kind
    if kind == "console" and not client.config.transport:
        raise SettingsError(
            "no OpenLineage server is configured",
            remedy="Set OPENLINEAGE_URL, or write an openlineage.yml where this process runs",
        )
    if kind == "noop":
        raise SettingsError(
            "the OpenLineage client is disabled",
            remedy="Unset OPENLINEAGE_DISABLED, or set openlineage to off",
        )
    if kind == "async_http":
        raise SettingsError(
            "the OpenLineage transport async_http loses what it has not sent when it ends",
            remedy="Configure the transport http: the relay waits for nobody",
        )
    return client


@contextmanager
def _unsaid(beginning: str) -> Iterator[None]:
    """Keep the client from logging what is said here as an error, with its remedy."""

    def is_other(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(beginning)

    log = logging.getLogger("openlineage.client.client")
    log.addFilter(is_other)
    try:
        yield
    finally:
        log.removeFilter(is_other)


def _templates(connection: Connection, types: Sequence[str]) -> dict[str, str]:
    revs = t.artifact_type_rev
    found: dict[str, str] = {}
    for some in chunks(types):
        query = (
            select(t.artifact_type.c.name, revs.c.uri_template)
            .join(
                revs,
                (revs.c.type_id == t.artifact_type.c.id) & (revs.c.rev == t.artifact_type.c.rev),
            )
            .where(t.artifact_type.c.name.in_(some))
        )
        found.update((name, template) for name, template in connection.execute(query))
    return found


def _tasks(connection: Connection, uids: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in chunks(uids):
        query = (
            select(t.run.c.uid, t.task.c.name)
            .join(t.task, t.task.c.id == t.run.c.task_id)
            .where(t.run.c.uid.in_(some))
        )
        found.update((uid, name) for uid, name in connection.execute(query))
    return found
