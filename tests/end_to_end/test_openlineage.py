"""A worker tells OpenLineage of its runs, whatever happens to the relay or to the server."""

from __future__ import annotations

import gzip
import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from grid_deployment import LIMIT_SECONDS, wait_until
from prefetch_app import Leaf, app, read

from rootcellar.broker import broker_options
from rootcellar.testing import folder_worker_command, pointed, running_worker


class Consumer:
    """An OpenLineage server on the loopback; away while `is_away`."""

    def __init__(self):
        self.events = []
        self.is_away = False
        consumer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if not consumer.is_away:
                    consumer.events.append(json.loads(body))
                self.send_response(429 if consumer.is_away else 201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def of(self, uid):
        """The types of a run's events, in order, each once."""
        found = [one["eventType"] for one in self.events if one["run"]["runId"] == uid]
        return list(dict.fromkeys(found))


@pytest.fixture
def consumer():
    """A server that takes events."""
    one = Consumer()
    thread = threading.Thread(target=one.server.serve_forever)
    thread.start()
    yield one
    one.server.shutdown()
    thread.join()
    one.server.server_close()


@pytest.fixture
def worker(rootcellar_catalog, consumer, tmp_path):
    """A worker with one place that relays."""
    command = folder_worker_command("prefetch_app:app", tmp_path / "queues", "--concurrency=1")
    running = running_worker(
        app,
        command,
        tmp_path / "worker.log",
        environment={
            "ROOTCELLAR_OPENLINEAGE": "on",
            "ROOTCELLAR_OPENLINEAGE_NAMESPACE": "celery://test",
            "OPENLINEAGE_URL": consumer.url,
        },
    )
    with pointed(app, broker_options(tmp_path / "queues")), running as worker:
        wait_until(lambda: relays(worker.pid))
        yield worker


def relays(pid):
    """The relays below a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in children if "relaying_process" in command_of(one)]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""


def ran(catalog, tree, tmp_path):
    """Let the worker run a task, and return the run's uid."""
    (tmp_path / "leaf").write_text(f"leaf {tree}")
    Leaf(tree=tree).push(tmp_path / "leaf")
    result = read.delay(tree)
    result.get(timeout=LIMIT_SECONDS)
    # A short run is recorded right after its result was sent.
    (run,) = wait_until(lambda: [run for run in catalog.runs() if run.task_id == result.id])
    return run.uid


def test_events_come_though_relay_and_server_fail(worker, consumer, rootcellar_catalog, tmp_path):
    """Tasks succeed all the while; a server that is away and a killed relay cost no event."""
    whole = ["START", "COMPLETE"]
    warm = wait_until(lambda: next(iter(relays(worker.pid)), None))
    rootcellar_catalog.types()  # the tables, if the relay was not faster
    wait_until(lambda: rootcellar_catalog._database.read(has_position))
    first = ran(rootcellar_catalog, 1, tmp_path)
    wait_until(lambda: consumer.of(first) == whole)
    consumer.is_away = True
    second = ran(rootcellar_catalog, 2, tmp_path)
    os.kill(warm, signal.SIGKILL)
    third = ran(rootcellar_catalog, 3, tmp_path)
    consumer.is_away = False
    wait_until(lambda: consumer.of(second) == consumer.of(third) == whole)
    names = {(one["job"]["namespace"], one["job"]["name"]) for one in consumer.events}

    assert ("celery://test", "prefetch_app.read") in names


def has_position(connection):
    """Whether a relay has begun."""
    return connection.exec_driver_sql("SELECT count(*) FROM relay").scalar()


def test_a_relay_ends_with_its_worker(worker):
    """Also if the worker is killed and can tell nobody."""
    (relay,) = relays(worker.pid)
    os.kill(worker.pid, signal.SIGKILL)

    wait_until(lambda: "relaying_process" not in command_of(relay))
