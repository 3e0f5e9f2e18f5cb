"""Runtime: the stores, cache and catalog of one process, opened after the fork on first use."""

from __future__ import annotations

import functools
import logging
import os
import socket
import time
from typing import TYPE_CHECKING

from rootcellar.away import RunsCatalog
from rootcellar.schemas.amount import Amount
from rootcellar.schemas.errors import CatalogError
from rootcellar.settings import Settings
from rootcellar.spool import Spool
from rootcellar.staging.cache.cache import Cache
from rootcellar.staging.cache.space import SpaceLimits
from rootcellar.staging.session import StagingSession
from rootcellar.staging.stores import Stores
from rootcellar.staging.workdir.workdir import sweep
from rootcellar.starts import Starts

if TYPE_CHECKING:
    from rootcellar.progress import Reporter
    from rootcellar.schemas.registry import Registry

__all__ = [
    "Runtime",
    "cache_of",
    "catalog_of",
    "current_runtime",
    "current_settings",
    "forget_runtime",
]

logger = logging.getLogger("rootcellar")

_SWEEP_SECONDS = 60.0


class Runtime:
    """What one process works with; never shared across a fork.

    Making one reclaims what dead processes of this host left behind, and opens no connection.

    Attributes:
        pid: Of the process that made it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.host = socket.gethostname()
        self.stores = stores_of(settings)
        self.catalog = catalog_of(settings)
        self.starts = Starts(
            self.catalog,
            lambda: self.cache.root / "runs",
            spool_start=self.catalog.spool_start if self.catalog.may_be_away else None,
        )
        self.pid = os.getpid()
        self._declared: set[str] = set()
        self._sweep_due = 0.0

    @functools.cached_property
    def cache(self) -> Cache:
        """The host's cache; opened on first use, when a run can be recorded as failed by it.

        Raises:
            CacheUnusable: It cannot be written.
        """
        return cache_of(self.settings)

    def close(self) -> None:
        """Close this process's connections and notes; the next use opens new ones."""
        self.starts.close()
        self.catalog.close()

    def declare(self, registry: Registry) -> None:
        """Mirror the registry's types into the catalog, once per process and revision.

        Raises:
            CatalogUnavailable: The database cannot be reached, and runs shall fail then.
        """
        fingerprint = registry.fingerprint()
        if fingerprint not in self._declared:
            try:
                self.catalog.declare(registry.records())
            except CatalogError:
                if not self.catalog.may_be_away:
                    raise
                return  # the next run will; until then types are known by name
            self._declared.add(fingerprint)

    def session(self, run: str, progress: Reporter, *, redelivered: bool = False) -> StagingSession:
        """Return the staging session of one run, to be entered with `with`.

        Args:
            run: Its uid.
            progress: Hears of all transfers.
            redelivered: Its message was delivered before, so a process died, perhaps on this host.

        Raises:
            CacheUnusable: The host cache cannot be written.
        """
        if redelivered or time.monotonic() > self._sweep_due:
            try:
                self.sweep()
            except CatalogError as error:
                # Their workdirs stay, and so the next run here tries again.
                logger.warning("Dead runs of this host could not be marked lost. %s", error)
        return StagingSession(
            self.stores,
            self.cache,
            # By its name a sweep finds a run that has no note; another takes a folder as it is.
            run_uid=None if self.starts.has_note(run) else run,
            progress=progress,
            link_local=self.settings.link_local,
        )

    def sweep(self) -> tuple[str, ...]:
        """Remove what dead processes of this host left, mark their runs lost, return their uids.

        Raises:
            CatalogUnavailable: Runs that could not be marked keep their workdirs.
        """
        self.catalog.look_after_waiting()
        self.cache.sweep()
        lost = self.starts.sweep()
        lost += sweep(self.cache, lost=lambda uid: self.catalog.mark_lost([uid]))
        self._sweep_due = time.monotonic() + _SWEEP_SECONDS
        if lost:
            logger.warning("Runs of this host died: %s", ", ".join(sorted(set(lost))))
        return tuple(sorted(set(lost)))


def stores_of(settings: Settings) -> Stores:
    """Return the stores that the settings name; `env:NAME` options read from the environment."""
    named = {
        name: {"url": store.url, "options": store.resolved_options()}
        for name, store in settings.stores.items()
    }
    return Stores.from_mapping(
        named,
        allowed_protocols=settings.allowed_protocols,
        default_folder=settings.default_folder,
        algorithm=settings.digest,
    )


def catalog_of(settings: Settings) -> RunsCatalog:
    """Return the catalog that the settings name, as runs use it; opens nothing."""
    goes_on = settings.catalog_away == "spool"
    return RunsCatalog(settings.catalog, Spool(settings.spool_folder) if goes_on else None)


def cache_of(settings: Settings) -> Cache:
    """Open the host's cache that the settings name.

    Raises:
        CacheUnusable: It cannot be written, or not safely shared.
    """
    budget, floor = Amount.parse(settings.cache_budget), Amount.parse(settings.cache_floor)
    return Cache(settings.cache_folder, SpaceLimits(budget, floor))


class _Process:
    """The one runtime of this process, for whoever was given no settings of their own."""

    settings: Settings | None = None
    runtime: Runtime | None = None


def current_settings() -> Settings:
    """Return this process's settings; read on first use.

    Raises:
        SettingsError: A setting is unknown or has the wrong type.
    """
    if _Process.settings is None:
        _Process.settings = Settings.read()
    return _Process.settings


def current_runtime() -> Runtime:
    """Return this process's runtime; made on first use, and again after a fork."""
    runtime = _Process.runtime
    if runtime is None or runtime.pid != os.getpid():
        runtime = _Process.runtime = Runtime(current_settings())
    return runtime


def forget_runtime() -> None:
    """Let the next use read the settings again; for tests and notebooks that change them."""
    if _Process.runtime is not None and _Process.runtime.pid == os.getpid():
        _Process.runtime.close()
    _Process.settings = _Process.runtime = None
