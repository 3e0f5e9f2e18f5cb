"""What S3 may answer, and what an interrupted upload to it must not do."""

from __future__ import annotations

import asyncio
import gc
import http.client
import os
import pickle
import signal
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from rootcellar.schemas.errors import AccessDenied, StoreMissing, StoreUnavailable
from rootcellar.staging import Stores
from rootcellar.staging.engine.pipeline import Stoppable, Stopped, pipelined
from rootcellar.staging.stores.s3 import uploads as s3_transfer
from rootcellar.staging.stores.s3.connection import BucketConnection
from rootcellar.staging.stores.s3.s3fs_upload import PART_BYTES

BIG = bytes(PART_BYTES) + b"end"


@pytest.fixture(autouse=True)
def two_parts(monkeypatch):
    """Both ways into S3 send BIG in two parts."""
    monkeypatch.setattr(s3_transfer, "PART_BYTES", PART_BYTES)


@pytest.fixture(params=[True, False], ids=["direct", "s3fs"], autouse=True)
def way(request, monkeypatch):
    """Each way into S3 in turn, unless a test wants one."""
    monkeypatch.setattr(sys.modules[__name__], "DIRECT", request.param)
    return request.param


DIRECT = True


def s3_store(bucket, **options):
    url = f"s3://{bucket}/root"
    options = {"direct": DIRECT, **options}
    return Stores.from_mapping({"raw": {"url": url, "options": options}}).named("raw")


