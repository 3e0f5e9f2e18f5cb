"""`openlineage relay` on the command line."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def events(project, call, tmp_path, monkeypatch):
    """A pushed file, and where the client writes events."""
    (tmp_path / "w.dat").write_text("sun")
    result = call("push", "weather", "station=3", tmp_path / "w.dat")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", str(tmp_path / "events"))
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__APPEND", "true")

    assert 0 == result.exit_code, result.output
    return tmp_path / "events"


def test_all_runs_are_told_of(events, call):
    """With the settings' namespace and the stores' names."""
    told = call(
        "openlineage", "relay", "--all",
        ROOTCELLAR_OPENLINEAGE_NAMESPACE="celery://x", ROOTCELLAR_STORES='{"raw": "s3://grid/raw"}',
    )  # fmt: skip
    start, end = map(json.loads, events.read_text().splitlines())

    assert "2 events sent\n" == told.output
    assert ("START", "COMPLETE") == (start["eventType"], end["eventType"])
    assert ("celery://x", "push") == (end["job"]["namespace"], end["job"]["name"])
    assert [("s3://grid", "raw/weather")] == [
        (one["namespace"], one["name"]) for one in end["outputs"]
    ]


def test_a_second_relay_goes_on(events, call):
    """Nothing is told twice without a crash."""
    call("openlineage", "relay", "--all")
    again = call("openlineage", "relay", "--json")

    assert {"sent": 0} == json.loads(again.output)


def test_a_server_that_is_away_is_an_error(events, call):
    """It is told how far it came, and that it can be repeated."""
    away = call(
        "openlineage", "relay", "--all", OPENLINEAGE__TRANSPORT__LOG_FILE_PATH="/no/such/folder/x"
    )

    assert 1 == away.exit_code
    assert "after 0 events: " in away.stderr
