from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from rootcellar import __version__
from rootcellar.cli.commands import COMMANDS, command

ROOT = Path(__file__).resolve().parents[3]
START = "from rootcellar.cli import main; main()"
HEAVY = ("celery", "kombu", "pyarrow", "sqlalchemy", "fsspec", "pandas", "pydantic", "rich")


def test_help_lists_every_command(call) -> None:
    """The help page names each command with its sentence."""
    result = call("--help")

    assert result.exit_code == 0
    wide = max(map(len, COMMANDS))
    for name, entry in COMMANDS.items():
        assert f"  {name:<{wide}}  {entry.help}" in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_opens_with_the_same_sentence(name: str) -> None:
    """What the list says of a command is what the command says of itself."""
    loaded = command.get_command(None, name)

    assert COMMANDS[name].help == loaded.help.partition("\n\n")[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_common_options(name: str) -> None:
    """-A, --json and --debug may stand behind any command's name."""
    loaded = command.get_command(None, name)
    options = {option for parameter in loaded.params for option in parameter.opts}

    assert {"-A", "--json", "--debug"} <= options


@pytest.mark.parametrize("name", COMMANDS)
def test_reference_page_describes_every_command(name: str) -> None:
    """docs/reference/cli.md has a section for each command."""
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")

    assert f"## {name}\n" in page
    assert f"$ rootcellar {name}" in page


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    """`rootcellar --help` loads neither Celery nor a database nor a data frame."""
    script = (
        "import atexit, sys\n"
        f"heavy = {HEAVY!r}\n"
        "atexit.register(lambda: print([n for n in heavy if n in sys.modules], file=sys.stderr))\n"
        "sys.argv = ['rootcellar', '--help']\n"
        f"{START}"
    )

    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert shown.stderr == "[]\n"


def test_version(call, ask) -> None:
    """--version says what is installed, to people and to programs."""
    assert call("--version").stdout == f"rootcellar {__version__}\n"
    assert ask("--version") == {"version": __version__}


def test_unknown_command_is_a_wrong_call(call, refuse) -> None:
    """A command that is not there ends with 2, for programs as JSON."""
    assert call("bogus").exit_code == 2
    error = refuse("bogus")
    assert (error["problem"], error["exit_code"]) == ("No such command 'bogus'", 2)


def test_unknown_option_is_a_wrong_call(refuse) -> None:
    """A wrong option before or behind the command's name ends with 2 and a remedy."""
    assert refuse("--bogus")["exit_code"] == 2
    error = refuse("ls", "--bogus")
    assert (error["remedy"], error["exit_code"]) == ("See rootcellar ls --help", 2)


def test_error_is_one_block(call) -> None:
    """An error of ours names problem, artifact, URI and remedy, and shows no traceback."""
    result = call("pull", "weather", "station=4")

    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Error: ")
    assert [line.split()[0] for line in lines[1:4]] == ["artifact", "uri", "remedy"]
    assert "Traceback" not in result.stderr


def test_error_for_programs_has_every_part(refuse) -> None:
    """With --json an error is one document on stderr."""
    error = refuse("pull", "weather", "station=4")

    assert sorted(error) == [
        "artifact", "exit_code", "kind", "problem", "remedy", "transient", "uri",
    ]  # fmt: skip
    assert error["kind"] == "ArtifactNotFound"
    assert error["uri"] == "raw://weather/04.dat"
    assert error["artifact"] == "Weather(station=4)"


def test_debug_keeps_the_traceback(project: Path) -> None:
    """--debug lets an error of ours end the process as Python shows it."""
    words = ["--debug", "ls", "nothing"]

    result = subprocess.run(
        [sys.executable, "-c", START, *words], capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "NotInCatalog" in result.stderr


def test_app_may_stand_on_either_side(ask) -> None:
    """-A works before and behind the command's name."""
    assert ask("-A", "cellar_grid", "types") == ask("types", "-A", "cellar_grid:app")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("cellar_nowhere", "'cellar_nowhere' cannot be imported"),
        ("json", "'json' leads to no Celery app"),
        ("cellar_broken", "importing 'cellar_broken' failed: ZeroDivisionError"),
        ("cellar_plain", "rootcellar is not installed on the Celery app 'cellar_plain'"),
    ],
)
def test_app_that_cannot_be_had_is_told(
    project: Path, refuse, monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    """Whatever a module does when it is imported becomes one clear error."""
    (project / "cellar_broken.py").write_text("1 / 0\n")
    (project / "cellar_plain.py").write_text("from celery import Celery\napp = Celery('plain')\n")

    error = refuse("types", "-A", name)

    assert error["problem"].startswith(problem)
    assert (error["kind"], error["exit_code"]) == ("SettingsError", 1)


@pytest.mark.parametrize("words", [("types",), ("ls",), ("runs",), ("config",), ("doctor",)])
def test_tables_fit_80_columns(call, filled: Path, words: tuple[str, ...]) -> None:
    """No line of a table is wider than the terminal."""
    lines = call(*words, COLUMNS="80").stdout.splitlines()

    # A path that stands alone in its cell cannot be broken.
    assert [line for line in lines if len(line) > 80 and str(filled) not in line] == []


def run_on_terminal(words: list[str], **variables: str) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", **variables}
    process = subprocess.Popen(
        [sys.executable, "-c", START, *words], stdout=theirs, stdin=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    process.wait(timeout=60)
    return shown.decode()


def test_colours_are_for_terminals(call, filled: Path) -> None:
    """States have colours on a terminal, none with NO_COLOR, and nothing of it in a pipe."""
    assert "\x1b[32msucceeded" in run_on_terminal(["runs"])
    assert "\x1b[32m" not in run_on_terminal(["runs"], NO_COLOR="1")
    assert "\x1b" not in call("runs").stdout


def test_reading_creates_nothing(project: Path, call) -> None:
    """Commands that only ask leave no catalog, cache or store behind."""
    before = {path.name for path in project.iterdir()} | {"__pycache__"}

    for name in ("types", "ls", "runs", "config", "doctor"):
        assert call(name).exit_code == 0, name

    assert {path.name for path in project.iterdir()} | {"__pycache__"} == before


@pytest.mark.parametrize("words", [("show", "weather", "station=3"), ("lineage", "weather")])
def test_asking_an_empty_catalog_is_told(refuse, words: tuple[str, ...]) -> None:
    """Without any record the error says so, and what to do."""
    error = refuse(*words)

    assert error["problem"] == "nothing is recorded yet"
    assert error["exit_code"] == 1


def test_celery_command(filled: Path) -> None:
    """`celery -A module rootcellar …` takes the app from Celery and gives the same answer."""
    (filled / "rootcellar.toml").write_text("")
    words = ["-A", "cellar_grid", "rootcellar", "types", "--json"]

    result = subprocess.run(
        [sys.executable, "-m", "celery", *words], capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr
    types = json.loads(result.stdout)["types"]
    assert [one["type"] for one in types] == ["generation", "note", "report", "weather"]
    assert all(one["is_declared"] for one in types)


def test_celery_command_without_an_app_reads_the_settings(project: Path) -> None:
    """Celery's own default app is not taken for the user's."""
    result = subprocess.run(
        [sys.executable, "-m", "celery", "rootcellar", "doctor"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert "grid, 4 types" in result.stdout
    assert "acks late" not in result.stdout


def test_celery_command_ends_with_our_exit_codes(project: Path) -> None:
    """Under Celery, too, an error is one block and 1."""
    words = ["-A", "cellar_grid", "rootcellar", "ls", "nothing"]

    result = subprocess.run(
        [sys.executable, "-m", "celery", *words], capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert result.stderr.startswith("Error: there is no artifact type of that name\n")
