"""Real stores in temporary places: folders, memory, and buckets of a local S3 server."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rootcellar.schemas.amount import Amount
from rootcellar.staging import Address, Cache, Stores
from rootcellar.staging.cache.space import SpaceLimits, reserved_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from rootcellar.schemas.ref import Pin
    from rootcellar.staging import Store

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)  # for `attempt_run` and `scripted`

CREDENTIALS = {"key": "testing", "secret": "testing-secret"}


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_client(s3_endpoint):
    import botocore.session

    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS["key"],
        aws_secret_access_key=CREDENTIALS["secret"],
    )
    yield client
    client.close()


@pytest.fixture
def bucket(s3_client) -> str:
    name = f"bucket-{uuid.uuid4()}"
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def s3_options(s3_endpoint) -> dict[str, Any]:
    return {
        **CREDENTIALS,
        "endpoint_url": s3_endpoint,
        "client_kwargs": {"region_name": "us-east-1"},
    }


@pytest.fixture
def s3_stores(bucket, s3_options) -> Stores:
    return Stores.from_mapping({"raw": {"url": f"s3://{bucket}/root", "options": s3_options}})


@pytest.fixture
def s3fs_stores(bucket, s3_options) -> Stores:
    options = {**s3_options, "direct": False}
    return Stores.from_mapping({"raw": {"url": f"s3://{bucket}/root", "options": options}})


@pytest.fixture
def served():
    """A server that answers by a list of functions, the last of them from then on."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.server.seen.append(f"{self.command} {self.path}")
            index = min(len(self.server.seen), len(self.server.answers)) - 1
            status, headers, body = self.server.answers[index]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 (http.server's names)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.answers = [], []
    server.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def folder_stores(tmp_path) -> Stores:
    (tmp_path / "store").mkdir()
    return Stores.from_mapping({"raw": str(tmp_path / "store")})


@pytest.fixture
def memory_stores() -> Stores:
    return Stores.from_mapping({"raw": f"memory://{uuid.uuid4()}"})


@pytest.fixture(params=["folder", "memory", "s3", "s3 versioned", "s3fs"])
def stores(request) -> Stores:
    """Each kind of store in turn, empty, named `raw`."""
    if request.param.endswith(" versioned"):
        request.getfixturevalue("s3_client").put_bucket_versioning(
            Bucket=request.getfixturevalue("bucket"), VersioningConfiguration={"Status": "Enabled"}
        )
    kind = request.param.partition(" ")[0]
    return request.getfixturevalue(f"{kind}_stores")


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def cache_of(tmp_path) -> Callable[..., Cache]:
    """Open the cache with a budget in bytes, no floor and no patience unless given."""

    def opened(budget: int, *, floor: int = 0, wait_seconds: float = 0.0) -> Cache:
        limits = SpaceLimits(Amount(budget), Amount(floor), wait_seconds)
        return Cache(tmp_path / "cache", limits)

    return opened


@pytest.fixture
def put(folder_stores) -> Callable[[str, bytes], tuple[Address, Pin]]:
    """Write an object into a store, and return what fetches it."""

    def written(key: str, content: bytes) -> tuple[Address, Pin]:
        address = folder_stores.store_for(f"raw://{key}")
        return address, address.store.write_small(key, content)

    return written


def ledger_and_disk(cache: Cache) -> tuple[int, int]:
    """The bytes that the ledger counts, and those of entries, reservations and quarantine."""
    with cache.ledger.opened() as account:
        counted = account.used_bytes or 0
    entries = sum(entry.size_bytes for entry in cache.entries.walk())
    return counted, entries + reserved_bytes(str(cache.root)) + cache.quarantine.count()[1]


@pytest.fixture(name="ledger_and_disk")
def ledger_and_disk_fixture():
    return ledger_and_disk


@dataclass
class Meddled:
    """A store that lets a test act before some of its reads, and may alter what they answer."""

    store: Store
    before_read: Callable[[int], None] = lambda _: None
    alter: Callable[[bytes], bytes] = lambda content: content
    reads: list[tuple[int, int]] = field(default_factory=list)
    algorithm: str = "sha256"
    place: str = ""
    parallel: int = 1

    def uri(self, key: str) -> str:
        return self.store.uri(key)

    def stat(self, key: str) -> Pin | None:
        return self.store.stat(key)

    def read(self, key: str, pin: Pin, start: int, end: int) -> bytes:
        self.before_read(len(self.reads))
        self.reads.append((start, end))
        return self.alter(self.store.read(key, pin, start, end))

    def stream(self, key: str, pin: Pin, start: int, end: int) -> Generator[bytes, None, None]:
        yield self.read(key, pin, start, end)


@pytest.fixture
def meddled(stores) -> Address:
    return Address(Meddled(stores.named("raw")), "big.bin")


def wait_until(condition: Callable[[], bool], limit_seconds: float = 20.0) -> None:
    end = time.monotonic() + limit_seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        os.sched_yield()


@pytest.fixture(name="wait_until")
def wait_until_fixture():
    return wait_until


class SoftLimitError(Exception):
    pass


class Alarm:
    """Raises in the main thread, as Celery's soft time limit does."""

    error = SoftLimitError

    def __init__(self) -> None:
        self._begun: list[tuple[threading.Event, threading.Thread]] = []

    def __call__(self) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def when(self, begun: threading.Event) -> None:
        """Strike once that is set."""
        thread = threading.Thread(target=lambda: begun.wait(20) and self())
        thread.start()
        self._begun.append((begun, thread))

    def end(self) -> None:
        for begun, thread in self._begun:
            begun.set()
            thread.join()


@pytest.fixture
def alarm() -> Iterator[Alarm]:
    """A soft time limit, which cannot strike after its test."""

    def raise_limit(*_: object) -> None:
        raise SoftLimitError

    made, old = Alarm(), signal.signal(signal.SIGUSR1, raise_limit)
    yield made
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    made.end()
    signal.signal(signal.SIGUSR1, old)


@pytest.fixture
def files_below() -> Callable[[Path], list[str]]:
    """All files below a folder, hidden ones too, relative and sorted; not a cache's own two."""

    def listed(top: Path) -> list[str]:
        names = (p.relative_to(top).as_posix() for p in top.rglob("*") if not p.is_dir())
        return sorted(name for name in names if name not in {"usage", "eviction"})

    return listed


@pytest.fixture
def play() -> Iterator[Callable[..., Any]]:
    """Return what starts a server with a script, and a wire that leads there."""
    from scripted import Script

    from rootcellar.staging.stores.http.wire import Endpoint, Wire

    scripts = []

    def begin(*answers: Any, server_tls: Any = None, **endpoint: Any) -> tuple[Script, Wire]:
        script = Script(answers, server_tls)
        scripts.append(script)
        return script, Wire(Endpoint("127.0.0.1", script.port, **endpoint))

    yield begin
    for script in scripts:
        script.close()
