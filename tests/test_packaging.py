from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "rootcellar"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = ("schemas", "staging", "catalog")


def shipped_files() -> list[str]:
    """Paths as a wheel should hold them: every source and data file, the links followed."""
    return sorted(
        (Path(folder) / name).relative_to(ROOT).as_posix()
        for folder, _, names in os.walk(PACKAGE, followlinks=True)
        for name in names
        if "__pycache__" not in folder and not name.startswith(".")
    )


def test_packages_are_the_folders() -> None:
    """The list in pyproject names each folder that holds Python files, and no other."""
    folders = {Path(path).parent for path in shipped_files() if path.endswith(".py")}

    assert sorted(".".join(folder.parts) for folder in folders) == sorted(
        PYPROJECT["tool"]["setuptools"]["packages"]
    )


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_install_under_one_name_only(room: str, tmp_path: Path) -> None:
    """From another folder, rootcellar.catalog is found and catalog is not."""
    question = (
        "import importlib.util, sys\n"
        "print([importlib.util.find_spec(name) is not None for name in sys.argv[1:]])"
    )
    command = [sys.executable, "-I", "-c", question, f"rootcellar.{room}", room]

    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[True, False]"


def copy_checkout(target: Path, *, links: bool) -> None:
    """Copy what a build needs; without links as git leaves them where it cannot make them."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        target.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, target)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("rootcellar", *ROOMS):
        shutil.copytree(ROOT / name, target / name, symlinks=True, ignore=ignore)
    if not links:
        for room in ROOMS:
            link = target / "rootcellar" / room
            aim = link.readlink()
            link.unlink()
            link.write_text(str(aim))


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
def test_wheel_is_whole(tmp_path: Path, *, links: bool) -> None:
    """A wheel holds every file of the rooms, nothing else, and at the top only rootcellar."""
    # A copy, because a build leaves a folder behind from which the next build takes stale files.
    copy_checkout(tmp_path / "checkout", links=links)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]

    subprocess.run([*build, "--wheel-dir", tmp_path, tmp_path / "checkout"], check=True)

    (wheel,) = tmp_path.glob("*.whl")
    version = PYPROJECT["project"]["version"]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    metadata = f"rootcellar-{version}.dist-info"
    assert sorted(name for name in names if not name.startswith(metadata)) == shipped_files()
    assert {name.split("/")[0] for name in names} == {"rootcellar", metadata}
    assert "rootcellar/py.typed" in names


def test_version_is_said_once() -> None:
    """What is installed, what pyproject says and the newest entry of the changelog agree."""
    version = PYPROJECT["project"]["version"]
    entries = [
        line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## [")
    ]

    assert importlib.metadata.version("rootcellar") == version
    assert entries[0].startswith(f"## [{version}]")


def test_links_lead_to_the_rooms() -> None:
    """Each room stands at the root, and a relative link in rootcellar/ leads to it."""
    links = {path.name: str(path.readlink()) for path in PACKAGE.iterdir() if path.is_symlink()}

    assert links == {room: f"../{room}" for room in ROOMS}
    assert all((PACKAGE / room / "__init__.py").is_file() for room in ROOMS)
