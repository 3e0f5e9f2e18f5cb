from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_the_map_names_types_and_tasks(call, ask, filled: Path) -> None:
    """Each once, with what is read and made under which argument."""
    found = ask("map")
    lines = call("map").stdout.splitlines()

    assert {"source": "weather", "target": "simulate", "argument": "weather"} in found["edges"]
    assert {"source": "simulate", "target": "generation", "argument": "generation"} in found[
        "edges"
    ]
    assert {"task": "simulate", "about": "3 runs, 1 failed"} in found["tasks"]
    assert {"type": "generation", "about": "2 artifacts"} in found["types"]
    assert any(line.endswith("simulate  3 runs, 1 failed") for line in lines)
    assert ask("map", "--since", "2100-01-01") == {"types": [], "tasks": [], "edges": []}


def test_a_graph_is_given_in_every_form(call, ask, project: Path, filled: Path) -> None:
    """SVG and a page into files, Mermaid and Graphviz as text; of map and lineage alike."""
    for words in (("map",), ("lineage", "pv", "station=3", "tilt=30")):
        done = call(*words, "--svg", "a.svg", "--html", "a.html")

        assert done.stdout.split() == ["a.svg", "a.html"]
        assert (project / "a.svg").read_text().startswith("<svg")
        assert (project / "a.html").read_text().startswith("<!DOCTYPE html>")
        assert call(*words, "--mermaid").stdout.startswith("flowchart LR\n")
        assert call(*words, "--dot").stdout.startswith("digraph lineage {\n")
        ask(*words, "--svg", "b.svg")
        assert (project / "b.svg").exists()
        (project / "b.svg").unlink()


def test_a_file_that_cannot_be_written_is_told(call, filled: Path) -> None:
    """With its name."""
    done = call("map", "--html", "nowhere/a.html")

    assert done.exit_code == 1
    assert "nowhere/a.html" in done.stderr


def test_an_option_is_no_file_to_draw_into(filled, refuse, project):
    """Of two options the first one would take the second as its value."""
    error = refuse("map", "--svg", "--html")

    assert 2 == error["exit_code"]
    assert "'--html' is an option" in error["problem"]
    assert not (project / "--html").exists()
