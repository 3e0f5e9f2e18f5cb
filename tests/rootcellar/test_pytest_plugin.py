"""The fixtures for users, in projects of their own: the documentation's, and one with settings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "testing.md"
BLOCK = re.compile(r'```python title="(\S+)"\n(.*?)```', re.DOTALL)

BACK = """
import os
from pathlib import Path
from rootcellar.runtime import current_settings

def ours():
    return {n: v for n, v in os.environ.items() if n.startswith("ROOTCELLAR_")}

before = ours()

def test_inside(rootcellar_settings):
    assert ours() != before
    assert current_settings() == rootcellar_settings

def test_after():
    assert ours() == before
    assert current_settings().home == Path.cwd() / ".rootcellar"
"""
REFUSED = """
import grid
import pytest

@pytest.mark.rootcellar_store("memory")
def test_memory(rootcellar_worker):
    rootcellar_worker("grid:app")

@pytest.mark.rootcellar_store("floppy")
def test_floppy(rootcellar_settings): ...

@pytest.mark.rootcellar_store("folder")
def test_faulty_folder(rootcellar_faults, rootcellar_settings): ...

def test_no_app(rootcellar_worker):
    rootcellar_worker("grid:nonsense")

def test_other_thing(rootcellar_worker):
    rootcellar_worker("grid:registry")

def test_dies(rootcellar_worker):
    rootcellar_worker("grid:app", "--nonsense")
"""
SETTINGS = """
home = "own"

[stores.raw]
url = "own/raw"
options = {key = "env:NOT_SET"}

[stores.further]
url = "s3://bucket"
"""
SWAPPED = """
import grid

def test_swapped(rootcellar_settings):
    stores = rootcellar_settings.stores
    assert sorted(stores) == ["derived", "further", "raw"]
    assert all(store.url.startswith("memory://") for store in stores.values())
    grid.Generation(station=1, tilt=1).push({})
"""


def run_pytest(folder, **files):
    """Run pytest in a folder with the documentation's files and these, and return what it said."""
    for name, text in BLOCK.findall(HOWTO.read_text()):
        if name == "grid.py" or not files.get("alone"):
            (folder / name).write_text(text)
    for name, text in files.items():
        if name != "alone":
            (folder / f"test_{name}.py").write_text(text)
    options = ["-rA", "-p", "no:randomly", "-p", "no:cacheprovider", f"--rootdir={folder}"]
    options += ["--timeout=90"]  # one that stands still fails alone, and tells where it stands
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What pytest says of the documentation's project, with more tests in it."""
    return run_pytest(tmp_path_factory.mktemp("documented"), back=BACK, refused=REFUSED)


@pytest.mark.parametrize(
    "test",
    [
        "test_body.py::test_body",
        "test_task.py::test_task",
        "test_worker.py::test_worker",
        "test_stores.py::test_everywhere[folder]",
        "test_stores.py::test_everywhere[memory]",
        "test_stores.py::test_everywhere[s3]",
        "test_stores.py::test_in_memory",
        "test_faults.py::test_a_reset_is_survived",
        "test_faults.py::test_a_refusal_publishes_nothing",
    ],
)
def test_documentation(told, test):
    """What the page shows works as it stands there."""
    assert f"PASSED {test}" in told, told


def test_everything_is_put_back(told):
    """After a test the environment and the process's settings are as before."""
    assert "PASSED test_back.py::test_inside" in told
    assert "PASSED test_back.py::test_after" in told


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ("test_memory", "derived, raw lie in this process's memory"),
        ("test_memory", "Use a folder or s3"),
        ("test_floppy", "one of folder, memory, s3, not 'floppy'"),
        ("test_faulty_folder", "rootcellar_faults stands before s3 only"),
        ("test_no_app", "there is no app 'grid:nonsense'"),
        ("test_other_thing", "not a Celery app"),
        ("test_dies", "the worker ended early"),
        ("test_dies", "No such option '--nonsense'"),
    ],
)
def test_what_cannot_work_is_refused(told, test, problem):
    """With an error that says why, and for a worker that dies with the end of its log."""
    assert re.search(rf"(FAILED|ERROR) test_refused.py::{test}", told), told
    assert problem in told


def test_projects_own_places_are_left_alone(tmp_path):
    """Stores and options of the settings file are not used; an ini option chooses others."""
    (tmp_path / "rootcellar.toml").write_text(SETTINGS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nrootcellar_store = memory\n")
    told = run_pytest(tmp_path, swapped=SWAPPED, alone=True)

    assert "1 passed" in told, told
    assert not (tmp_path / "own").exists()
