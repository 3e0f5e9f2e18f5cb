from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rootcellar.runtime import forget_runtime

if TYPE_CHECKING:
    from pathlib import Path


def test_version_with_everything_about_it(ask, filled: Path) -> None:
    """A version comes with its run, that run's inputs and whether it is current."""
    version = ask("show", "generation", "station=3", "tilt=30")["version"]

    assert version["uri"] == "derived://pv/03/tilt=30.json"
    assert version["is_current"]
    assert version["made_by"]["task"] == "simulate"
    assert [one["argument"] for one in version["inputs"]] == ["weather"]
    assert version["inputs"][0]["version"]["uri"] == "raw://weather/03.dat"


def test_version_is_found_by_each_of_its_names(ask, filled: Path) -> None:
    """Type and key, argument name, URI, uid and the end of the uid mean the same version."""
    uid = ask("show", "generation", "station=3", "tilt=30")["version"]["version"]

    for words in (
        ("pv", "tilt=30", "station=3"),
        ("derived://pv/03/tilt=30.json",),
        (uid,),
        (uid[-8:],),
    ):
        assert ask("show", *words)["version"]["version"] == uid, words


def test_version_is_found_without_a_registry(ask, filled: Path) -> None:
    """The catalog alone knows what `generation station=3 tilt=30` is."""
    (filled / "rootcellar.toml").write_text("")

    assert ask("show", "generation", "station=3", "tilt=30")["version"]["seq"] == 1


def test_older_version_says_that_it_is_not_current(ask, call, filled: Path) -> None:
    """After a second push the first version is neither current nor at its URI."""
    first = ask("show", "weather", "station=3")["version"]["version"]
    (filled / "weather.dat").write_text("snow\n")
    call("push", "weather", "station=3", "weather.dat")

    version = ask("show", first)["version"]

    assert (version["is_current"], version["is_present"]) == (False, False)
    shown = call("show", first).stdout
    assert "a newer version is recorded, no longer at its URI" in shown


def test_run_with_everything_about_it(ask, filled: Path) -> None:
    """A run comes with arguments, phases, inputs, outputs and environment."""
    uid = ask("runs", "--state", "succeeded", "--task", "simulate")["runs"][0]["run"]

    run = ask("show", uid)["run"]

    assert run["arguments"] == {"weather": 3, "tilt": 30}
    assert set(run["phases"]) == {"stage_in", "body", "stage_out"}
    assert [one["argument"] for one in run["inputs"]] == ["weather"]
    assert [one["version"]["type"] for one in run["outputs"]] == ["generation"]
    assert run["environment"]["python"]


def test_failed_run_shows_its_error(call, ask, filled: Path) -> None:
    """Phase, cause, message and traceback of a run that failed."""
    uid = ask("runs", "--state", "failed")["runs"][0]["run"]

    shown = call("show", uid).stdout

    assert "ValueError in body (deterministic): beyond the vertical" in shown
    assert "Traceback (most recent call last):" in shown


def test_show_for_people_fits_80_columns(call, filled: Path) -> None:
    """A digest fills the line and does not break it."""
    result = call("show", "generation", "station=3", "tilt=30", COLUMNS="80")

    lines = result.stdout.splitlines()
    assert lines[0] == "generation station=3 tilt=30  version 1, current"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("words", "problem", "code"),
    [
        (("weather", "station=9"), "no version of it is recorded", 1),
        (("raw://weather/09.dat",), "no version of it is recorded", 1),
        (("raw://elsewhere",), "no version of it is recorded", 1),
        (("weather",), "key field 'station': field required", 2),
        (("weather", "station=3", "station=4"), "key field 'station' is given 2 times", 2),
        (("abcdef123",), "there is no artifact type of that name", 1),
        (("0" * 8 + "-0000" * 3 + "-" + "0" * 12,), "no version and no run", 1),
        (("weather", "3"), "'3' is no key field. Write it as FIELD=VALUE", 2),
    ],
)
def test_what_is_not_there_is_told(
    refuse, filled: Path, words: tuple[str, ...], problem: str, code: int
) -> None:
    """Each way to name nothing has its error."""
    error = refuse("show", *words)

    assert error["problem"].startswith(problem)
    assert error["exit_code"] == code


