from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from rootcellar.demo.run import DemoOptions, DemoOutcome, Watch

ROW = {
    "name": "Rostock",
    "ghi_kwh_m2": 1049.6,
    "pv_kwh_per_kwp": 996.7,
    "e126_full_load_h": None,
    "swt142_full_load_h": 3313.2,
    "demand_mwh": 70077.7,
    "self_sufficiency_pct": 63.2,
    "with_battery_pct": 77.8,
}


@dataclass
class Stage:
    """Stands where the demo would run, and keeps what it was asked for."""

    options: DemoOptions | None = None
    reused: int = 0

    def run_demo(self, options: DemoOptions, *, watch) -> SimpleNamespace:
        self.options = options
        options.folder.mkdir(exist_ok=True)
        (options.folder / "rootcellar.toml").write_text('registry = "rootcellar.demo.artifacts:R"')
        for done in range(18):
            watch.progress(done, 17, self.reused)
        return SimpleNamespace(
            runs=(None,) * 17,
            elapsed_seconds=3.7,
            reused=self.reused,
            page=options.folder.absolute() / "atlas.html",
            atlas=(ROW,),
        )


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    module = ModuleType("rootcellar.demo.run")
    module.run_demo, module.DemoOptions = stage.run_demo, DemoOptions
    module.DemoOutcome, module.Watch = DemoOutcome, Watch
    monkeypatch.setitem(sys.modules, "rootcellar.demo.run", module)
    return stage


def test_options_reach_the_demo(call, stage: Stage) -> None:
    """Every option of the command is one of the demo's."""
    result = call(
        "demo", "--stations", 3, "--to", "here", "--store", "s3://b", "--catalog",
        "postgresql://h/n", "--broker", "redis://h", "--concurrency", 4,
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    assert stage.options == DemoOptions(
        stations=3,
        folder=Path("here"),
        store="s3://b",
        catalog="postgresql://h/n",
        broker="redis://h",
        concurrency=4,
    )


def test_defaults(call, stage: Stage) -> None:
    """Without options: all stations, a folder beside us, two processes."""
    call("demo")

    assert stage.options == DemoOptions()


def test_outcome_for_people(call, stage: Stage) -> None:
    """The atlas as a table, how long it took, the page; progress stays on stderr."""
    result = call("demo", COLUMNS="80")

    assert "Rostock" in result.stdout
    assert "17 tasks ran in 3.7 s" in result.stdout
    assert "rootcellar-demo/atlas.html" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert result.stderr.splitlines()[-1] == "17 of 17 tasks, 0 reused"


def test_outcome_says_why_it_was_quick(call, stage: Stage) -> None:
    """A second demo tells that work was reused, and by what evidence."""
    stage.reused = 17

    shown = call("demo").stdout

    assert "0 tasks ran and 17 were reused" in shown
    assert "the same code, the same arguments and inputs of the same content" in shown


def test_outcome_for_programs(ask, stage: Stage) -> None:
    """Nothing but the document on stdout."""
    document = ask("demo")

    assert (document["tasks"], document["reused"]) == (17, 0)
    assert document["atlas"] == [ROW]


def test_fresh_removes_an_earlier_demo_only(project: Path, call, refuse, stage: Stage) -> None:
    """A folder of something else is never touched."""
    call("demo", "--to", "here")
    (project / "here/old").touch()
    (project / "mine").mkdir()
    (project / "mine/thesis.tex").touch()

    call("demo", "--to", "here")
    assert (project / "here/old").exists()
    call("demo", "--to", "here", "--fresh")
    assert not (project / "here/old").exists()
    for words in (("--to", "mine"), ("--to", "mine", "--fresh")):
        assert refuse("demo", *words)["kind"] == "TargetExists"
    assert (project / "mine/thesis.tex").exists()


def test_missing_extra_is_told(refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the demo's packages the error says what to install, before anything is done."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "pvlib" else find(name, *rest),
    )

    error = refuse("demo")

    assert error["problem"] == "the demo needs pvlib, not installed here"
    assert error["remedy"] == "Install rootcellar[demo]"
    assert not Path("rootcellar-demo").exists()


@pytest.mark.parametrize("option", ["--stations=0", "--stations=16", "--concurrency=0"])
def test_numbers_out_of_range_are_a_wrong_call(refuse, option: str) -> None:
    """One to fifteen stations, at least one process."""
    assert refuse("demo", option)["exit_code"] == 2
