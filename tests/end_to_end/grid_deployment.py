"""What the end-to-end tests work with: a deployment, and a task in this process."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from celery.signals import before_task_publish
from grid_app import Alone, app
from grid_artifacts import Weather, registry

from rootcellar import RetryPolicy, install
from rootcellar.runtime import current_runtime, forget_runtime
from rootcellar.settings import Settings
from rootcellar.testing import pointed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from celery.result import AsyncResult

    from rootcellar.catalog.catalog import Catalog
    from rootcellar.catalog.values import Run
    from rootcellar.testing import Worker

LIMIT_SECONDS = 60
CANARY = "canary-d41d8cd98f"
_stations = count(1)


def wait_until(condition: Callable[[], Any], limit_seconds: float = LIMIT_SECONDS) -> Any:
    """Wait until a condition holds, and return what it gave."""
    end = time.monotonic() + limit_seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class Deployment:
    """One place where everything is: settings, broker and results, a worker's log."""

    name: str
    folder: Path
    settings: Settings
    celery: dict[str, Any]
    command: list[str]

    @property
    def environment(self) -> dict[str, str]:
        own = {"ROOTCELLAR_SETTINGS_FILE": str(self.folder / "rootcellar.toml")}
        broker = {} if self.name == "folders" else {"GRID_BROKER": self.celery["broker_url"]}
        signs = {"GRID_FOLDER": str(self.folder / "signs")}
        return {**self.settings.as_environment(), **own, **broker, **signs}

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Make this process a caller of the deployment."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        forget_runtime()
        try:
            with pointed(app, self.celery):
                yield
        finally:
            forget_runtime()
            os.environ.clear()
            os.environ.update(before)


@dataclass(frozen=True)
class Grid:
    """A deployment with its worker running, entered: what tests work with."""

    deployment: Deployment
    worker: Worker
    catalog: Catalog

    @property
    def folder(self) -> Path:
        return self.deployment.folder

    @property
    def cache(self) -> Path:
        return self.deployment.settings.cache_folder / "v2"

    def workdirs(self) -> list[Path]:
        """Those that a run has or had: what lies ready for the next holds no more than `out`."""
        return [
            path
            for path in (self.cache / "work").iterdir()
            if not path.name.startswith("~") or {*path.rglob("*")} - {path / "out"}
        ]

    def sign(self, name: str) -> Path:
        return self.folder / "signs" / name

    def put(self, artifact: Any, text: str) -> None:
        """Let bytes be there that no run made."""
        address = current_runtime().stores.store_for(artifact.uri)
        source = self.folder / f"put-{uuid.uuid4()}"
        source.write_text(text)
        address.store.upload(address.key, source).publish()
        source.unlink()

    def station(self, text: str = "sun wind rain") -> int:
        """Return a station of this test's own, with weather."""
        station = next(_stations)
        self.put(Weather(station=station), text)
        return station

    def exists(self, artifact: Any) -> bool:
        address = current_runtime().stores.store_for(artifact.uri)
        return address.store.stat(address.key) is not None

    def stored(self, store: str) -> list[str]:
        """All keys of a store."""
        return sorted(one.key for one in current_runtime().stores.named(store).list(""))

    def runs(self, result: AsyncResult | str) -> list[Run]:
        """The runs of one message, in order."""
        task_id = result if isinstance(result, str) else result.id
        found = [run for run in self.catalog.runs() if run.task_id == task_id]
        return sorted(found, key=lambda run: run.uid)

    def ended(self, result: AsyncResult) -> Any:
        """Wait for a task, and return its result or raise its error."""
        return result.get(timeout=LIMIT_SECONDS)

    def failed(self, result: AsyncResult) -> Exception:
        """Wait for a task that fails, and return its error."""
        error = result.get(timeout=LIMIT_SECONDS, propagate=False)
        assert result.state == "FAILURE", result.state
        return error

    @contextlib.contextmanager
    def nothing_sent(self) -> Iterator[None]:
        """Hold that no message leaves this process in the block, and the queue does not grow."""
        published: list[Any] = []
        waiting = self._waiting()
        before_task_publish.connect(
            lambda **sent: published.append(sent), weak=False, dispatch_uid="grid"
        )
        try:
            yield
        finally:
            before_task_publish.disconnect(dispatch_uid="grid")
        assert published == []
        assert self._waiting() <= waiting  # messages of tests before may still be taken

    def _waiting(self) -> int:
        with app.connection_for_read() as connection, connection.channel() as channel:
            declared = channel.queue_declare("celery", durable=True)
            return int(declared.message_count)

    def log(self) -> str:
        return self.worker.log.read_text()


@dataclass(frozen=True)
class Eager:
    """Settings of one test's own, and a task that is run in this process."""

    folder: Path
    catalog: Catalog

    def prepare(self) -> None:
        """Let the catalog have its tables."""
        assert len(self.catalog.runs()) == 0
        self.catalog.dispose()

    def failing(self, **settings: Any) -> BaseException:
        """Run a task that reads weather, under these settings, and return its error."""
        alone = Alone("eager", set_as_current=False)
        given = Settings.read(home=self.folder, progress="off", **settings)
        install(alone, registry, policy=RetryPolicy.off(), settings=given)

        @alone.task
        def count_words(weather) -> int:
            return len(weather.read_text())

        error = count_words.apply(args=[1]).result
        assert isinstance(error, BaseException)
        return error
