"""Fixtures for the tests of projects that use rootcellar; see docs/howto/testing.md.

Pytest imports this module in every run of everyone who has rootcellar installed, so it imports
nothing but pytest; each fixture imports what it needs.
"""

from __future__ import annotations

import os
import uuid
from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from rootcellar.catalog.catalog import Catalog
    from rootcellar.settings import Settings, StoreSettings
    from rootcellar.testing import FaultProxy, Worker

__all__: list[str] = []

_KINDS = ("folder", "memory", "s3")
_OPTION = "rootcellar_store"
_FAULTS = "rootcellar_faults"
_PREFIX = "ROOTCELLAR_"
_IMPATIENT = {"connect_timeout": 2, "read_timeout": 2, "retries": {"max_attempts": 1}}
"""Of a store with a fault proxy before it, so that what stalls is given up while a test waits."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option that chooses the kind of store."""
    parser.addini(
        _OPTION, "where rootcellar_settings puts stores: folder, memory or s3", default="folder"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker that chooses the kind of store for one test."""
    config.addinivalue_line(
        "markers", f"{_OPTION}(kind): put this test's stores into a folder, memory or s3"
    )


@pytest.fixture(scope="session")
def rootcellar_s3_server() -> Iterator[str]:
    """URL of an S3 server in this process, for the length of the session; needs moto[server]."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - takes seconds

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def rootcellar_faults(rootcellar_s3_server: str) -> Iterator[FaultProxy]:
    """A proxy before this test's S3 store, which lets go wrong what the test asks for.

    A test that asks for it has its stores in S3. They wait two seconds for a byte, and try each
    request twice.
    """
    from rootcellar.testing import FaultProxy  # noqa: PLC0415

    with FaultProxy(rootcellar_s3_server) as proxy:
        yield proxy


@pytest.fixture
def rootcellar_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[str], StoreSettings]:
    """Where a store of a given name lies in this test: a folder, memory, or a bucket of its own.

    Chosen by parametrizing this fixture with `indirect=True`, else by the marker
    `rootcellar_store(kind)`, else by the ini option of that name.
    """
    from rootcellar.settings import StoreSettings  # noqa: PLC0415

    kind = _kind(request)
    if kind == "folder":
        stores = tmp_path / "rootcellar" / "stores"
        return lambda name: StoreSettings(url=str(stores / name), options={"auto_mkdir": True})
    if kind == "memory":
        space = uuid.uuid4()
        return lambda name: StoreSettings(url=f"memory://{space}/{name}")
    endpoint = request.getfixturevalue("rootcellar_s3_server")
    bucket = _new_bucket(endpoint)
    options: dict[str, Any] = {
        "endpoint_url": endpoint,
        "key": "testing",
        "secret": "testing",
        "client_kwargs": {"region_name": "us-east-1"},
    }
    if _FAULTS in request.fixturenames:
        options["endpoint_url"] = request.getfixturevalue(_FAULTS).url
        options["config_kwargs"] = _IMPATIENT
    return lambda name: StoreSettings(url=f"s3://{bucket}/{name}", options=options)


def _kind(request: pytest.FixtureRequest) -> str:
    marker = request.node.get_closest_marker(_OPTION)
    chosen = getattr(request, "param", None)
    faults = _FAULTS in request.fixturenames
    if chosen is None and marker and marker.args:
        chosen = marker.args[0]
    if chosen is None:
        chosen = "s3" if faults else request.config.getini(_OPTION)
    if chosen not in _KINDS:
        raise pytest.UsageError(f"{_OPTION} is one of {', '.join(_KINDS)}, not {chosen!r}")
    if faults and chosen != "s3":
        raise pytest.UsageError(f"{_FAULTS} stands before s3 only, and {_OPTION} is {chosen!r}")
    return str(chosen)


def _new_bucket(endpoint: str) -> str:
    from urllib.request import Request, urlopen  # noqa: PLC0415

    bucket = f"test-{uuid.uuid4()}"
    with urlopen(Request(f"{endpoint}/{bucket}", method="PUT")):  # noqa: S310 - our own server
        return bucket


@pytest.fixture
def rootcellar_settings(
    rootcellar_store: Callable[[str], StoreSettings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Settings]:
    """Settings of this test alone: every store elsewhere, a fresh catalog and a fresh cache.

    They stand in the environment too, so that processes the test starts see the same. Stores are
    those that the project's settings name and those that stand in the URIs of its artifact types.
    """
    from rootcellar.runtime import forget_runtime  # noqa: PLC0415
    from rootcellar.settings import Settings  # noqa: PLC0415

    project = Settings.read()
    home = tmp_path / "rootcellar"
    home.mkdir(exist_ok=True)
    own = home / "rootcellar.toml"
    own.touch()
    for name in [name for name in os.environ if name.startswith(_PREFIX)]:
        monkeypatch.delenv(name)
    # An empty file, so that nothing of the project's own file is mixed in.
    monkeypatch.setenv("ROOTCELLAR_SETTINGS_FILE", str(own))
    settings = Settings.read(
        home=home,
        stores={name: rootcellar_store(name) for name in sorted(_names(project))},
        allowed_protocols=project.allowed_protocols,
        registry=project.registry,
        progress="off",
    )
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    forget_runtime()
    yield settings
    forget_runtime()


def _names(project: Settings) -> set[str]:
    """Return the names of the stores that this project uses."""
    from rootcellar.schemas.artifact import Artifact  # noqa: PLC0415

    schemes = {kind.declaration.template.text.partition("://")[0] for kind in _declared(Artifact)}
    stores = {name for name in schemes if name.replace("-", "").isalnum()}
    return {*project.stores, *stores} - set(project.allowed_protocols)


def _declared(kind: Any) -> Iterable[Any]:
    for subclass in kind.__subclasses__():
        if subclass.type_name:
            yield subclass
        yield from _declared(subclass)


@pytest.fixture
def rootcellar_catalog(rootcellar_settings: Settings) -> Iterator[Catalog]:
    """The catalog of this test."""
    from rootcellar.catalog.catalog import Catalog  # noqa: PLC0415

    with Catalog(rootcellar_settings.catalog) as catalog:
        yield catalog


@pytest.fixture
def rootcellar_worker(
    rootcellar_settings: Settings,  # noqa: ARG001 - in the environment before a worker starts
    tmp_path: Path,
) -> Iterator[Callable[..., Worker]]:
    """Start real prefork workers: `rootcellar_worker("module:app", concurrency=1)`.

    Each is a process of its own on the embedded broker in a folder of this test. The app of this
    process sends there too while the test lasts. Returns when the worker answers.
    """
    from rootcellar.broker import broker_options  # noqa: PLC0415
    from rootcellar.testing import (  # noqa: PLC0415
        app_named,
        folder_worker_command,
        pointed,
        running_worker,
    )

    folder = tmp_path / "rootcellar" / "queues"
    numbers = count()
    here: set[str] = set()
    with ExitStack() as stack:

        def start(app_name: str, *options: str, concurrency: int = 1) -> Worker:
            app = app_named(app_name)
            number = next(numbers)
            if app_name not in here:
                stack.enter_context(pointed(app, broker_options(folder)))
            here.add(app_name)
            command = folder_worker_command(
                app_name, folder, f"--concurrency={concurrency}", *options
            )
            return stack.enter_context(
                running_worker(
                    app,
                    command,
                    tmp_path / f"worker-{number}.log",
                    name=f"worker-{number}@rootcellar",
                )
            )

        yield start