def all_of(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(BIG)
    return [
        lambda: store.stat("a"),
        lambda: store.write_small("a", b""),
        lambda: store.upload("a", source),
        lambda: list(store.list("")),
        lambda: store.check(writing=False),
    ]


def test_a_missing_bucket_is_a_missing_store(s3_options, tmp_path):
    """Every operation on a bucket that does not exist says so."""
    for operation in all_of(s3_store(f"missing-{uuid.uuid4()}", **s3_options), tmp_path):
        with pytest.raises(StoreMissing, match="bucket does not exist"):
            operation()


def test_no_credentials_are_denied(bucket, s3_endpoint, tmp_path, monkeypatch):
    """Without credentials anywhere, the error says that none were found."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    for operation in all_of(s3_store(bucket, endpoint_url=s3_endpoint), tmp_path):
        with pytest.raises(AccessDenied, match="no credentials"):
            operation()


@pytest.fixture
def answering(request):
    """An HTTP server that answers everything with one status and S3 error code."""
    status, code = request.param
    body = f"<Error><Code>{code}</Code><Message>canary-bucket</Message></Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            content = b"" if self.command == "HEAD" else body
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 (http.server's names)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("answering", "error"),
    [
        ((403, "AccessDenied"), AccessDenied),
        ((403, "InvalidAccessKeyId"), AccessDenied),
        ((400, "ExpiredToken"), AccessDenied),
        ((503, "SlowDown"), StoreUnavailable),
        ((500, "InternalError"), StoreUnavailable),
    ],
    indirect=["answering"],
)
def test_answers_become_our_errors(answering, error, s3_options, tmp_path, monkeypatch):
    """A store that refuses or is busy is told apart, and named by its logical URI only."""
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    options = {**s3_options, "endpoint_url": answering}
    store = s3_store("canary-bucket", **options, config_kwargs={"retries": {"max_attempts": 0}})
    operations = all_of(store, tmp_path)
    if error is AccessDenied and answering:
        operations = operations[1:]  # an answer to HEAD has no body to say why

    for operation in operations:
        with pytest.raises(error) as raised:
            operation()
        assert error.transient == raised.value.transient
        assert raised.value.uri.startswith("raw://")
        assert "canary" not in str(raised.value)
        assert str(raised.value) == str(pickle.loads(pickle.dumps(raised.value)))


@pytest.mark.parametrize("answering", [(403, "AccessDenied")], indirect=True)
def test_a_forbidden_bucket_is_denied_by_stat(answering, s3_options):
    """A HEAD that is answered 403 is a denial, not an absent object."""
    with pytest.raises(AccessDenied):
        s3_store("b", **{**s3_options, "endpoint_url": answering}).stat("a")


def test_an_endpoint_that_is_not_there_is_unavailable(s3_options):
    """A refused connection is transient."""
    options = {**s3_options, "endpoint_url": "http://127.0.0.1:9"}
    store = s3_store("b", **options, config_kwargs={"retries": {"max_attempts": 0}})

    with pytest.raises(StoreUnavailable):
        store.stat("a")


def test_a_store_that_was_used_before_a_fork_works_in_the_child(s3_stores):
    """Each process has a connection of its own."""
    store = s3_stores.named("raw")
    store.write_small("a", b"parent")

    child = os.fork()
    if child == 0:
        try:
            store.write_small("b", b"child")
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert store.stat("b").size_bytes == 5


class Proxy(ThreadingHTTPServer):
    """Holds requests that match `hold` until told, and counts those under way."""

    daemon_threads = True

    def __init__(self, endpoint):
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.netloc = urlsplit(endpoint).netloc
        self.hold = ""
        self.held, self.release = threading.Event(), threading.Event()
        self.under_way = 0


class ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.server.under_way += 1
        try:
            if self.headers.get("Expect"):
                self.send_response_only(100)
                self.end_headers()
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True
                return
            wanted = f"{self.command} {self.path}"
            if self.server.hold and self.server.hold in wanted:
                self.server.held.set()
                self.server.release.wait(30)
            upstream = http.client.HTTPConnection(self.server.netloc)
            upstream.request(self.command, self.path, body, dict(self.headers))
            response = upstream.getresponse()
            content = response.read()
            upstream.close()
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(name, value)
            length = response.getheader("Content-Length", "0")
            self.send_header(
                "Content-Length", length if self.command == "HEAD" else str(len(content))
            )
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self.server.under_way -= 1

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 (http.server's names)

    def handle_expect_100(self):
        return True

    def log_message(self, *args):
        pass


@pytest.fixture
def slow_s3(s3_endpoint):
    """A proxy before the S3 server that can hold requests."""
    proxy = Proxy(s3_endpoint)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    yield proxy
    proxy.release.set()
    proxy.shutdown()
    proxy.server_close()
    thread.join()


@pytest.mark.parametrize(
    "hold", ["partNumber=2", "POST /"], ids=["in the last part", "while it begins"]
)
def test_an_interrupted_upload_is_never_published(  # noqa: PLR0913, PLR0917 (fixtures)
    slow_s3, s3_options, s3_client, bucket, tmp_path, alarm, wait_until, hold
):
    """A soft time limit in a transfer leaves nothing that becomes visible later."""
    endpoint = f"http://127.0.0.1:{slow_s3.server_port}"
    store = s3_store(bucket, **{**s3_options, "endpoint_url": endpoint})
    store.stat("warm up")
    source = tmp_path / "source"
    source.write_bytes(BIG)
    slow_s3.hold = hold

    alarm.when(slow_s3.held)
    # Once the limit has struck, the abort must get through.
    with pytest.raises(alarm.error):
        store.upload("out/a", source)
    if not DIRECT:
        loop = store._filesystem().loop
        # While the request is still held, nothing but being cancelled can end it.
        wait_until(lambda: not any("watched" in str(task) for task in asyncio.all_tasks(loop)))
    slow_s3.release.set()
    wait_until(lambda: slow_s3.under_way == 0)

    assert store.stat("out/a") is None
    assert "Contents" not in s3_client.list_objects_v2(Bucket=bucket)
    if hold == "partNumber=2":
        assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)


def test_an_upload_that_has_just_begun_is_aborted(
    bucket, s3_options, s3_client, tmp_path, alarm, monkeypatch
):
    """A soft time limit that strikes as the store's answer comes leaves no upload behind."""
    store = s3_store(bucket, **s3_options)
    source = tmp_path / "source"
    source.write_bytes(BIG)
    place, name = (BucketConnection, "ask") if DIRECT else (type(store), "_request")
    asked = getattr(place, name)

    def strike():
        monkeypatch.setattr(place, name, asked)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    def ask(*arguments):
        answer = asked(*arguments)
        strike()
        return answer

    async def request(*arguments, **named):
        answer = await asked(*arguments, **named)
        strike()
        return answer

    monkeypatch.setattr(place, name, ask if DIRECT else request)
    with pytest.raises(alarm.error):
        store.upload("a", source)

    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("way", [False], ids=["s3fs"], indirect=True)
def test_a_limit_that_strikes_anywhere_stalls_nothing(bucket, s3_options, striking):
    """All stores of this process share one thread; it must never wait for a lock left held."""
    store = s3_store(bucket, **s3_options)
    store.write_small("a", b"x")
    struck, step = 0, 0
    while step - struck < 3:
        step += 1
        try:
            with striking(step):
                store.stat("a")
        except striking.error:
            struck += 1

    assert struck > 20
    assert 1 == store.stat("a").size_bytes


@pytest.mark.parametrize("way", [False], ids=["s3fs"], indirect=True)
def test_a_request_that_is_cut_off_before_it_begins_leaves_nothing(bucket, s3_options, wait_until):
    """Neither a coroutine that nobody waits for, of which Python would warn, nor a thread."""
    store = s3_store(bucket, **s3_options)
    store.stat("warm up")
    loop, hold, job, ended = store._filesystem().loop, threading.Event(), Stoppable(), []

    def work():
        try:
            job.run(lambda: store.stat("a"))
        except Stopped:
            ended.append("stopped")

    loop.call_soon_threadsafe(hold.wait, 30)
    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: job.cuts and len(loop._ready) > 0)
    job.halt()  # what begins the request and what ends it now wait for the loop
    hold.set()
    thread.join(30)
    gc.collect()

    assert ["stopped"] == ended


def test_an_upload_that_is_cut_off_beside_others_is_taken_back(
    slow_s3, s3_options, s3_client, bucket, tmp_path
):
    """When another item fails, its parts are dropped before the error is seen."""
    endpoint = f"http://127.0.0.1:{slow_s3.server_port}"
    store = s3_store(bucket, **{**s3_options, "endpoint_url": endpoint})
    store.stat("warm up")
    source = tmp_path / "source"
    source.write_bytes(BIG)
    slow_s3.hold = "partNumber=2"

    def work(number):
        if number:
            slow_s3.held.wait(20)
            raise LookupError
        store.upload("out/a", source)

    with pytest.raises(LookupError):
        list(pipelined([0, 1], work, parallel=2))

    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)
    slow_s3.release.set()
