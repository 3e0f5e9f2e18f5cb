"""The page "From the origin", on a real prefork worker and the embedded broker."""

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "origin"
LIMIT_SECONDS = 60
WEATHER = "hour,temperature_c\n0,5\n1,10\n2,20\n"

pytestmark = pytest.mark.end_to_end

# The caller is a process of its own too, so that it reads the settings of its folder.
CALLER = """
import json, sys
from artifacts import ElecData, GridModel, WeatherYear
from tasks import model_electricity
from rootcellar import Catalog

name, model = sys.argv[1], json.loads(sys.argv[2])
GridModel(model_name=name).push(model)
WeatherYear(weather_year=2012).push("weather.csv")
result = model_electricity.delay(model_name=name, weather_year=2012)
result.get(timeout=60, propagate=False)
runs = [run for run in Catalog().runs(task="model_electricity") if run.task_id == result.id]
made = result.state == "SUCCESS"
print(json.dumps({
    "state": result.state,
    "result": result.result if made else repr(result.result),
    "runs": [[run.state, run.error.cause if run.error else ""] for run in reversed(runs)],
    "inputs": [one.argument for one in runs[0].inputs],
    "rows": ElecData(model_name=name, weather_year=2012).load(list[dict]) if made else None,
}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder with a worker on it: two children, embedded broker, default settings."""
    folder = tmp_path_factory.mktemp("origin")
    (folder / "weather.csv").write_text(WEATHER)
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool=prefork"]
    options = ["--concurrency=2", "--loglevel=INFO", "--without-gossip", "--without-mingle"]
    with (folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            [*command, *options], cwd=folder, env=environment(), stdout=log, stderr=log
        )
    yield folder
    worker.send_signal(signal.SIGTERM)
    worker.wait(LIMIT_SECONDS)


def environment():
    kept = {name: value for name, value in os.environ.items() if "ROOTCELLAR" not in name}
    return {**kept, "PYTHONPATH": str(EXAMPLE)}


def run_task(folder, name, **model):
    """Send the task and return what came of it."""
    model = {"heating_mw_per_degree": 2.0, "heated_share": 0.5, **model}
    done = subprocess.run(
        [sys.executable, "-c", CALLER, name, json.dumps(model)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=2 * LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def worker_log(folder):
    return (folder / "worker.log").read_text()


class Unsteady(http.server.BaseHTTPRequestHandler):
    """Hangs up on the first two callers and serves the third."""

    hung_up = 0

    def do_GET(self):
        if Unsteady.hung_up < 2:
            Unsteady.hung_up += 1
            self.close_connection = True
            return
        body = b'{"base_load_mw": 40.0}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def unsteady_url():
    server = http.server.HTTPServer(("127.0.0.1", 0), Unsteady)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/load"
    server.shutdown()
    thread.join()
    server.server_close()


def test_files_are_found_by_argument_names_and_output_is_published(folder):
    """Inputs come by argument name, the output is published under both keys, nothing is left."""
    outcome = run_task(folder, "north", base_load_mw=40.0)
    work = folder / ".rootcellar" / "cache" / "v2" / "work"
    published = folder / ".rootcellar" / "stores" / "results" / "elec" / "north" / "2012.parquet"

    assert ["succeeded", ""] == outcome["runs"][0]
    assert ["model_name", "weather_year"] == outcome["inputs"]
    assert "results://elec/north/2012.parquet" == outcome["result"]["uri"]
    assert [80.0, 60.0, 40.0] == [row["demand_mw"] for row in outcome["rows"]]
    assert published.is_file()
    assert [] == [path for path in work.rglob("*") if not path.is_dir()]
    assert all(path.name.startswith("~") for path in work.iterdir())


def test_network_error_is_retried_and_then_succeeds(folder, unsteady_url):
    """Two lost connections make two retried runs, and the third succeeds."""
    outcome = run_task(folder, "east", load_url=unsteady_url)

    assert "SUCCESS" == outcome["state"]
    assert [
        ["retried", "network"],
        ["retried", "network"],
        ["succeeded", ""],
    ] == outcome["runs"]


def test_deterministic_error_is_not_retried(folder):
    """A division by zero would come again: one run, failed, and nothing published."""
    outcome = run_task(folder, "south", base_load_mw=40.0, heated_share=0)
    published = folder / ".rootcellar" / "stores" / "results" / "elec" / "south"

    assert [["failed", "deterministic"]] == outcome["runs"]
    assert "ZeroDivisionError" in outcome["result"]
    assert not published.exists()
    assert "ZeroDivisionError: float division by zero): not retried" in worker_log(folder)


def test_exhausted_retries_are_recorded_and_logged(folder):
    """When nobody ever answers, the last run is a failure, and one line of the log says why."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/load"
        outcome = run_task(folder, "west", load_url=url)
    lines = [line for line in worker_log(folder).splitlines() if "retries exhausted" in line]

    assert [*[["retried", "network"]] * 3, ["failed", "network"]] == outcome["runs"]
    assert 1 == len(lines)
    assert "network error (URLError" in lines[0]
    assert lines[0].endswith("retries exhausted after 4 tries")


def test_the_old_way_gives_the_same_file(folder, s3_environment):
    """What the page shows as "before" is a job that works, and makes the same numbers."""
    # Ends as a worker's child does: at a usual end, pyarrow's and boto3's threads may abort it.
    script = """
import io, json, os, boto3, pyarrow.parquet as pq
from before import BUCKET, model_electricity
bucket = boto3.resource("s3").Bucket(BUCKET)
model = {"heating_mw_per_degree": 2.0, "heated_share": 0.5, "base_load_mw": 40.0}
bucket.put_object(Key="models/north.json", Body=json.dumps(model).encode())
bucket.upload_file("weather.csv", "weather/2012.csv")
model_electricity.apply(kwargs={"model_name": "north", "weather_year": 2012}).get()
made = bucket.Object("results/elec/north/2012.parquet").get()["Body"].read()
print(pq.read_table(io.BytesIO(made))["demand_mw"].to_pylist(), flush=True)
os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**environment(), **s3_environment},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "[80.0, 60.0, 40.0]" == done.stdout.strip()
