"""Real workers for tests: an app of yours in a process of its own, on the embedded broker.

`python -m rootcellar.testing module:app FOLDER …` is such a worker: the app with its broker and
its results replaced by a folder, and Celery's own `worker` options after it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.utils.imports import symbol_by_name

from rootcellar.broker import broker_options
from rootcellar.runtime import current_settings
from rootcellar.schemas.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Worker", "app_named", "folder_worker_command", "main", "pointed", "running_worker"]

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_LOG_CHARACTERS = 3_000
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process that answers.

    Attributes:
        app: The caller's end of it: send tasks with this app.
        name: Its node name.
        pid: Of the parent of its children.
        log: What it wrote.
    """

    app: Celery
    name: str
    pid: int
    log: Path


def app_named(name: str) -> Celery:
    """Return the app that `module:app` names.

    Raises:
        SettingsError: There is none, or it is no Celery app.
    """
    try:
        found = symbol_by_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"there is no app {name!r}: {error}",
            remedy="Name it as module:app, importable from where the tests run",
        ) from error
    if not isinstance(found, Celery):
        raise SettingsError(
            f"{name!r} is a {type(found).__name__}, not a Celery app", remedy="Name the app itself"
        )
    return found


@contextmanager
def pointed(app: Celery, options: Mapping[str, object]) -> Iterator[None]:
    """Let an app of this process send to another broker and read results from another backend.

    Its own come back when the block ends.

    Args:
        app: Whose configuration is changed.
        options: Celery's settings, such as `broker_options(folder)`.
    """
    before = {name: app.conf.get(name) for name in options}
    _point(app, options)
    try:
        yield
    finally:
        _point(app, before)


def _point(app: Any, options: Mapping[str, object]) -> None:
    """Change where an app's broker and results are, and forget its connections to the old ones."""
    app.conf.update(options)
    amqp = app.__dict__.get("amqp")
    if amqp is not None:
        amqp._producer_pool = None  # noqa: SLF001 - as Celery does after a fork
    app._pool = None  # noqa: SLF001
    app._backend_cache = None  # noqa: SLF001
    app._local.__dict__.pop("backend", None)  # noqa: SLF001


@contextmanager
def running_worker(
    app: Celery,
    command: Sequence[str],
    log: Path,
    *,
    name: str = "worker@rootcellar",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Worker]:
    """Start a worker process, wait until it answers, and stop it when the block ends.

    Args:
        app: Its other end in this process, on the same broker.
        command: Starts it; `--hostname` is added.
        log: Gets its output.
        name: Its node name.
        environment: Variables beside this process's own.

    Raises:
        SettingsError: A store in memory, which no other process could see.
        RuntimeError: It ended early or did not answer; the end of its log is in the message.
    """
    _refuse_memory()
    variables = {**os.environ, "PYTHONPATH": _import_path(), **(environment or {})}
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - what the test asked for
            [*command, f"--hostname={name}", *_QUIET],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,  # so that its children can be ended with it
        )
    try:
        _wait_for_answer(app, name, process, log)
        yield Worker(app, name, process.pid, log)
    finally:
        _stop(process)


def folder_worker_command(app_name: str, folder: Path, *options: str) -> list[str]:
    """Return the command of a prefork worker for an app on the embedded broker in a folder."""
    command = [sys.executable, "-m", "rootcellar.testing", app_name, str(folder)]
    return [*command, "--pool=prefork", "--loglevel=INFO", *options]


def _refuse_memory() -> None:
    settings = current_settings()
    in_memory = sorted(n for n, s in settings.stores.items() if s.url.startswith("memory:"))
    if in_memory:
        raise SettingsError(
            f"the stores {', '.join(in_memory)} lie in this process's memory, "
            "where a worker process does not see them",
            remedy="Use a folder or s3 for tests with a worker: "
            '@pytest.mark.rootcellar_store("folder")',
        )


def _import_path() -> str:
    """Return what lets a child import all that this process can."""
    return os.pathsep.join([str(Path.cwd()), *(path for path in sys.path if path)])


def _wait_for_answer(app: Celery, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not app.control.ping(destination=[name], timeout=0.5, limit=1):
        if process.poll() is not None:
            raise RuntimeError(f"the worker ended early:\n{_end_of(log)}")
        if time.monotonic() > deadline:
            raise RuntimeError(
                f"the worker did not answer in {_START_SECONDS:.0f} s:\n{_end_of(log)}"
            )


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_CHARACTERS:]


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main(arguments: Sequence[str]) -> None:
    """Run a worker: the app's name, the folder of its broker, then Celery's worker options."""
    app = app_named(arguments[0])
    app.conf.update(broker_options(Path(arguments[1])))
    app.worker_main(["worker", *arguments[2:]])
