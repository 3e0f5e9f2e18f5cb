from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_upstream_is_a_tree(call, filled: Path) -> None:
    """From a result down to what was pushed, with the runs between."""
    lines = call("lineage", "generation", "station=3", "tilt=30").stdout.splitlines()

    assert lines[0] == "generation(station=3, tilt=30)  version 1, 13 B"
    assert "simulate" in lines[1]
    assert "weather: weather(station=3)" in lines[2]
    assert "push" in lines[3]


def test_downstream_is_a_tree(call, filled: Path) -> None:
    """From a source to everything that was made of it."""
    shown = call("lineage", "weather", "station=3", "--downstream").stdout

    assert "generation(station=3, tilt=10)" in shown
    assert "generation(station=3, tilt=30)" in shown


def test_lineage_for_programs(ask, filled: Path) -> None:
    """Versions with their depths, runs, and edges between their uids."""
    found = ask("lineage", "generation", "station=3", "tilt=30")

    assert [(one["depth"], one["type"]) for one in found["versions"]] == [
        (0, "generation"),
        (1, "weather"),
    ]
    assert sorted(one["task"] for one in found["runs"]) == ["push", "simulate"]
    ends = {one["version"] for one in found["versions"]} | {one["run"] for one in found["runs"]}
    assert {uid for edge in found["edges"] for uid in (edge["source"], edge["target"])} == ends
    assert found["note"] == ""


def test_depth_cuts_and_says_so(ask, call, filled: Path) -> None:
    """A cut lineage has a note."""
    call("pull", "weather", "station=3")

    found = ask("lineage", "weather", "station=3", "--downstream", "--depth", 1)

    assert {one["depth"] for one in found["versions"]} == {0, 1}


def test_svg_is_written(call, filled: Path) -> None:
    """The drawing is a file of its own; its name is the answer."""
    result = call("lineage", "weather", "station=3", "--downstream", "--svg", "out.svg")

    assert result.stdout == "out.svg\n"
    assert (filled / "out.svg").read_text().startswith("<svg")


def test_svg_that_cannot_be_written_is_told(refuse, filled: Path) -> None:
    """A folder that is missing is an error with the file's name."""
    error = refuse("lineage", "weather", "station=3", "--svg", "missing/out.svg")

    assert "missing/out.svg" in error["problem"]
    assert error["exit_code"] == 1


def test_mermaid_is_printed(call, filled: Path) -> None:
    """A flowchart to paste into a page."""
    result = call("lineage", "weather", "station=3", "--downstream", "--mermaid")

    assert result.stdout.startswith("flowchart LR\n")


def test_run_has_no_lineage(ask, refuse, filled: Path) -> None:
    """A run's uid is refused with the command that shows it."""
    uid = ask("runs")["runs"][0]["run"]

    assert refuse("lineage", uid)["remedy"] == f"See `rootcellar show {uid}`"
