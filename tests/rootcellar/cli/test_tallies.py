from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_attempts_by_whatever_names_the_message(call, ask, filled: Path) -> None:
    """A version, its run, the end of its uid, and Celery's task id."""
    [run] = ask("show", "generation", "station=3", "tilt=30")["version"]["made_by"]["run"].split()
    task_id = ask("show", run)["run"]["task_id"]

    for words in (["generation", "station=3", "tilt=30"], [run], [run[-8:]], [task_id]):
        [found] = ask("attempts", *words)["runs"]
        assert found["run"] == run
        assert found["left"] == ["generation(station=3, tilt=30) version 1"]
    assert "succeeded" in call("attempts", run).stdout


def test_attempts_of_nothing_are_told(refuse, filled: Path) -> None:
    """An unknown id is an error with a remedy."""
    error = refuse("attempts", "00000000-0000-0000-0000-000000000000")

    assert (error["kind"], error["exit_code"]) == ("NotInCatalog", 1)
    assert error["remedy"]


def test_coverage_is_a_grid(call, ask, filled: Path) -> None:
    """Each combination of what is given and what is recorded."""
    found = ask("coverage", "generation", "tilt=10", "tilt=40")

    assert [(one["key"], one["state"]) for one in found["keys"]] == [
        ({"station": 3, "tilt": 10}, "present"),
        ({"station": 3, "tilt": 40}, "missing"),
    ]
    assert found["keys"][0]["recorded_at"].endswith("Z")
    shown = call("coverage", "pv", "tilt=10", "tilt=40", "--missing").stdout
    assert shown.splitlines()[1:] == [
        "generation station=3 tilt=40  missing",
        "1 of 2 present, 1 missing",
    ]


def test_duplicates_are_named(call, ask, filled: Path) -> None:
    """Of all types or one; and none is no error."""
    assert call("duplicates").stdout == "No bytes are there twice.\n"
    call("push", "weather", "station=5", "weather.dat")

    [found] = ask("duplicates", "weather")["contents"]

    assert found["which"] == ["weather(station=3)", "weather(station=5)"]
    assert "weather(station=3), weather(station=5)" in call("duplicates").stdout


def test_costs_are_summed_up(call, ask, filled: Path) -> None:
    """By task, with an end of its name and a time; nothing is no error."""
    [found] = ask("cost", "--task", "simulate")["tasks"]

    assert (found["runs"], found["failed"], found["succeeded"]) == (3, 1, 2)
    assert call("cost").stdout.splitlines()[0].split()[:2] == ["task", "runs"]
    assert call("cost", "--since", "2100-01-01").stdout == "No run fits.\n"
