"""Attempt: one run from its first row to its last; the only place where files and rows meet.

The caller's script decides the order: `begin`, `bind`, `pin`, `reusable`, `stage_in`,
`enter("body")`, `stage_out`, `commit`; or `fail`. See `rootcellar.task` for the script of a Celery
task.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from celery.exceptions import Reject

from rootcellar.about import about
from rootcellar.deliver import deliver
from rootcellar.inputs import Reading, check_inputs, pin_input, stage, stage_known
from rootcellar.limits import soft_limit_held
from rootcellar.note_text import end_text, moment
from rootcellar.outputs import OutputDesk, refs_of
from rootcellar.progress import reporter
from rootcellar.reuse import InputContent, reuse_key, stands, taken_over
from rootcellar.run_bounds import RunEnd
from rootcellar.schemas.errors import CatalogError, InvalidKey, RootcellarError
from rootcellar.schemas.record import (
    ErrorRecord,
    OutputRecord,
    PhaseSeconds,
    RunEnded,
    RunState,
)
from rootcellar.scrub import error_text, scrubbed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootcellar.run_bounds import RunStart
    from rootcellar.runtime import Runtime
    from rootcellar.schemas.artifact import Artifact, Selection
    from rootcellar.schemas.binding import Binding
    from rootcellar.staging.session import StagingSession

__all__ = ["Attempt"]

logger = logging.getLogger("rootcellar.run")


@dataclass(slots=True)
class _Ledger:
    """What has happened so far; becomes the RunEnded record however the run ends."""

    phase: str = "bind"
    since: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    outputs: list[OutputRecord] = field(default_factory=list)
    reuse_key: str = ""
    reused_run: str = ""

    def enter(self, phase: str) -> None:
        """End a phase, whose seconds are added to those it took before, and begin the next."""
        now, seconds = time.perf_counter(), self.seconds
        seconds[self.phase] = seconds.get(self.phase, 0.0) + now - self.since
        self.phase, self.since = phase, now


class Attempt:
    """One run. Use once; safe for one thread.

    Attributes:
        start: How it began.
        enter: Names and times what happens from now on, for the record of the run.
        is_postponed: The run has succeeded, and its last row and its workdir wait for `settle`.
    """

    def __init__(self, runtime: Runtime, start: RunStart) -> None:
        self.start = start
        self._runtime = runtime
        self._ledger = _Ledger()
        self.enter = self._ledger.enter
        self._readings: list[Reading] = []
        self._desk: OutputDesk | None = None
        self._progress = reporter(runtime.settings.progress)
        self._pid = os.getpid()
        self._session: StagingSession | None = None
        self.is_postponed = False

    def begin(self) -> None:
        """Write the run's first row, or keep it on this host while the run is short.

        Raises:
            CatalogUnavailable: Nothing has happened yet.
        """
        self._runtime.starts.begin(self.start)

    def session(self) -> StagingSession:
        """Return the run's staging session, to be entered with `with`.

        Raises:
            CacheUnusable: The host cache cannot be written.
        """
        self._session = self._runtime.session(
            self.start.uid, self._progress, redelivered=self.start.redelivered
        )
        return self._session

    def pin(self, binding: Binding, session: StagingSession) -> Binding:
        """Resolve selections and hold every input to one version, before a byte moves.

        Raises:
            ArtifactNotFound: An input is missing.
        """
        self.enter("stage in")
        if binding.is_open:
            binding = binding.resolved(self._select)
        for bound in binding.inputs:
            self._readings += pin_input(bound, session, self._runtime.catalog)
        return binding

    def reusable(self, binding: Binding, session: StagingSession) -> Any:
        """Return the refs of an earlier run that did the same, or None.

        The same means: the same code, plain arguments, keys, and input contents, with outputs that
        still stand in their stores. Undecided, and None, while an input's content is unknown.
        """
        contents = self._contents()
        if self._ledger.reuse_key or contents is None:
            return None
        self._ledger.reuse_key = reuse_key(self.start.record, binding, contents)
        earlier = self._runtime.catalog.reusable(self._ledger.reuse_key)
        if earlier is None:
            return None
        for output in earlier.outputs:
            if not stands(output.version.ref, session):
                logger.info("%s: %s no longer stands; running again", self._label, output.version)
                return None
        self._ledger.reused_run = earlier.run_uid
        self._ledger.outputs = [taken_over(output) for output in earlier.outputs]
        self._end(RunState.REUSED)
        logger.info(
            "%s: reused run %s: same code, arguments and input contents",
            self._label,
            earlier.run_uid,
        )
        return refs_of(binding.outputs, self._ledger.outputs)

    def _select(self, selection: Selection) -> list[Artifact]:
        keys = self._runtime.catalog.keys(
            selection.type.type_name, **{name: list(v) for name, v in selection.where.items()}
        )
        found = []
        for key in keys:
            # What was recorded before the key's fields changed is no member any more.
            with suppress(InvalidKey):
                found.append(selection.type.from_key(key))
        return found

    def _contents(self) -> list[InputContent] | None:
        """Return what the inputs hold; None as long as one of them is unknown."""
        contents = []
        for reading in self._readings:
            pinned, staged = reading.pinned, reading.staged
            digest = staged.digest if staged else pinned.digest
            if digest is None and pinned.located is not None:
                if staged is not None:
                    logger.info(
                        "%s: not reusable: %s is streamed, and nothing knows its digest; "
                        "drop STREAMED, or stage it once",
                        self._label,
                        pinned.wanted.artifact,
                    )
                return None
            contents.append(InputContent(pinned.argument, pinned.wanted.artifact, digest))
        return contents

    def stage_in(self, binding: Binding, session: StagingSession) -> dict[str, Any]:
        """Bring every input to this host and return all arguments of the body by name.

        Raises:
            StoreError: An input cannot be read; its `transient` says whether later it may.
            ContentError: An input cannot be loaded as its annotation asks.
        """
        self.enter("stage in")
        missing = []
        for reading in self._readings:
            known = stage_known(reading.pinned, session)
            if known is not None:
                reading.begin(known)
            elif reading.pinned.located is not None:
                missing.append(reading)
        if missing:
            self._fetch(missing, session)
        arguments, readings = dict(binding.arguments), iter(self._readings)
        for bound in binding.inputs:
            arrived = [next(readings) for _ in bound.wanted]
            arguments[bound.spec.argument] = deliver(bound, arrived)
        if not binding.outputs:
            return arguments
        self._desk = OutputDesk(binding.outputs, session, task_id=self.start.task_id)
        return arguments | self._desk.arguments()

    def _fetch(self, missing: Sequence[Reading], session: StagingSession) -> None:
        """Bring inputs that this host does not have, or open their streams."""
        # Of a folder what its pin tells: what its manifest tells is added once that is read.
        located = [one.pinned.located for one in missing if not one.pinned.streamed]
        wanted_bytes = sum([one.pin.size_bytes for one in located if one is not None])
        self._progress.start(f"{self._label}: staging in", wanted_bytes)
        try:
            for reading in missing:
                self._stage_one(reading, session)
        finally:
            self._progress.finish()

    def _stage_one(self, reading: Reading, session: StagingSession) -> None:
        pinned = reading.pinned
        try:
            reading.begin(stage(pinned, session))
        except RootcellarError as error:
            doing = f"the input {pinned.argument!r} could not be staged"
            raise about(error, pinned.wanted.artifact, doing=doing) from error

    def stage_out(self, result: object, session: StagingSession) -> bool:
        """Check and upload what the body made; nothing becomes visible yet.

        Returns:
            Whether `result` was saved as the only output.

        Raises:
            MissingOutput: The body did not write a declared output.
            ContentError: An output is not what its format says.
            InputModified: The body changed an input.
            ObjectChanged: Another writer changed a linked input where it lies.
        """
        self.enter("stage out")
        check_inputs(self._readings, session)
        desk = self._desk
        if desk is None:
            return False
        saved = desk.save(result)
        self._progress.start(f"{self._label}: staging out", 0)
        try:
            desk.prepare()
        finally:
            self._progress.finish()
        return saved

    def commit(self, binding: Binding, *, may_wait: bool = False) -> Any:
        """Publish the outputs, then write the run's last row; return the refs.

        File first, row second: a row always points at bytes that exist. No soft time limit falls
        in between, nor while the workdir is removed: what is recorded as a success stays one.

        Args:
            binding: Of the run.
            may_wait: If `is_postponed` afterwards, the caller calls `settle`.
        """
        with soft_limit_held():
            if self._desk is not None:
                self.enter("stage out")
                self._ledger.outputs = self._desk.publish()
            self.enter("record")
            end = self._later_end() if may_wait else None
            if end is not None and self._runtime.starts.postpone(end):
                self.is_postponed = True
                self._require_session().leave_open()
            else:
                self._runtime.starts.finish(self._ended(RunState.SUCCEEDED))
                self._require_session().close()
        return refs_of(binding.outputs, self._ledger.outputs) if binding.outputs else None

    def _later_end(self) -> RunEnd | None:
        """Return how a run ended that nobody but who wants to know of it looks for; else None."""
        if self._ledger.outputs or self._ledger.reuse_key:
            return None
        at = time.time_ns()
        told, versions = [], []
        for reading in self._readings:
            values = reading.told()
            if values is None:
                return RunEnd.of(self._ended(RunState.SUCCEEDED))
            told.append(values)
            versions.append(values[0])
        return RunEnd(
            self.start.uid,
            versions=versions,
            text=end_text(at, self._ledger.seconds, told),
            record=lambda: self._ended(RunState.SUCCEEDED, at=moment(at)),
        )

    def settle(self, *, at_once: bool) -> None:
        """Remove the workdir and have the last row written, if that was postponed; never raises.

        Args:
            at_once: Not a moment later, with those of other runs.
        """
        if self.is_postponed:
            self.is_postponed = False
            with soft_limit_held():
                try:
                    self._require_session().close()
                except RootcellarError as error:
                    # The run is over, and the next sweep removes the rest.
                    logger.warning("%s: its files could not be removed: %s", self._label, error)
                self._runtime.starts.settle(self.start.uid, at_once=at_once)

    def fail(self, error: BaseException, *, state: RunState, cause: str = "") -> None:
        """Write the run's last row after an error; never raises in its place.

        Does nothing in a child that the body forked: the run is still its parent's.
        """
        if self._pid != os.getpid():
            return
        record = ErrorRecord(
            phase=self._ledger.phase,
            error=f"{type(error).__module__}.{type(error).__qualname__}",
            message=scrubbed(str(error), self._runtime.settings),
            traceback=scrubbed(error_text(error), self._runtime.settings),
            cause=cause,
            transient=bool(getattr(error, "transient", False)),
        )
        self._ledger.outputs = []
        try:
            self._end(state, record)
        except CatalogError as failure:
            logger.warning("%s: its end could not be recorded: %s", self._label, failure)
        # A process that is stopped, and a message that is put back, may come again.
        is_over = isinstance(error, Exception) and not isinstance(error, Reject)
        if self._session is not None and is_over and state is not RunState.RETRIED:
            self._session.forget()

    def _end(self, state: RunState, error: ErrorRecord | None = None) -> None:
        self.enter("record")
        self._runtime.starts.finish(self._ended(state, error))

    def _ended(
        self, state: RunState, error: ErrorRecord | None = None, *, at: datetime | None = None
    ) -> RunEnded:
        return RunEnded(
            uid=self.start.uid,
            state=state,
            ended_at=at or datetime.now(UTC),
            phases=PhaseSeconds.of(self._ledger.seconds),
            inputs=tuple([one for reading in self._readings if (one := reading.record())]),
            outputs=tuple(self._ledger.outputs),
            error=error,
            reuse_key=self._ledger.reuse_key if state is RunState.SUCCEEDED else "",
            reused_run=self._ledger.reused_run,
        )

    def _require_session(self) -> StagingSession:
        if self._session is None:
            msg = "a session comes first"
            raise AssertionError(msg)
        return self._session

    @property
    def _label(self) -> str:
        return f"{self.start.task}[{self.start.task_id or self.start.uid}]"
