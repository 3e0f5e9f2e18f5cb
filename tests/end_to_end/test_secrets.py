"""No secret and no path of this host in a message, a row, a log line or an error."""

from __future__ import annotations

import json

import pytest
from grid_deployment import CANARY


def rows_of(catalog):
    """Every cell of every table, as one text."""
    from sqlalchemy import MetaData

    engine = catalog._database
    metadata = MetaData()

    def read(connection):
        metadata.reflect(connection)
        return [
            row for table in metadata.tables.values() for row in connection.execute(table.select())
        ]

    return "\n".join(str(tuple(row)) for row in engine.read(read))


@pytest.fixture
def told(any_grid):
    """Everything that this deployment told anybody: rows, log, a message, errors."""
    from celery.signals import before_task_publish
    from grid_app import takes_secret, trouble

    messages = []

    def keep(body=None, headers=None, **_):
        kept = {n: v for n, v in headers.items() if n not in {"argsrepr", "kwargsrepr", "origin"}}
        messages.append(json.dumps([body, kept], default=repr))

    before_task_publish.connect(keep, weak=False, dispatch_uid="keep")
    try:
        station = any_grid.station()
        errors = [
            any_grid.failed(takes_secret.delay(station, api_token=f"{CANARY}-wrong")),
            any_grid.failed(takes_secret.delay(999, f"{CANARY}-positional")),
            any_grid.failed(trouble.delay(station, "value")),
        ]
        any_grid.ended(takes_secret.delay(station, f"{CANARY}-right"))
    finally:
        before_task_publish.disconnect(dispatch_uid="keep")
    return {
        "rows": rows_of(any_grid.catalog),
        "messages": "\n".join(messages),
        "errors": "\n".join(map(str, errors[:2])),
        "log": "\n".join(
            line for line in any_grid.log().splitlines() if "grid_app.takes_secret[" in line
        ),
        "ours": "\n".join(line for line in any_grid.log().splitlines() if "error (" in line),
    }


def test_no_secret_is_told(told):
    """Passwords of stores and catalogs, and arguments that are named like one, stand nowhere."""
    leaks = [name for name, text in told.items() if name != "messages" and CANARY in text]

    assert leaks == []
    # The caller puts its own arguments into the message; ours go nowhere near it.
    assert "testing-canary" not in told["messages"]
    assert '"***"' in told["rows"] or "'***'" in told["rows"]


def test_no_host_path_is_told(told, any_grid):
    """Where stores, cache and workdirs lie on this host stands nowhere, tracebacks included."""
    place = str(any_grid.folder)
    leaks = [name for name in ("rows", "messages", "errors", "ours") if place in told[name]]

    assert leaks == []
    assert "<cache>" in told["rows"]
    assert "<cache>" in told["ours"]


def test_unbound_call_keeps_its_secret(any_grid):
    """A call that does not even bind is recorded without the secret that was passed by place."""
    from grid_app import app

    result = app.send_task("grid_app.takes_secret", [1, f"{CANARY}-unbound", "surplus"])
    error = any_grid.failed(result)
    (run,) = any_grid.runs(result)

    assert CANARY not in str(error)
    assert run.arguments["api_token"] == "***"
    assert CANARY not in rows_of(any_grid.catalog)
