"""Run the demo: fill the remote, start a worker, send the canvas, watch, show what came of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootcellar.demo.stations import station_numbers, try_file
from rootcellar.runtime import current_runtime, forget_runtime
from rootcellar.schemas.errors import RootcellarError
from rootcellar.schemas.record import RunState
from rootcellar.settings import Settings, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rootcellar.catalog.values import Run

__all__ = ["DemoOptions", "DemoOutcome", "Watch", "run_demo"]

_STOP_SECONDS = 20
_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Where the demo runs and how much of it.

    Attributes:
        stations: The first so many of fifteen.
        folder: For everything that has no other place; made if missing.
        store: `s3://bucket/prefix` or any other place; empty for a folder.
        catalog: `postgresql://…`; empty for SQLite in the folder.
        broker: `redis://…`; empty for the embedded broker in the folder.
    """

    stations: int = 15
    folder: Path = Path("rootcellar-demo")
    store: str = ""
    catalog: str = ""
    broker: str = ""
    concurrency: int = 2


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """What the demo did.

    Attributes:
        runs: Of this time only.
        elapsed_seconds: From the first task sent to the last one done.
        page: The HTML page.
    """

    runs: tuple[Run, ...]
    elapsed_seconds: float
    page: Path
    atlas: tuple[dict[str, Any], ...]

    @property
    def reused(self) -> int:
        """How many tasks took an earlier run's outputs over."""
        return sum(run.state is RunState.REUSED for run in self.runs)


class Watch:
    """Hears how far the demo is; this one keeps silent."""

    def progress(self, done: int, total: int, reused: int) -> None:
        """So many of so many tasks have ended, and so many of them were reused."""


def run_demo(options: DemoOptions, *, watch: Watch) -> DemoOutcome:
    """Run the demo in real worker processes and leave its page.

    Args:
        watch: Is told how far it is.

    Raises:
        RootcellarError: A task failed; the message says which and why.
    """
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    _enter(options, folder)
    stations = station_numbers()[: options.stations]
    log = folder / "worker.log"
    if not options.broker:
        # What an interrupted demo left in the queue would run and be counted now.
        shutil.rmtree(folder / "queue", ignore_errors=True)
    with _worker(options.concurrency, log) as worker:
        _fill_remote(stations)
        begun = datetime.now(UTC)
        clock = time.perf_counter()
        _wait(stations, worker, begun, watch)
        elapsed = time.perf_counter() - clock
        worker.send_signal(signal.SIGTERM)  # it winds up while the page is drawn
        return _show(_runs_since(begun), elapsed, folder)


def _enter(options: DemoOptions, folder: Path) -> None:
    """Give this process, and the worker after it, the demo's settings; leave them in the folder."""
    base = options.store.rstrip("/") or str(folder / "store")
    making = {} if options.store else {"auto_mkdir": True}
    settings = Settings.read(
        home=folder,
        stores={
            name: StoreSettings(url=f"{base}/{name}", options=making) for name in ("raw", "derived")
        },
        catalog=options.catalog,
        registry="rootcellar.demo.artifacts:REGISTRY",
    )
    os.environ.update(settings.as_environment())
    os.environ["ROOTCELLAR_DEMO_FOLDER"] = str(folder)
    if options.broker:
        os.environ["ROOTCELLAR_DEMO_BROKER"] = options.broker
    forget_runtime()
    _leave_settings(settings, folder)


def _leave_settings(settings: Settings, folder: Path) -> None:
    """Let `rootcellar ls` and a notebook find the demo when they stand in its folder."""
    lines = ['home = "."', f'registry = "{settings.registry}"']
    if not settings.catalog.startswith("sqlite"):
        lines.append("# The catalog's URL holds a password: set ROOTCELLAR_CATALOG.")
    for name, store in settings.stores.items():
        url = (
            store.url.replace(str(folder), "").lstrip("/") if "://" not in store.url else store.url
        )
        lines += ["", f"[stores.{name}]", f'url = "{url}"']
    (folder / "rootcellar.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _fill_remote(stations: Sequence[int]) -> None:
    """Put the weather files of the installed demandlib where the tasks will look for them."""
    from rootcellar.demo.artifacts import TryFile  # noqa: PLC0415 - after the settings are set

    stores = current_runtime().stores
    for station in stations:
        address = stores.store_for(TryFile(station=station).uri)
        if address.store.stat(address.key) is None:
            address.store.upload(address.key, try_file(station)).publish()


@contextmanager
def _worker(concurrency: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A prefork worker for the length of the block, logging to a file."""
    command = [sys.executable, "-m", "celery", "-A", "rootcellar.demo.tasks", "worker"]
    options = ["--pool=prefork", f"--concurrency={concurrency}", "--loglevel=INFO"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with log.open("ab") as output:
        worker = subprocess.Popen(  # noqa: S603 - our own words only
            [*command, *options, *quiet], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield worker
    finally:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _wait(
    stations: Sequence[int], worker: subprocess.Popen[bytes], begun: datetime, watch: Watch
) -> None:
    from rootcellar.demo.tasks import atlas_of, task_count  # noqa: PLC0415 - after the settings

    result = atlas_of(stations).apply_async()
    total = task_count(stations)
    while not result.ready():
        if worker.poll() is not None:
            raise RootcellarError(
                "the worker ended early", "demo", "", "Read worker.log in the demo's folder"
            )
        runs = _runs_since(begun)
        failed = next((run for run in runs if run.state is RunState.FAILED), None)
        if failed is not None:
            raise RootcellarError(
                f"{failed.task} failed: {failed.error.message if failed.error else ''}",
                "demo",
                "",
                "Read worker.log in the demo's folder",
            )
        ended = [run for run in runs if run.ended_at is not None]
        watch.progress(len(ended), total, sum(r.state is RunState.REUSED for r in ended))
        time.sleep(_POLL_SECONDS)
    result.get()
    runs = _runs_since(begun)
    watch.progress(total, total, sum(run.state is RunState.REUSED for run in runs))


def _runs_since(begun: datetime) -> tuple[Run, ...]:
    runs = current_runtime().catalog.runs(since=begun, limit=1_000)
    return tuple(run for run in runs if run.kind == "task")


def _show(runs: tuple[Run, ...], elapsed: float, folder: Path) -> DemoOutcome:
    """Write the page and return what is to be said on the terminal."""
    from rootcellar.demo.artifacts import Atlas, Monthly  # noqa: PLC0415 - after the settings
    from rootcellar.demo.page import RunFacts, page  # noqa: PLC0415 - only now

    atlas = Atlas().load().to_pylist()
    monthly = Monthly().load().to_pylist()
    catalog = current_runtime().catalog
    behind = list(catalog.upstream(Atlas()))
    reused = sum(run.state is RunState.REUSED for run in runs)
    facts = RunFacts(
        tasks_run=len(runs) - reused,
        tasks_reused=reused,
        elapsed_seconds=elapsed,
        files=len(behind) + 2,
        stored_bytes=sum(version.size_bytes for version in behind),
    )
    lineage = catalog.graph(Atlas()).folded().to_svg()
    path = folder / "atlas.html"
    path.write_text(page(atlas, monthly, lineage_svg=lineage, facts=facts), encoding="utf-8")
    return DemoOutcome(runs, elapsed, path, tuple(atlas))
