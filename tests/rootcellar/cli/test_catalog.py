"""`rootcellar catalog`: how it is, what waits for it, and entering that."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from rootcellar.run_text import WaitingRun
from rootcellar.runtime import current_settings, forget_runtime
from rootcellar.schemas.record import RunEnded, RunStarted, RunState, new_uid
from rootcellar.spool import Spool


def a_run():
    start = RunStarted(uid=new_uid(), kind="task", task="late", started_at=datetime.now(UTC))
    end = RunEnded(uid=start.uid, state=RunState.SUCCEEDED, ended_at=datetime.now(UTC))
    return WaitingRun(start, end)


@pytest.fixture
def spool(project):
    return Spool(current_settings().spool_folder)


def test_asking_changes_nothing(call, ask, project):
    """Before anything was recorded there is no catalog, and it stays so."""
    found = ask("catalog", "check")

    assert (True, True, "", 0) == (
        found["is_usable"], found["is_reachable"], found["revision"], found["waiting"],
    )  # fmt: skip
    assert [] == ask("catalog", "spool")["waiting"]
    assert 0 == ask("catalog", "replay")["entered"]
    assert "Nothing waits" in call("catalog", "spool").stdout
    assert "Nothing waits" in call("catalog", "replay").stdout
    assert not (project / ".rootcellar").exists()


def test_what_waits_is_listed_and_entered(call, ask, spool):
    """By whoever asks, once; then nothing waits."""
    runs = [a_run(), a_run()]
    for run in runs:
        spool.keep(run)
    listed = ask("catalog", "spool")
    shown = call("catalog", "spool", "--limit", "1").stdout
    waiting = ask("catalog", "check")["waiting"]
    done = call("catalog", "replay")

    assert [run.uid for run in runs] == [one["run"] for one in listed["waiting"]]
    assert (2, 2) == (listed["waiting_in_all"], waiting)
    assert runs[0].uid[-8:] in shown
    assert "1 more" in shown
    assert (0, "2 records entered.\n") == (done.exit_code, done.stdout)
    assert {run.uid for run in runs} == {
        one["run"] for one in ask("runs", "--task", "late")["runs"]
    }
    assert [] == ask("catalog", "spool")["waiting"]


def test_what_is_rejected_is_told(call, ask, spool):
    """With its name and the reason, and the exit code says so once."""
    spool.keep(a_run())
    (path,) = spool.folder.glob("*.json")
    whole = path.read_text()
    path.write_text("{half a record")
    done = call("catalog", "replay")
    again = call("catalog", "replay")
    (rejected,) = ask("catalog", "spool")["rejected"]

    assert (1, 0) == (done.exit_code, again.exit_code)
    assert "1 record rejected" in done.stdout
    assert path.name == rejected["name"]
    assert "Error" in rejected["reason"]
    assert "rejected" in call("catalog", "spool").stdout
    (path.parent / "rejected" / path.name).write_text(whole)
    assert (1, 0) == (_rejected(call), call("catalog", "replay", "--rejected").exit_code)
    assert 0 == _rejected(call)


def _rejected(call):
    return len(json.loads(call("catalog", "spool", "--json").stdout)["rejected"])


def test_doctor_calls_what_is_rejected_a_problem(call, spool):
    """Somebody has to look at it."""
    spool.keep(a_run())
    (path,) = spool.folder.glob("*.json")
    path.write_text("7")
    call("catalog", "replay")

    assert {"rejected": "problem"}.items() <= {
        one["name"]: one["state"] for one in _checks(call)
    }.items()


def test_doctor_mentions_what_waits(call, spool):
    """A note: it is no problem while it is not for long."""
    spool.keep(a_run())
    (check,) = [one for one in _checks(call) if one["name"] == "spool"]

    assert "note" == check["state"]
    assert "1 record waits on this host" in check["detail"]


def test_a_catalog_that_is_away_is_told_by_the_exit_code(call, spool, monkeypatch):
    """And what waits goes on waiting."""
    spool.keep(a_run())
    monkeypatch.setenv("ROOTCELLAR_CATALOG", "postgresql://nobody@127.0.0.1:1/none")
    forget_runtime()

    assert 1 == call("catalog", "check").exit_code
    done = call("catalog", "replay")

    assert 1 == done.exit_code
    assert "1 record still waiting" in done.stdout
    assert 1 == len(spool.waiting())


def test_upgrading_twice_is_no_harm(call, spool):
    """The first makes what is not there."""
    first, second = call("catalog", "upgrade"), call("catalog", "upgrade")

    assert (0, 0) == (first.exit_code, second.exit_code)
    assert "from revision none" in first.stdout
    assert "already" in second.stdout


def _checks(call):
    return json.loads(call("doctor", "--json").stdout)["checks"]
