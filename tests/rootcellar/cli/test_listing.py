from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def test_types_join_registry_and_catalog(ask, filled: Path) -> None:
    """A type has its declaration and the number of its recorded artifacts."""
    found = {one["type"]: one for one in ask("types")["types"]}

    assert sorted(found) == ["generation", "note", "report", "weather"]
    assert found["generation"] == {
        "type": "generation",
        "arguments": ["generation", "pv"],
        "uri_template": "derived://pv/{station:02d}/tilt={tilt}.json",
        "key": {"station": "int", "tilt": "int"},
        "format": "Json",
        "media_type": "application/json",
        "kind": "file",
        "artifacts": 2,
        "registry": "grid",
        "is_declared": True,
        "what": "Yield of solar modules.",
    }
    assert found["note"]["artifacts"] == 0


def test_types_need_no_registry(ask, filled: Path) -> None:
    """Without a registry the types are those the catalog mirrors."""
    (filled / "rootcellar.toml").write_text("")

    found = {one["type"]: one for one in ask("types")["types"]}

    assert found["weather"]["artifacts"] == 1
    assert found["weather"]["what"] == "Hourly weather of one station."
    assert not found["weather"]["is_declared"]


def test_types_for_people(call, filled: Path) -> None:
    """The table has names, arguments, templates, numbers and first lines of documentation."""
    lines = call("types").stdout.splitlines()

    assert lines[0].split() == ["type", "arguments", "uri", "format", "artifacts", "what"]
    assert "generation, pv" in lines[1]
    assert lines[1].endswith("Yield of solar modules.")


def test_ls_gives_heads_newest_first(ask, filled: Path) -> None:
    """All types' current versions, the last recorded first."""
    found = ask("ls")

    assert [(one["type"], one["key"]) for one in found["versions"]] == [
        ("generation", {"station": 3, "tilt": 30}),
        ("generation", {"station": 3, "tilt": 10}),
        ("weather", {"station": 3}),
    ]
    assert found["more"] is False


def test_ls_all_gives_every_version(ask, call, filled: Path) -> None:
    """A second push makes a second version; without --all only that one is listed."""
    (filled / "weather.dat").write_text("snow\n")
    call("push", "weather", "station=3", "weather.dat")

    assert [one["seq"] for one in ask("ls", "weather")["versions"]] == [2]
    assert [one["seq"] for one in ask("ls", "weather", "--all")["versions"]] == [2, 1]


@pytest.mark.parametrize(
    ("words", "tilts"),
    [
        (("generation", "tilt=30"), [30]),
        (("pv", "station=3"), [30, 10]),
        (("generation", "tilt=10", "tilt=30"), [30, 10]),
        (("generation", "tilt=11"), []),
        (("generation", "tilt=10", "--all"), [10]),
    ],
)
def test_ls_selects_by_key(ask, filled: Path, words: tuple[str, ...], tilts: list[int]) -> None:
    """Key fields select, a repeated one allows each value, and argument names serve as types."""
    found = ask("ls", *words)["versions"]

    assert [one["key"]["tilt"] for one in found] == tilts


def test_ls_selects_without_a_registry(ask, filled: Path) -> None:
    """The catalog knows the fields' types as well."""
    (filled / "rootcellar.toml").write_text("")

    assert len(ask("ls", "generation", "tilt=30")["versions"]) == 1


def test_ls_limit_says_that_there_is_more(ask, call, filled: Path) -> None:
    """A cut list says so, in both forms."""
    found = ask("ls", "--limit", 2)

    assert (len(found["versions"]), found["more"]) == (2, True)
    assert "more than these 2" in call("ls", "--limit", 2).stdout
    assert ask("ls", "--limit", 0)["more"] is False


def test_ls_refuses_what_is_not_there(refuse, filled: Path) -> None:
    """A misspelt type or field is an error and not an empty list; near names are the remedy."""
    assert refuse("ls", "weathers")["remedy"] == "Known are weather"
    error = refuse("ls", "weather", "stat=3")
    assert error["problem"] == "there is no key field 'stat'"
    assert (error["remedy"], error["exit_code"]) == ("The key fields are station", 2)


def test_ls_of_nothing_says_so(call) -> None:
    """An empty catalog is no error."""
    result = call("ls")

    assert (result.exit_code, result.stdout) == (0, "Nothing is recorded yet.\n")


def test_runs_are_listed_last_first(ask, filled: Path) -> None:
    """Every run has its task, state and error."""
    found = ask("runs")["runs"]

    assert [(one["task"], one["state"]) for one in found] == [
        ("simulate", "failed"),
        ("simulate", "succeeded"),
        ("simulate", "succeeded"),
        ("push", "succeeded"),
    ]
    assert found[0]["error"]["error"].endswith("ValueError")
    assert found[0]["arguments"]["tilt"] == 95


def test_runs_are_selected(ask, filled: Path) -> None:
    """By task, state and start; cut with a note."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()

    assert len(ask("runs", "--task", "push")["runs"]) == 1
    assert len(ask("runs", "--state", "succeeded")["runs"]) == 3
    assert len(ask("runs", "--since", "2h")["runs"]) == 4
    assert ask("runs", "--since", tomorrow)["runs"] == []
    assert ask("runs", "--limit", 1)["more"] is True


def test_runs_for_people(call, filled: Path) -> None:
    """The error stands beside the state."""
    lines = call("runs").stdout.splitlines()

    assert "failed" in lines[1]
    assert "ValueError: beyond the vertical" in lines[1]


@pytest.mark.parametrize(
    "since", ["yesterday", "2 fortnights", "2026-13-01", "-1h", "99999999d", "9" * 5000 + "d"]
)
def test_runs_refuse_a_time_they_cannot_read(refuse, since: str) -> None:
    """An unreadable time is a wrong call that names the option."""
    error = refuse("runs", f"--since={since}")

    assert "'--since'" in error["problem"]
    assert error["exit_code"] == 2


@pytest.mark.parametrize(
    ("since", "problem"),
    [
        ("99999999999d", "longer than any calendar"),
        ("9999-12-31T23:59-10:00", "beyond the calendar"),
        ("0001-01-01", "beyond the calendar"),
        ("yesterday", "neither a span"),
    ],
)
def test_a_time_that_cannot_be_meant_is_told_from_none(call, since, problem):
    """What is written right, and what is not."""
    result = call("runs", "--since", since, TZ="Asia/Tokyo")

    assert 2 == result.exit_code
    assert problem in result.stderr
