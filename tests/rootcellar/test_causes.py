"""Causes of errors, ours, Python's and those of the libraries around us."""

import errno
import socket
import sqlite3
import ssl
import subprocess
import sys

import aiohttp
import botocore.exceptions
import numpy as np
import psycopg
import pytest
import sqlalchemy
import sqlalchemy.exc
import urllib3.exceptions
from billiard.exceptions import WorkerLostError
from celery.exceptions import SoftTimeLimitExceeded

from rootcellar.causes import _OWN, TRANSIENT, Cause, classify
from rootcellar.schemas import errors as own

tree = [getattr(own, name) for name in own.__all__]


def client_error(code, status=400):
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.exceptions.ClientError(response, "GetObject")


@pytest.mark.parametrize("kind", tree)
def test_every_error_of_ours_has_a_cause(kind):
    """No class of the tree is left to its base class."""
    assert kind in _OWN


@pytest.mark.parametrize("kind", tree)
def test_causes_agree_with_transient(kind):
    """What the tree calls transient has a cause that passes, and nothing else has."""
    passing = TRANSIENT | {Cause.DISK_FULL}
    assert (classify(kind("it failed")) in passing) is kind.transient


FOREIGN = [
    (ConnectionResetError(errno.ECONNRESET, "reset"), Cause.NETWORK),
    (BrokenPipeError(), Cause.NETWORK),
    (TimeoutError(), Cause.NETWORK),
    (socket.gaierror(socket.EAI_AGAIN, "no name"), Cause.NETWORK),
    (ssl.SSLError(1, "bad record"), Cause.NETWORK),
    (ssl.SSLCertVerificationError(1, "expired"), Cause.PERMISSION),
    (OSError(errno.ETIMEDOUT, "late"), Cause.NETWORK),
    (OSError(errno.EHOSTUNREACH, "far"), Cause.NETWORK),
    (OSError(errno.ENOSPC, "full"), Cause.DISK_FULL),
    (OSError(errno.EDQUOT, "full"), Cause.DISK_FULL),
    (OSError(errno.ENOENT, "gone"), Cause.MISSING_INPUT),
    (FileNotFoundError("gone"), Cause.MISSING_INPUT),
    (NotADirectoryError("gone"), Cause.MISSING_INPUT),
    (OSError(errno.EACCES, "no"), Cause.PERMISSION),
    (PermissionError("no"), Cause.PERMISSION),
    (OSError(errno.EROFS, "no"), Cause.PERMISSION),
    (OSError(errno.ESTALE, "stale"), Cause.STORE),
    (OSError(errno.EMFILE, "many"), Cause.RESOURCE),
    (OSError("no number"), Cause.UNKNOWN),
    (FileExistsError("there"), Cause.DETERMINISTIC),
    (ZeroDivisionError(), Cause.DETERMINISTIC),
    (OverflowError(), Cause.DETERMINISTIC),
    (ValueError(), Cause.DETERMINISTIC),
    (UnicodeDecodeError("utf-8", b"", 0, 1, ""), Cause.DETERMINISTIC),
    (TypeError(), Cause.DETERMINISTIC),
    (KeyError(), Cause.DETERMINISTIC),
    (IndexError(), Cause.DETERMINISTIC),
    (AssertionError(), Cause.DETERMINISTIC),
    (RecursionError(), Cause.DETERMINISTIC),
    (ModuleNotFoundError(), Cause.DETERMINISTIC),
    (np.linalg.LinAlgError("singular"), Cause.DETERMINISTIC),
    (MemoryError(), Cause.RESOURCE),
    (np._core._exceptions._ArrayMemoryError((9,), np.dtype(int)), Cause.RESOURCE),
    (SoftTimeLimitExceeded(), Cause.RESOURCE),
    (WorkerLostError(), Cause.RESOURCE),
    (RuntimeError(), Cause.UNKNOWN),
    (Exception(), Cause.UNKNOWN),
    (KeyboardInterrupt(), Cause.UNKNOWN),
    (client_error("SlowDown", 503), Cause.THROTTLING),
    (client_error("ThrottlingException"), Cause.THROTTLING),
    (client_error("RequestTimeout"), Cause.NETWORK),
    (client_error("InternalError", 500), Cause.STORE),
    (client_error("502", 502), Cause.STORE),
    (client_error("NoSuchKey", 404), Cause.MISSING_INPUT),
    (client_error("404", None), Cause.MISSING_INPUT),
    (client_error("AccessDenied", 403), Cause.PERMISSION),
    (client_error("InvalidArgument", 400), Cause.DETERMINISTIC),
    (client_error("", None), Cause.UNKNOWN),
    (botocore.exceptions.EndpointConnectionError(endpoint_url="x"), Cause.NETWORK),
    (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), Cause.NETWORK),
    (botocore.exceptions.ConnectionClosedError(endpoint_url="x"), Cause.NETWORK),
    (botocore.exceptions.NoCredentialsError(), Cause.PERMISSION),
    (botocore.exceptions.ParamValidationError(report="x"), Cause.DETERMINISTIC),
    (aiohttp.ServerDisconnectedError(), Cause.NETWORK),
    (aiohttp.ClientPayloadError(), Cause.NETWORK),
    (aiohttp.ClientResponseError(None, (), status=429), Cause.THROTTLING),
    (aiohttp.ClientResponseError(None, (), status=503), Cause.STORE),
    (aiohttp.ClientResponseError(None, (), status=401), Cause.PERMISSION),
    (urllib3.exceptions.ProtocolError("broken"), Cause.NETWORK),
    (urllib3.exceptions.ReadTimeoutError(None, "x", "late"), Cause.NETWORK),
    (urllib3.exceptions.LocationParseError("x"), Cause.DETERMINISTIC),
    (psycopg.OperationalError("server closed the connection"), Cause.CATALOG),
    (psycopg.errors.DeadlockDetected("x"), Cause.CATALOG),
    (psycopg.errors.SerializationFailure("x"), Cause.CATALOG),
    (psycopg.errors.InvalidPassword("x"), Cause.PERMISSION),
    (psycopg.errors.InsufficientPrivilege("x"), Cause.PERMISSION),
    (psycopg.errors.UndefinedTable("x"), Cause.DETERMINISTIC),
    (psycopg.errors.UniqueViolation("x"), Cause.DETERMINISTIC),
    (sqlalchemy.exc.TimeoutError("pool"), Cause.CATALOG),
    (
        sqlalchemy.exc.OperationalError("", {}, psycopg.errors.AdminShutdown("x")),
        Cause.CATALOG,
    ),
    (
        sqlalchemy.exc.ProgrammingError("", {}, psycopg.errors.UndefinedTable("x")),
        Cause.DETERMINISTIC,
    ),
]


