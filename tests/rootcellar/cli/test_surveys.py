from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_failures_are_counted(call, ask, filled: Path) -> None:
    """By task and error, with an example whose end of uid `show` takes."""
    found = ask("failures")
    [group] = found["groups"]
    lines = call("failures").stdout.splitlines()

    assert (group["count"], group["task"], group["error"]) == (
        1,
        "simulate",
        "builtins.ValueError",
    )
    assert group["first"] == group["last"] == found["runs"][0]["started_at"]
    assert found["runs"][0]["run"] == group["run"]
    assert "beyond the vertical" in lines[1]
    assert call("show", lines[1].split()[-1]).exit_code == 0


def test_no_failure_is_no_problem(call, project: Path, filled: Path) -> None:
    """Nothing fits; and an unknown task is an error."""
    assert call("failures", "--since", "2100-01-01").stdout == "No run failed.\n"
    assert call("failures", "--task", "nothing").exit_code == 1


def test_nothing_recorded_is_nothing_failed(call, ask, project: Path) -> None:
    """Asking creates no catalog."""
    assert call("failures").stdout == "Nothing is recorded yet.\n"
    assert ask("failures") == {"groups": [], "runs": [], "note": ""}
    assert not (project / ".rootcellar").exists()


def test_gaps_can_be_piped(call, ask, filled: Path) -> None:
    """One key a line as a command takes it; argument names stand for types."""
    call("push", "weather", "station=5", "weather.dat")

    shown = call("gaps", "weather", "pv")

    assert shown.stdout == "weather station=5\n1 of 2 lack generation\n"
    assert ask("gaps", "weather", "generation")["keys"] == [{"station": 5}]
    assert ask("gaps", "weather", "generation", "station=3")["keys"] == []


def test_a_declared_type_that_nobody_made_lacks_throughout(ask, refuse, filled: Path) -> None:
    """Its fields are those of the declaration, and without a common one there is no answer."""
    error = refuse("gaps", "weather", "note")

    assert "no field in common" in error["problem"]
    assert error["exit_code"] == 1
