"""Prefetch: inputs of messages that a worker has reserved come while its other tasks run.

The worker's main process binds each reserved message and tells one subprocess what it will read.
It is a subprocess, and no thread, because the main process forks; it is not one of the pool,
because it must not take a task's place. Nothing depends on it: what fails is a line in the log, and
the run stages its inputs itself. See docs/howto/workers.md.
"""

from __future__ import annotations

import functools
import itertools
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import weakref
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery import bootsteps
from celery.signals import task_received, worker_shutting_down
from celery.worker import state

from rootcellar.installation import installation_of
from rootcellar.schemas.binding import bind
from rootcellar.schemas.errors import RootcellarError
from rootcellar.staging.prefetch import MESSAGE_BYTES, Upcoming
from rootcellar.task import ArtifactTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rootcellar.schemas.binding import Wanted
    from rootcellar.settings import Settings

__all__ = ["Feed", "Prefetch", "upcoming_inputs"]

_log = logging.getLogger("rootcellar.prefetch")
_SOON = timedelta(minutes=1)
_LOOK_SECONDS = 1.0
_STARTS = 3
_STOP_SECONDS = 2.0
_INPUTS_PER_TASK = 1_000
_ITEMS_PER_MESSAGE = 50
_ITEMS_BYTES = MESSAGE_BYTES - 1024


class Prefetch(bootsteps.StartStopStep):
    """The part of a worker's main process: listens to messages, and to what becomes of them."""

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._told: set[str] = set()
        self._feed: Feed | None = None
        self._is_leaving = False
        # A timer of its own thread looks after tasks where the worker has no event loop.
        self._lock = threading.Lock()

    def include_if(self, consumer: Any) -> bool:
        """Leave workers alone whose app has taken `install` back."""
        return installation_of(consumer.app) is not None

    def start(self, consumer: Any) -> None:
        """Listen. The subprocess starts with the first message that has inputs to bring."""
        task_received.connect(self._received, sender=consumer, weak=False)
        # Much earlier than `stop`, which comes when all tasks have ended.
        worker_shutting_down.connect(self._shutting_down, weak=False)

    def stop(self, consumer: Any) -> None:
        """End the subprocess. Its worker may go on, after a lost connection, and start again."""
        task_received.disconnect(self._received, sender=consumer)
        worker_shutting_down.disconnect(self._shutting_down)
        with self._lock:
            self._told.clear()
            if self._feed is not None:
                self._feed.close()
                self._feed = None

    def _shutting_down(self, **_: Any) -> None:
        """End the subprocess while tasks that run go on. Called within a signal handler."""
        self._is_leaving = True
        if self._feed is not None:
            self._feed.terminate()

    def _received(self, sender: Any, request: Any, **_: Any) -> None:
        installation = installation_of(sender.app)
        if installation is None or not isinstance(request.task, ArtifactTask):
            return
        if self._is_leaving or not _waits(request, sender.pool.num_processes):
            return
        try:
            settings = installation.settings
            if settings.prefetch == "off":
                return
            wanted = upcoming_inputs(request)
        except (RootcellarError, TypeError) as error:
            # The run will meet it too, and tell.
            _log.debug("no prefetch for task %s: %s", request.id, error)
            return
        with self._lock:
            if wanted and self._tell(settings, wanted):
                if not self._told:
                    sender.timer.call_after(_LOOK_SECONDS, self._look, (sender,))
                self._told.add(request.id)

    def _tell(self, settings: Settings, wanted: list[Upcoming]) -> bool:
        if self._feed is None:
            self._feed = Feed(settings)
        return self._feed.add(wanted)

    def _look(self, consumer: Any) -> None:
        """Tell the subprocess which tasks began, ended or were revoked; look again while any waits.

        Celery has no signal for the moment at which a child takes a message.
        """
        with self._lock:
            over = {task for task in self._told if _is_over(task)}
            self._told -= over
            if over and self._feed is not None:
                self._feed.release(over)
            if self._told:
                consumer.timer.call_after(_LOOK_SECONDS, self._look, (consumer,))


def _waits(request: Any, processes: int) -> bool:
    """Tell whether a message that was just received will be run soon, and not at once."""
    if request.eta is not None:
        return bool(request.eta - datetime.now(UTC) <= _SOON)
    return len(state.reserved_requests) >= processes


def _is_over(task: str) -> bool:
    request = state.requests.get(task)
    return request is None or request in state.active_requests or task in state.revoked


