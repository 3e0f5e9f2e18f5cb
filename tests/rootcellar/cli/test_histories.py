from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def newer(call, filled: Path) -> Path:
    """The filled project after its weather was replaced twice, once by the same bytes."""
    (filled / "newer.dat").write_text("fog\n")
    for _ in range(2):
        call("push", "weather", "station=3", "newer.dat")
    return filled


def test_a_history_says_what_changed(call, ask, newer: Path) -> None:
    """By artifact and by URI, the newest first."""
    shown = call("history", "weather", "station=3").stdout.splitlines()

    assert shown[0].split() == [
        "artifact", "seq", "recorded", "change", "size", "made", "by", "there", "version",
    ]  # fmt: skip
    changes = [one["change"] for one in ask("history", "weather", "station=3")["versions"]]
    assert changes == ["same bytes", "changed", "first"]
    assert ask("history", "raw://weather/03.dat") == ask("history", "weather", "station=3")


def test_a_cut_history_says_so(call, ask, newer: Path) -> None:
    """On the terminal and for programs."""
    assert ask("history", "weather", "station=3", "--limit", 2)["note"] == "newest 2 of more"
    shown = call("history", "weather", "station=3", "--limit", 2).stdout
    assert shown.splitlines()[-1] == "newest 2 of more"


def test_readers_of_a_version(call, ask, newer: Path) -> None:
    """Those of the first version; the newest was read by nobody."""
    first = ask("history", "weather", "station=3")["versions"][-1]["version"]

    found = ask("readers", first)

    assert [(one["task"], one["state"], one["depth"]) for one in found["runs"]] == [
        ("simulate", "failed", 1),
        ("simulate", "succeeded", 1),
        ("simulate", "succeeded", 1),
    ]
    assert "succeeded" in call("readers", first[-8:]).stdout
    assert (
        call("readers", "weather", "station=3").stdout
        == "No run fits that read weather(station=3) version 3.\n"
    )


def test_readers_of_what_was_made_from_it(call, ask, newer: Path) -> None:
    """A step further, since then, and cut."""
    first = ask("history", "weather", "station=3")["versions"][-1]["version"]
    call("pull", "generation", "station=3", "tilt=30")

    found = ask("readers", first, "--transitive")["runs"]

    assert [(one["task"], one["depth"]) for one in found][:1] == [("pull", 2)]
    assert len(found) == 4
    assert ask("readers", first, "--since", "2020-01-01", "--limit", 1)["note"] == (
        "first 1 of more"
    )


def test_locations_are_looked_into_on_request(call, ask, newer: Path) -> None:
    """The exit code says whether the bytes are still anywhere."""
    versions = ask("history", "weather", "station=3")["versions"]
    last, first = versions[0]["version"], versions[-1]["version"]

    unlooked = ask("locations", last)["locations"]
    fine, lost = call("locations", last, "--verify"), call("locations", first, "--verify")

    assert [(one["found"], one["uri"]) for one in unlooked] == [(None, "raw://weather/03.dat")]
    assert (fine.exit_code, lost.exit_code) == (0, 1)
    assert "unchanged" in fine.stdout
    assert "changed" in lost.stdout


def test_a_copy_elsewhere_is_good_enough(call, ask, newer: Path) -> None:
    """The version's own place was overwritten; equal bytes lie at another."""
    call("push", "weather", "station=4", "weather.dat")
    first = ask("history", "weather", "station=3")["versions"][-1]["version"]

    found = ask("locations", first, "--verify")["locations"]

    assert [(one["uri"], one["found"]) for one in found] == [
        ("raw://weather/03.dat", "changed"),
        ("raw://weather/04.dat", "unchanged"),
    ]
