from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_on_disk_is_known(call, filled: Path) -> None:
    """Who made it, from what, and what became of that since."""
    call("pull", "generation", "station=3", "tilt=30", "--to", "got.json")
    (filled / "newer.dat").write_text("fog\n")
    call("push", "weather", "station=3", "newer.dat")

    result = call("whence", "got.json")
    lines = result.stdout.splitlines()

    assert result.exit_code == 0
    assert lines[0] == "generation(station=3, tilt=30) version 1   exact match by sha256, 13 B"
    assert "by simulate" in lines[1]
    assert lines[3].startswith("  from   weather  weather(station=3)  v1  newer: version 2 of ")
    assert lines[3].endswith("<- stale")


def test_a_file_on_disk_for_programs(ask, call, filled: Path) -> None:
    """Versions, run, inputs and how sure it is."""
    call("pull", "generation", "station=3", "tilt=30", "--to", "got.json")
    found = ask("whence", "got.json")

    assert found["certainty"] == "exact match by sha256"
    assert [one["type"] for one in found["versions"]] == ["generation"]
    assert found["is_current"]
    assert found["current"] == found["versions"][0]["version"]
    assert found["made_by"]["task"] == "simulate"
    assert [(one["argument"], one["change"], one["is_stale"]) for one in found["sources"]] == [
        ("weather", "same bytes", False)
    ]


def test_a_file_that_is_not_known_ends_with_1(call, filled: Path) -> None:
    """The answer is on standard output all the same, also for programs."""
    (filled / "mine.txt").write_text("my own")

    shown = call("whence", "mine.txt")
    told = call("whence", "mine.txt", "--json")

    assert (shown.exit_code, told.exit_code) == (1, 1)
    assert shown.stdout == "mine.txt   no match: nothing recorded has 6 B\n"
    assert json.loads(told.stdout)["versions"] == []


def test_a_file_that_is_not_there_is_a_wrong_call(refuse, filled: Path) -> None:
    """As of any command that takes a path."""
    assert refuse("whence", "missing.txt")["exit_code"] == 2


def test_a_recipe_can_be_typed(call, ask, filled: Path) -> None:
    """The call names the app of -A, and pins what was read."""
    words = ("reproduce", "generation", "station=3", "tilt=30")
    pinned = ask("ls", "weather")["versions"][0]["version"]

    lines = call("-A", "cellar_grid", *words).stdout.splitlines()
    [typed] = [shlex.split(line) for line in lines if line.startswith("celery")]
    found = ask(*words)

    assert typed[:5] == ["celery", "-A", "cellar_grid", "call", "simulate"]
    assert json.loads(typed[-1]) == found["arguments"]
    assert found["arguments"]["weather"]["version"] == pinned
    assert found["arguments"]["tilt"] == 30
    assert found["packages"] == []
    assert found["commands"][-1].startswith("celery -A cellar_grid call simulate")


def test_what_nothing_made_cannot_be_reproduced(refuse, filled: Path) -> None:
    """A run has no recipe of its own, and an artifact that is not there none at all."""
    assert refuse("reproduce", "weather", "station=9")["exit_code"] == 1