def upcoming_inputs(request: Any) -> list[Upcoming]:
    """Return what a message's run will read, as far as that is known without asking anyone.

    Selections are left out, keys whose URI has a version in it, as the catalog knows those, and
    what the body reads as a stream.

    Raises:
        RootcellarError: The message does not bind.
    """
    interface = request.task.interface()
    if interface is None or not interface.inputs:
        return []
    binding = bind(interface, request.args, request.kwargs)
    staged = (bound for bound in binding.inputs if not bound.spec.streamed)
    wanted = (one for bound in staged for one in bound.wanted)
    found = (_upcoming(request.id, one) for one in wanted)
    return list(itertools.islice((one for one in found if one is not None), _INPUTS_PER_TASK))


def _upcoming(task: str, wanted: Wanted) -> Upcoming | None:
    artifact, ref = wanted.artifact, wanted.ref
    if ref is not None:
        return Upcoming(task, ref.uri, ref.kind, ref.pin, ref.digest, ref.size_bytes)
    declaration = artifact.declaration
    if declaration.template.has_version:
        return None
    return Upcoming(task, artifact.uri, declaration.format.kind)


class Feed:
    """The subprocess, started when there is something to tell it, and again if it dies."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """Of the subprocess; None if there is none."""
        return None if self._process is None else self._process.pid

    def add(self, wanted: list[Upcoming]) -> bool:
        """Have inputs brought, and tell whether the subprocess got the message."""
        messages = _batched([one.to_json() for one in wanted])
        return all(self._send({"add": some}) for some in messages)

    def release(self, tasks: Iterable[str]) -> None:
        """Have tasks forgotten that began or came to nothing."""
        if self._process is not None:
            for some in _batched(sorted(tasks)):
                self._send({"release": some})

    def terminate(self) -> None:
        """Ask the subprocess to end, and wait for nothing."""
        if self._process is not None:
            self._process.terminate()

    def close(self) -> None:
        """End the subprocess, if there is one."""
        process, feed = self._process, self._socket
        self._process = self._socket = None
        if feed is not None:
            feed.close()
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _send(self, message: dict[str, Any]) -> bool:
        try:
            if self._process is None and not self._start():
                return False
            return self._put(message)
        except BlockingIOError:
            _log.debug("prefetch is behind; left out %d inputs", len(message.get("add", ())))
        except OSError as error:
            _log.warning("prefetching failed and will start again: %s", error.strerror)
            self.close()
        return False

    def _put(self, message: dict[str, Any]) -> bool:
        if self._socket is None:
            return False
        text = json.dumps(message).encode()
        if len(text) > MESSAGE_BYTES:
            # Cut, it would end the subprocess.
            _log.warning("settings of %d bytes are too long to be passed on", len(text))
            return False
        self._socket.send(text, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        return True

    def _start(self) -> bool:
        if self._starts == _STARTS:
            return False
        self._starts += 1
        if self._starts == _STARTS:
            _log.warning("prefetching is started for the last time in this worker")
        # Whole messages or none, and an end that the other side sees.
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A child of the pool that is forked later would keep our end open after we are gone.
        _feeds.add(self._socket)
        _close_in_children()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [
                    *(sys.executable, "-P", "-m", "rootcellar.prefetch_process"),
                    *(str(theirs.fileno()), str(os.getpid())),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        level = _log.getEffectiveLevel()
        return self._put({"settings": self._settings.as_environment(), "level": level})


def _batched(items: list[Any]) -> Iterator[list[Any]]:
    """Divide what fits into messages; leave out what fits into none."""
    batch: list[Any] = []
    size_bytes = 0
    for item in items:
        item_bytes = len(json.dumps(item)) + len(", ")
        if item_bytes > _ITEMS_BYTES:
            _log.debug("left out an input that takes %d bytes to name", item_bytes)
            continue
        if len(batch) == _ITEMS_PER_MESSAGE or size_bytes + item_bytes > _ITEMS_BYTES:
            yield batch
            batch, size_bytes = [], 0
        batch.append(item)
        size_bytes += item_bytes
    if batch:
        yield batch


_feeds: weakref.WeakSet[socket.socket] = weakref.WeakSet()


@functools.cache
def _close_in_children() -> None:
    """Arrange it once: what is registered stays as long as the process."""
    os.register_at_fork(after_in_child=_close_feeds)


def _close_feeds() -> None:
    for feed in list(_feeds):
        feed.close()
