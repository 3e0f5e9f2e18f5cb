from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "cellar_grid"


@pytest.fixture
def newer(filled: Path, call) -> Path:
    """The filled project, after other weather was pushed."""
    (filled / "weather.dat").write_text("snow\n")
    pushed = call("-A", MODULE, "push", "weather", "station=3", "weather.dat")
    assert pushed.exit_code == 0, pushed.stderr
    return filled


def test_nothing_is_stale_at_first(call, ask, filled: Path) -> None:
    """That is an answer, for people and for programs."""
    assert call("stale").stdout == "Nothing is stale.\n"
    assert ask("stale") == {"stale": [], "more": False}


def test_nothing_is_recorded_yet(call, ask, project: Path) -> None:
    """A question creates no catalog."""
    assert call("stale").stdout == "Nothing is recorded yet.\n"
    assert ask("stale", "weather") == {"stale": [], "more": False}
    assert not (project / ".rootcellar").exists()


def test_stale_is_a_table(call, newer: Path) -> None:
    """Artifact, cause, input, and which versions of it."""
    lines = call("stale", "generation", "tilt=30").stdout.splitlines()

    assert lines[0].split() == ["artifact", "seq", "cause", "argument", "input", "read", "now"]
    assert lines[1].split() == [
        "generation", "station=3", "tilt=30", "1", "changed", "weather", "weather", "station=3",
        "1", "2",
    ]  # fmt: skip
    assert len(lines) == 2


def test_stale_for_programs(ask, refuse, newer: Path) -> None:
    """With both versions of the input; a limit says that there is more."""
    found = ask("stale", "--limit", 1)

    assert (len(found["stale"]), found["more"]) == (1, True)
    one = found["stale"][0]
    assert (one["cause"], one["input"]) == ("changed", {"type": "weather", "key": {"station": 3}})
    assert (one["recorded"]["seq"], one["current"]["seq"]) == (1, 2)
    assert len(ask("stale", "--limit", 0)["stale"]) == 2
    assert ask("stale", "report") == {"stale": [], "more": False}
    assert refuse("stale", "generation", "tilt=steep")["exit_code"] == 2


def test_impact_is_what_to_run_again(call, filled: Path) -> None:
    """What depends, the effort, and the steps."""
    lines = call("impact", "weather", "station=3").stdout.splitlines()

    assert lines[0] == "2 generation made from weather(station=3)"
    assert lines[1].startswith("  2 runs in 1 step: about ")
    assert lines[3].split() == ["step", "task", "runs", "makes", "took", "in", "out", "from"]
    assert lines[4].split()[:5] == ["1", "simulate", "2", "2", "generation"]
    assert lines[4].endswith("2 past runs")


def test_impact_for_programs(ask, filled: Path) -> None:
    """Versions with their depths, and the plan with the runs to repeat."""
    found = ask("impact", "weather", "station=3")["impact"]

    assert [(one["depth"], one["type"]) for one in found["versions"]] == [(1, "generation")] * 2
    (step,) = found["plan"]["steps"]
    assert (step["task"], len(step["runs"]), step["past_runs"]) == ("simulate", 2, 2)
    assert found["plan"]["runs"] == 2
    assert found["plan"]["seconds"] == pytest.approx(2 * step["seconds_each"])
    assert found["note"] == ""
    assert ask("impact", "weather", "station=3", "--max-nodes", 1)["impact"]["note"]


def test_an_end_has_no_impact(call, filled: Path) -> None:
    """No table of steps without steps."""
    assert call("impact", "generation", "station=3", "tilt=30").stdout == (
        "no current version made from generation(station=3, tilt=30)\n  nothing to run again\n"
    )
