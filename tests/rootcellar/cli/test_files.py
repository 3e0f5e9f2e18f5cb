from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def test_uri_both_ways(call, ask) -> None:
    """What one direction prints the other reads."""
    words = ["report", "side=north", "day=2026-01-31", "scale=1", "final=true"]

    uri = call("uri", *words).stdout.strip()

    assert uri == "derived://report/north/2026-01-31_1.0_true.txt"
    assert call("uri", uri).stdout == ("report side=north day=2026-01-31 scale=1.0 final=true\n")
    assert ask("uri", uri) == {
        "uri": uri,
        "type": "report",
        "key": {"side": "north", "day": "2026-01-31", "scale": 1.0, "final": True},
    }


def test_text_is_never_taken_for_a_number(ask) -> None:
    """A str field keeps `007` and `true` as they are typed."""
    for name in ("007", "7", "true", "a=b"):
        assert ask("uri", "note", f"name={name}")["key"] == {"name": name}


@pytest.mark.parametrize(
    "word", ["side=up", "day=2026-02-30", "day=7", "scale=much", "final=yes", "final=1"]
)
def test_value_of_the_wrong_type_names_its_field(refuse, word: str) -> None:
    """Each type refuses what is no spelling of it, as a wrong call."""
    good = {"side": "north", "day": "2026-01-31", "scale": "1.5", "final": "true"}
    name, _, value = word.partition("=")
    words = [f"{field}={text}" for field, text in {**good, name: value}.items()]

    error = refuse("uri", "report", *words)

    assert f"'{name}'" in error["problem"]
    assert (error["artifact"], error["kind"], error["exit_code"]) == ("report", "InvalidKey", 2)


@pytest.mark.parametrize("word", ["station=x", "station=1.0", "station=true", "station=03"])
def test_integer_is_strict(refuse, word: str) -> None:
    """`1.0`, `true` and `03` are no integers."""
    assert "'station'" in refuse("uri", "weather", word)["problem"]


def test_uri_of_no_type_is_refused(refuse) -> None:
    """A URI that no template renders is a wrong call that lists the templates."""
    error = refuse("uri", "raw://weather/3.dat")

    assert error["problem"] == "no declared type has artifacts there"
    assert "raw://weather/{station:02d}.dat" in error["remedy"]


def test_uri_needs_a_registry(project: Path, refuse) -> None:
    """Without one the error says how to name it."""
    (project / "rootcellar.toml").write_text("")

    assert "-A" in refuse("uri", "weather", "station=3")["remedy"]


def test_registry_that_is_none_is_told(project: Path, refuse) -> None:
    """The setting must lead to a registry."""
    (project / "rootcellar.toml").write_text('registry = "cellar_grid:app"\n')

    assert refuse("types")["problem"] == "'cellar_grid:app' is no registry"


def test_push_and_pull(project: Path, call, ask) -> None:
    """What was pushed comes back byte for byte, and both are recorded."""
    (project / "here.dat").write_text("sun\n")

    ref = ask("push", "weather", "station=7", "here.dat")["ref"]
    pulled = ask("pull", "weather", "station=7", "--to", "back.dat")

    assert ref["uri"] == "raw://weather/07.dat"
    assert pulled == {
        "path": "back.dat",
        "type": "weather",
        "key": {"station": 7},
        "uri": "raw://weather/07.dat",
    }
    assert (project / "back.dat").read_text() == "sun\n"
    assert [one["kind"] for one in ask("runs")["runs"]] == ["pull", "push"]
    assert ask("types")["types"][3]["what"] == "Hourly weather of one station."


def test_pull_takes_a_folder_and_its_own_name(filled: Path, call) -> None:
    """Into a folder the file keeps its name; without --to it lands in the working folder."""
    (filled / "data").mkdir()

    assert call("pull", "weather", "station=3", "--to", "data").stdout == "data/03.dat\n"
    assert call("pull", "raw://weather/03.dat").stdout == "03.dat\n"
    assert (filled / "03.dat").read_text() == (filled / "data/03.dat").read_text()


def test_pull_of_a_uid_gives_that_version(filled: Path, call, ask) -> None:
    """A version's uid pins it."""
    uid = ask("ls", "generation", "tilt=10")["versions"][0]["version"]

    assert call("pull", uid, "--to", "ten.json").exit_code == 0
    assert json.loads((filled / "ten.json").read_text()) == {"sum": 90}


def test_pull_replaces_nothing_unasked(filled: Path, call, refuse) -> None:
    """A file that differs stays, until --overwrite."""
    (filled / "03.dat").write_text("mine")

    error = refuse("pull", "weather", "station=3")

    assert (error["kind"], error["exit_code"]) == ("TargetExists", 1)
    assert (filled / "03.dat").read_text() == "mine"
    assert call("pull", "weather", "station=3", "--overwrite").exit_code == 0
    assert (filled / "03.dat").read_text() == "sun\nrain\n"


def test_pull_of_nothing_is_told(refuse) -> None:
    """Nothing in the store: artifact, URI and remedy."""
    error = refuse("pull", "weather", "station=8")

    assert (error["kind"], error["uri"]) == ("ArtifactNotFound", "raw://weather/08.dat")


def test_push_refuses_what_is_no_content(project: Path, refuse, ask) -> None:
    """A file that the format refuses is not published."""
    (project / "bad.json").write_text("{")

    error = refuse("push", "generation", "station=1", "tilt=2", "bad.json")

    assert (error["kind"], error["exit_code"]) == ("ContentError", 1)
    assert ask("ls")["versions"] == []


def test_push_needs_a_path(refuse) -> None:
    """A key field in the path's place is a wrong call."""
    assert refuse("push", "weather", "station=3")["exit_code"] == 2
    assert refuse("push", "weather", "station=3", "missing.dat")["exit_code"] == 1