@pytest.mark.parametrize(("error", "cause"), FOREIGN, ids=lambda value: repr(value)[:60])
def test_foreign_errors(error, cause):
    """Errors of Python and of libraries are known by class, number, code or status."""
    assert classify(error) is cause


@pytest.mark.parametrize("status", [("requests", 503), ("httpx", 503), ("other", 503)])
def test_http_status_without_the_library(status):
    """A status is read off an error of a known package only."""
    package, code = status
    kind = type("HTTPError", (Exception,), {"__module__": f"{package}.exceptions"})
    error = kind()
    error.response = type("Response", (), {"status_code": code})

    assert classify(error) is (Cause.UNKNOWN if package == "other" else Cause.STORE)


def test_sqlite_locked_and_wrong(tmp_path):
    """A locked database is worth a wait; a missing table is not, though the class is the same."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'x.db'}", connect_args={"timeout": 0})
    first = sqlite3.connect(tmp_path / "x.db")
    first.execute("begin exclusive")
    with pytest.raises(sqlalchemy.exc.OperationalError) as locked, engine.begin() as second:
        second.execute(sqlalchemy.text("create table t (x)"))
    first.close()
    with pytest.raises(sqlalchemy.exc.OperationalError) as missing, engine.begin() as second:
        second.execute(sqlalchemy.text("select * from nothing"))
    engine.dispose()

    assert classify(locked.value) is Cause.CATALOG
    assert classify(missing.value) is Cause.DETERMINISTIC


CHAINS = [
    (RuntimeError("x"), ConnectionError(), Cause.NETWORK, Cause.NETWORK),
    (RuntimeError("x"), KeyError(), Cause.DETERMINISTIC, Cause.DETERMINISTIC),
    (ValueError("x"), ConnectionError(), Cause.NETWORK, Cause.DETERMINISTIC),
    (ValueError("x"), own.StoreUnavailable("x"), Cause.STORE, Cause.DETERMINISTIC),
    (ValueError("x"), MemoryError(), Cause.DETERMINISTIC, Cause.DETERMINISTIC),
    (ConnectionError("x"), KeyError(), Cause.NETWORK, Cause.NETWORK),
    (FileNotFoundError("x"), ConnectionError(), Cause.MISSING_INPUT, Cause.MISSING_INPUT),
    (own.ContentError("x"), ConnectionError(), Cause.CONTENT, Cause.CONTENT),
    (own.ArtifactNotFound("x"), TimeoutError(), Cause.MISSING_INPUT, Cause.MISSING_INPUT),
    (own.StoreUnavailable("x"), client_error("SlowDown"), Cause.THROTTLING, Cause.THROTTLING),
    (own.StoreUnavailable("x"), TimeoutError(), Cause.NETWORK, Cause.NETWORK),
    (own.StoreUnavailable("x"), ValueError(), Cause.STORE, Cause.STORE),
    (own.CacheUnusable("x"), OSError(errno.ENOSPC, ""), Cause.DISK_FULL, Cause.DISK_FULL),
    (own.CacheUnusable("x"), PermissionError(), Cause.PERMISSION, Cause.PERMISSION),
]


@pytest.mark.parametrize(("outer", "inner", "raised_from", "_"), CHAINS)
def test_raised_from(outer, inner, raised_from, _):
    """What an error was raised from counts where its own class says little."""
    copy = type(outer)(*outer.args)
    copy.__cause__ = inner

    assert classify(copy) is raised_from


@pytest.mark.parametrize(("outer", "inner", "_", "while_handling"), CHAINS)
def test_raised_while_handling(outer, inner, _, while_handling):
    """A mistake in the handling of another error is still a mistake."""
    copy = type(outer)(*outer.args)
    copy.__context__ = inner

    assert classify(copy) is while_handling


def test_suppressed_context():
    """`from None` says that what was being handled is not the reason."""
    error = RuntimeError()
    error.__context__ = ConnectionError()
    before = classify(error)
    error.__suppress_context__ = True

    assert before is Cause.NETWORK
    assert classify(error) is Cause.UNKNOWN


def test_circular_chain():
    """A chain that bites its tail ends."""
    first, second = RuntimeError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first

    assert classify(first) is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("members", "cause"),
    [
        ([ConnectionError(), own.StoreUnavailable("x")], Cause.NETWORK),
        ([ConnectionError(), KeyError()], Cause.DETERMINISTIC),
    ],
)
def test_groups(members, cause):
    """A group is worth another try only if all of it is."""
    assert classify(ExceptionGroup("several", members)) is cause


def test_extra_causes():
    """A cause of one's own counts by the nearest class, before ours and the builtins."""

    class SolverBusyError(ValueError):
        pass

    class SolverBrokenError(SolverBusyError):
        pass

    extra = {SolverBusyError: Cause.THROTTLING, OSError: Cause.NETWORK}

    assert classify(SolverBusyError(), extra) is Cause.THROTTLING
    assert (
        classify(SolverBrokenError(), {**extra, SolverBrokenError: Cause.BINDING}) is Cause.BINDING
    )
    assert classify(own.AccessDenied("x"), extra) is Cause.PERMISSION
    assert classify(PermissionError(), extra) is Cause.NETWORK


def test_nothing_is_imported_to_classify():
    """Knowing foreign errors costs no import."""
    code = (
        "import sys; from rootcellar.retry import RetryPolicy; "
        "RetryPolicy().decide(KeyError(), 0); "
        "heavy = {'celery', 'kombu', 'botocore', 'sqlalchemy', 'numpy', 'aiohttp'}; "
        "print(sorted(heavy & {*sys.modules}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "[]"
