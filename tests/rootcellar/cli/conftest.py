from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import celery._state
import pytest
from click.testing import CliRunner, Result

from rootcellar.cli.commands import command
from rootcellar.runtime import forget_runtime

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "cellar_grid"
SOURCE = '''
from datetime import date
from enum import StrEnum
from pathlib import Path

from celery import Celery

from rootcellar import OUTPUT, Artifact, Json, Registry, Text, install

registry = Registry("grid")


class Side(StrEnum):
    NORTH = "north"
    SOUTH = "south"


@registry.register
class Weather(Artifact, uri="raw://weather/{station:02d}.dat", format=Text()):
    """Hourly weather of one station."""

    station: int


@registry.register(arguments=["generation", "pv"])
class Generation(Artifact, uri="derived://pv/{station:02d}/tilt={tilt}.json", format=Json()):
    """Yield of solar modules.

    Not shown in a list.
    """

    station: int
    tilt: int


@registry.register
class Report(Artifact, uri="derived://report/{side}/{day}_{scale}_{final}.txt", format=Text()):
    """A daily report."""

    side: Side
    day: date
    scale: float
    final: bool


@registry.register
class Note(Artifact, uri="derived://note/{name}.txt", format=Text()):
    name: str


app = Celery("grid")
app.conf.update(task_always_eager=True)
install(app, registry)


@app.task(name="simulate", shared=False)
def simulate(weather: Path, tilt: int, *, generation: Path = OUTPUT) -> dict:
    if tilt > 90:
        raise ValueError("beyond the vertical")
    return {"sum": len(weather.read_text()) * tilt}
'''

Call = Callable[..., Result]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with one module and a settings file that names its registry."""
    for name in os.environ:
        if name.startswith(("ROOTCELLAR_", "CELERY_")) or name in {"NO_COLOR", "COLUMNS"}:
            monkeypatch.delenv(name)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / f"{MODULE}.py").write_text(SOURCE)
    (folder / "rootcellar.toml").write_text(f'registry = "{MODULE}:registry"\n')
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    forget_runtime()
    before = getattr(celery._state._tls, "current_app", None)
    yield folder
    celery._state._tls.current_app = before
    forget_runtime()
    for name in [name for name in sys.modules if name.startswith("cellar_")]:
        del sys.modules[name]


@pytest.fixture
def call(project: Path) -> Call:
    """Run a command in this process, in the project's folder."""

    def run(*words: object, **variables: str) -> Result:
        result = CliRunner().invoke(
            command, [str(word) for word in words], env=variables, prog_name="rootcellar"
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def ask(call: Call) -> Callable[..., Any]:
    """Run a command with --json and return its document."""

    def run(*words: object, **variables: str) -> Any:
        result = call(*words, "--json", **variables)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture
def refuse(call: Call) -> Callable[..., Any]:
    """Run a command with --json that fails, and return its error with the exit code."""

    def run(*words: object, **variables: str) -> Any:
        result = call(*words, "--json", **variables)
        assert result.stdout == ""
        return {**json.loads(result.stderr)["error"], "exit_code": result.exit_code}

    return run


@pytest.fixture
def filled(project: Path, call: Call) -> Path:
    """The project after a push, two runs that succeeded and one that failed."""
    (project / "weather.dat").write_text("sun\nrain\n")
    pushed = call("-A", MODULE, "push", "weather", "station=3", "weather.dat")
    assert pushed.exit_code == 0, pushed.stderr
    for tilt in (10, 30, 95):
        sys.modules[MODULE].simulate.delay(weather=3, tilt=tilt)
    forget_runtime()
    return project