def test_a_streamed_input_is_shown_as_one(ask, call, filled: Path) -> None:
    """With what was read by how many requests, the rate, and how many files were on the host."""
    (filled / ".rootcellar/stores/raw/weather/04.dat").write_text("fog\n" * 100_000)
    weather = sys.modules["cellar_grid"].Weather(station=4)
    with weather.open() as file:
        file.read(10)
    forget_runtime()
    uid = ask("runs", "--task", "pull")["runs"][0]["run"]
    run = ask("show", uid)["run"]
    shown = call("show", uid, COLUMNS="160").stdout

    assert (0, 1, 65536) == (run["hits"], run["misses"], run["downloaded_bytes"])
    assert ("streamed", 1) == (run["inputs"][0]["how"], run["inputs"][0]["requests"])
    assert "streamed" in shown
    assert "65.5 kB by 1 request" in shown
    assert "0 of 1 input file on the host (0%)" in shown
    assert "unread:" in call("show", "weather", "station=4").stdout


def test_hits_are_shown(ask, call, filled: Path) -> None:
    """Of a run, and in the list of runs as a share."""
    uid = ask("runs", "--state", "succeeded", "--task", "simulate")["runs"][0]["run"]

    assert "1 of 1 input file on the host (100%)" in call("show", uid).stdout
    assert "100%" in call("runs", COLUMNS="160").stdout


def test_a_uid_is_known_by_its_end(ask, filled: Path) -> None:
    """Versions and runs, as tables show them."""
    runs, versions = ask("runs")["runs"], ask("ls", "--all")["versions"]

    for one in runs:
        assert ask("show", one["run"][-8:])["run"]["run"] == one["run"]
    for one in versions:
        assert ask("show", one["version"][-8:])["version"]["version"] == one["version"]


def test_a_word_that_names_nothing_is_told_what_it_may_be(refuse, filled: Path) -> None:
    """A type, an alias or the end of a uid."""
    error = refuse("show", "fig3")

    assert "no such alias, and no uid that ends so" in error["problem"]
    assert "Known are" in error["remedy"]
    assert "alias" in error["remedy"]


@pytest.fixture
def table(project: Path, call) -> Path:
    """A project with a table that was pushed."""
    module = project / "cellar_tables.py"
    module.write_text(
        "from rootcellar import Artifact, Parquet, Registry\n"
        'registry = Registry("tables")\n'
        "@registry.register\n"
        'class Wind(Artifact, uri="raw://wind/{station}.parquet", format=Parquet()):\n'
        "    station: int\n"
    )
    columns = {"hour": [1, None], "wind": [0.5, 12.25], "site": ["north", "south"]}
    pq.write_table(pa.table(columns), project / "wind.parquet")
    (project / "rootcellar.toml").write_text('registry = "cellar_tables:registry"\n')
    pushed = call("push", "wind", "station=3", "wind.parquet")
    assert pushed.exit_code == 0, pushed.stderr
    return project


def test_a_table_is_shown_with_its_columns(ask, call, table: Path) -> None:
    """Each column with its type, its nulls, its least and its greatest value."""
    (hour, *_) = ask("show", "raw://wind/3.parquet")["version"]["columns"]

    shown = call("show", "raw://wind/3.parquet", COLUMNS="80").stdout

    assert {"column": "hour", "type": "int64", "nulls": 1, "min": 1, "max": 1} == hour
    assert [
        "column  type    nulls  min    max",
        "hour    int64       1  1      1",
        "wind    double      0  0.5    12.25",
        "site    string      0  north  south",
    ] == shown.splitlines()[-4:]
