"""What `doctor` looks at beside Celery: settings, registry, stores, cache, catalog, extras."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rootcellar.cli import wording
from rootcellar.cli.celery_checks import written_stores
from rootcellar.cli.check import Check
from rootcellar.runtime import stores_of
from rootcellar.schemas.amount import Amount
from rootcellar.schemas.errors import AccessDenied, CatalogError, RootcellarError
from rootcellar.schemas.mounts import network_file_system
from rootcellar.settings import find_settings_file
from rootcellar.spool import Spool
from rootcellar.staging.cache.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootcellar.cli.project import Project
    from rootcellar.settings import Settings
    from rootcellar.staging.stores import Stores

__all__ = [
    "check_cache",
    "check_catalog",
    "check_extras",
    "check_registry",
    "check_settings",
    "check_spool",
    "check_stores",
]

_LEAST_FREE_BYTES = 1_000_000_000
_LEAST_BUDGET_BYTES = 10_000_000
_EXTRAS = {
    "s3": ("s3fs",),
    "postgres": ("psycopg",),
    "redis": ("redis",),
    "demo": ("demandlib", "pvlib", "windpowerlib", "pandas"),
}


def check_settings(project: Project) -> Iterator[Check]:
    """Can the settings be read."""
    file = find_settings_file(Path.cwd())
    home = project.settings.home
    yield Check("settings", "ok", f"read from {file.name}" if file else f"no file; home is {home}")


def check_registry(project: Project) -> Iterator[Check]:
    """Can the registry be imported."""
    registry = project.registry
    if registry is None:
        yield Check(
            "registry",
            "note",
            "none is known, so types and Celery were not checked",
            "Name the Celery app with -A, or set registry (ROOTCELLAR_REGISTRY)",
        )
    else:
        types = wording.count(len(registry), "type")
        yield Check("registry", "ok", f"{registry.name}, {types}")


def check_stores(project: Project) -> Iterator[Check]:
    """Does each store exist, and may it be read and written."""
    settings = project.settings
    stores = stores_of(settings)
    schemes = {one.declaration.template.scheme for one in project.registry or ()}
    unnamed = schemes - set(stores.names) - set(settings.allowed_protocols)
    must_write = written_stores(project.app)
    for name in sorted(set(stores.names) | unnamed):
        if name in unnamed and settings.default_folder is not None:
            yield _folder_to_come(f"store {name}", settings.default_folder / name)
        else:
            yield _store(stores, name, must_write=must_write is None or name in must_write)
    if not stores.names and not unnamed:
        yield _folder_to_come("stores", settings.home / "stores")


def _store(stores: Stores, name: str, *, must_write: bool) -> Check:
    title = f"store {name}"
    try:
        store = stores.named(name)
        store.check(writing=False)
    except RootcellarError as error:
        return Check.of(title, error)
    try:
        store.check(writing=True)
    except AccessDenied as error:
        if must_write:
            return Check.of(title, error)
        return Check(title, "note", "may be read, not written; no task of the app writes there")
    except RootcellarError as error:
        return Check.of(title, error)
    return Check(title, "ok", "may be read and written")


def _folder_to_come(title: str, folder: Path) -> Check:
    """Check a folder that is made on first use, without making it."""
    existing = _existing(folder)
    if not os.access(existing, os.W_OK | os.X_OK):
        return Check(
            title,
            "problem",
            f"{existing} may not be written",
            "Name the store's place in the settings (stores), or set home (ROOTCELLAR_HOME)",
        )
    return Check(title, "ok", f"{folder}{'' if existing == folder else ', made on first use'}")


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def check_cache(project: Project) -> Iterator[Check]:
    """Is the cache on a local disk with room, where hard links work."""
    folder = project.settings.cache_folder
    remedy = "Set cache_dir (ROOTCELLAR_CACHE_DIR) to a folder on a local disk"
    try:
        if folder.exists():
            Cache(folder)
        links = _links_work(_existing(folder))
    except RootcellarError as error:
        yield Check.of("cache", error)
        return
    except OSError as error:
        yield Check("cache", "problem", f"{folder} may not be written: {error.strerror}", remedy)
        return
    yield Check("cache", "ok", str(folder))
    network = network_file_system(_existing(folder))
    if network:
        yield Check("cache disk", "problem", f"it is a network file system ({network})", remedy)
    if not links:
        problem = "hard links do not work, so that inputs are copied"
        yield Check("cache disk", "problem", problem, remedy)
    yield _cache_space(project.settings)


def _cache_space(settings: Settings) -> Check:
    """Check that downloads find room: above the floor, and in the budget."""
    disk = shutil.disk_usage(_existing(settings.cache_folder))
    budget = Amount.parse(settings.cache_budget).of(disk.total)
    floor = Amount.parse(settings.cache_floor).of(disk.total)
    said = f"{wording.size(disk.free)} free"
    if disk.free < max(floor, _LEAST_FREE_BYTES):
        kept = f", of which cache_floor keeps {wording.size(floor)}" if floor else ""
        remedy = "Free space, set cache_dir to a larger disk, or cache_floor to less"
        return Check("cache space", "problem", f"only {said}{kept}", remedy)
    if budget < _LEAST_BUDGET_BYTES:
        problem = f"the budget is {wording.size(budget)}, and a larger input is refused"
        return Check("cache space", "problem", problem, "Set cache_budget to more")
    return Check("cache space", "ok", f"{said}, budget {wording.size(budget)}")


def _links_work(folder: Path) -> bool:
    with tempfile.TemporaryDirectory(prefix=".rootcellar-", dir=folder) as scratch:
        first = Path(scratch, "first")
        first.touch()
        try:
            Path(scratch, "second").hardlink_to(first)
        except OSError:
            return False
        return True


def check_catalog(project: Project) -> Iterator[Check]:
    """Is the catalog there, at a revision we can write."""
    try:
        health = project.catalog.check()
    except CatalogError as error:
        yield Check.of("catalog", error)
        return
    if not health.is_reachable:
        remedy = (
            "Put a copy of the file in its place, or correct catalog (ROOTCELLAR_CATALOG)"
            if health.url.startswith("sqlite")
            else "Start the database, or correct catalog (ROOTCELLAR_CATALOG)"
        )
        yield Check("catalog", "problem", health.problem, remedy)
        return
    if health.problem:
        remedy = "Upgrade rootcellar if it is newer; else run `rootcellar catalog upgrade` once"
        yield Check("catalog", "problem", f"{health.url}: {health.problem}", remedy)
        return
    file = Path(health.url.removeprefix("sqlite:///")) if health.url.startswith("sqlite") else None
    if file is not None and (network := network_file_system(_existing(file))):
        problem = f"SQLite on a network file system ({network}) loses records"
        yield Check("catalog", "problem", problem, "Use Postgres, or put the file on a local disk")
    elif file is not None and not health.revision and not _is_writable(file):
        remedy = "Set catalog (ROOTCELLAR_CATALOG) to a place that may be written"
        yield Check("catalog", "problem", f"{_existing(file)} may not be written", remedy)
    else:
        state = f"revision {health.revision}" if health.revision else "made on first use"
        yield Check("catalog", "ok", f"{health.url}, {state}")


def check_spool(project: Project) -> Iterator[Check]:
    """Do records of runs wait on this host, and for how long."""
    settings = project.settings
    spool = Spool(settings.spool_folder)
    waiting, rejected = spool.waiting(), spool.rejected()
    if waiting:
        records = wording.count(len(waiting), "record")
        oldest = wording.age(waiting[0].since)
        verb = "waits" if len(waiting) == 1 else "wait"
        said = f"{records} {verb} on this host for the catalog, the oldest for {oldest}"
        yield Check("spool", "note", said, "Run `rootcellar catalog replay`")
    if rejected:
        said = f"{wording.count(len(rejected), 'record')} the catalog does not take"
        remedy = f"`rootcellar catalog spool` says why; they are in {spool.reject_folder}"
        yield Check("rejected", "problem", said, remedy)
    if waiting or rejected:
        return
    if settings.catalog_away == "fail":
        yield Check("spool", "ok", "off: runs fail while the catalog is away")
    else:
        yield Check("spool", "ok", "nothing waits")


def _is_writable(file: Path) -> bool:
    return os.access(_existing(file), os.W_OK | os.X_OK)


def check_extras(project: Project) -> Iterator[Check]:
    """Are the extras installed that the settings need."""
    settings, app = project.settings, project.app
    broker = str(app.conf.broker_url or "") if app is not None else ""
    protocols = {store.url.partition("://")[0] for store in settings.stores.values()}
    needed = {
        "s3": bool({"s3", "s3a"} & {*protocols, *settings.allowed_protocols}),
        "postgres": settings.catalog.startswith("postgres"),
        "redis": broker.startswith(("redis", "rediss")),
        "demo": False,
    }
    missing = {
        name: [one for one in modules if importlib.util.find_spec(one) is None]
        for name, modules in _EXTRAS.items()
    }
    for name in _EXTRAS:
        if missing[name] and needed[name]:
            problem = f"{', '.join(missing[name])} is not installed, and the settings need it"
            yield Check(f"extra {name}", "problem", problem, f"Install rootcellar[{name}]")
    there = [name for name in _EXTRAS if not missing[name]]
    yield Check("extras", "ok", f"installed: {', '.join(there) or 'none'}")
