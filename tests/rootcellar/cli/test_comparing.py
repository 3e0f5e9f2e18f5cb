from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from rootcellar.runtime import forget_runtime

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "cellar_grid"
FIRST = ("generation", "station=3", "tilt=10")


@pytest.fixture
def again(filled: Path, call) -> Path:
    """The filled project, after other weather and one of the runs on it."""
    (filled / "weather.dat").write_text("snow\n")
    pushed = call("-A", MODULE, "push", "weather", "station=3", "weather.dat")
    assert pushed.exit_code == 0, pushed.stderr
    sys.modules[MODULE].simulate.delay(weather=3, tilt=10)
    forget_runtime()
    return filled


def test_why_is_a_tree_of_causes(call, again: Path) -> None:
    """A heading, the causes down to the root, and what was not looked at."""
    lines = call("why", *FIRST).stdout.splitlines()

    assert lines == [
        "generation(station=3, tilt=10) version 2 differs from version 1 because",
        "  DATA  weather: weather(station=3) version 2, was version 1; pushed by hand",
        "  not examined: 0; unrecorded inputs cannot be excluded",
    ]


def test_why_for_programs(ask, again: Path) -> None:
    """Both versions, the sentence and every cause with its depth and changes."""
    found = ask("why", *FIRST)["why"]

    assert (found["version"]["seq"], found["than"]["seq"], found["is_same"]) == (2, 1, False)
    assert [(one["depth"], one["kind"], one["is_root"]) for one in found["causes"]] == [
        (0, "data", True)
    ]
    assert found["causes"][0]["changes"][0]["how"] == "other content"
    assert found["sentence"].endswith("weather(station=3) has other content, pushed by hand")
    assert (found["examined"], found["not_examined"]) == (2, [])


def test_why_stops_where_it_is_told(ask, again: Path) -> None:
    """What was not examined is named by its uid."""
    found = ask("why", *FIRST, "--max-nodes", 1)["why"]

    assert found["not_examined"] == [found["causes"][0]["version"]]


def test_than_takes_a_version_or_a_time(ask, refuse, again: Path) -> None:
    """By its uid or the end of that; of a span nothing was recorded before."""
    old = ask("ls", *FIRST, "--all")["versions"][-1]["version"]

    assert ask("why", *FIRST, "--than", old[-12:])["why"]["than"]["version"] == old
    assert ask("diff", *FIRST, "--than", old)["diff"]["before"] == old
    error = refuse("why", *FIRST, "--than", "7d")
    assert (error["kind"], error["exit_code"]) == ("NotInCatalog", 1)
    assert "no version of it was recorded by" in error["problem"]
    assert refuse("why", *FIRST, "--than", "2026-13-01")["exit_code"] == 2


def test_diff_of_a_version_and_the_one_before(call, ask, again: Path) -> None:
    """Topic by topic, and then what is equal."""
    lines = call("diff", *FIRST).stdout.splitlines()

    assert lines[0] == "generation(station=3, tilt=10) version 2 differs from version 1"
    assert [line.split()[0] for line in lines[1:-1]] == ["content", "inputs"]
    assert lines[-1] == "  (equal: size, code, arguments, environment)"
    changes = ask("diff", *FIRST)["diff"]["changes"]
    assert {one["topic"] for one in changes} == {"content", "inputs"}


def test_diff_of_two_artifacts(ask, again: Path) -> None:
    """A word that is no key field begins the second."""
    found = ask("diff", *FIRST, "generation", "station=3", "tilt=30")["diff"]

    assert {
        "topic": "arguments", "what": "tilt", "before": 10, "after": 30, "how": "changed",
    } in found["changes"]  # fmt: skip


def test_diff_of_two_runs(ask, again: Path) -> None:
    """By their uids; the outputs are compared as well."""
    newer, older = (
        one["run"] for one in ask("runs", "--task", "simulate", "--state", "succeeded")["runs"][:2]
    )

    found = ask("diff", older, newer)["diff"]

    assert (found["before"], found["after"]) == (older, newer)
    assert "outputs" in {one["topic"] for one in found["changes"]}


def test_diff_of_what_cannot_be_compared_is_a_wrong_call(refuse, ask, again: Path) -> None:
    """Three things, a run alone, and two things with --than."""
    run = ask("runs")["runs"][0]["run"]

    assert refuse("diff", run, run, run)["exit_code"] == 2
    assert refuse("diff", run)["exit_code"] == 2
    assert refuse("diff", run, run, "--than", "7d")["exit_code"] == 2
