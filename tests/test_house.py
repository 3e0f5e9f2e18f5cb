from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
VAGUE = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
ROOMS = {"schemas", "staging", "catalog"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

# Written so that these lines do not find themselves. Tests of scrubbing may speak of /home/someone.
MACHINE_PATH = re.compile(
    r"(?:(?<![\w.}/>])|(?<=://))/(?:root|work|home/(?!someone\b)\w+|Users/\w+)(?=/)"
)
INDEX_ADDRESS = re.compile(r"index[-_]url|find[-_]links|//[^\s\"']+/simple\b", re.IGNORECASE)


@cache
def tracked_files() -> tuple[Path, ...]:
    """What is or will be committed, links left out."""
    # CI may check out as another user than it runs as, which git refuses unless told.
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    files = (ROOT / line for line in done.stdout.splitlines())
    return tuple(file for file in files if file.is_file() and not file.is_symlink())


@cache
def sources() -> dict[Path, ast.Module]:
    """Every Python file, parsed."""
    return {
        file: ast.parse(file.read_text(encoding="utf-8"))
        for file in tracked_files()
        if file.suffix == ".py"
    }


def place(file: Path, line: int | None = None) -> str:
    """Name a place as an editor opens it."""
    name = file.relative_to(ROOT).as_posix()
    return name if line is None else f"{name}:{line}"


def find(wrong: Callable[[ast.AST], bool], *, under: str = "") -> list[str]:
    """Places of all syntax nodes that are wrong."""
    return [
        place(file, getattr(node, "lineno", None))
        for file, tree in sources().items()
        if file.is_relative_to(ROOT / under)
        for node in ast.walk(tree)
        if wrong(node)
    ]


def test_files_are_short() -> None:
    """No source file is longer than 400 lines."""
    long = [
        place(file, count)
        for file in sources()
        if (count := len(file.read_text(encoding="utf-8").splitlines())) > MAX_FILE_LINES
    ]

    assert long == []


def test_functions_are_short() -> None:
    """No function is longer than 60 lines, its docstring included."""

    def is_long(node: ast.AST) -> bool:
        if not isinstance(node, FUNCTIONS) or node.end_lineno is None:
            return False
        return node.end_lineno - node.lineno >= MAX_FUNCTION_LINES

    assert find(is_long) == []


def test_modules_say_what_they_hold() -> None:
    """No module or folder has a name that could hold anything."""
    vague = [
        place(file)
        for file in sources()
        if VAGUE & {part.removesuffix(".py") for part in file.relative_to(ROOT).parts}
    ]

    assert vague == []


def test_imports_are_absolute_and_by_the_installed_name() -> None:
    """No relative import, and no room imported by its bare name, which would load it twice."""

    def is_wrong(node: ast.AST) -> bool:
        if isinstance(node, ast.ImportFrom):
            return node.level > 0 or (node.module or "").split(".")[0] in ROOMS
        if isinstance(node, ast.Import):
            return any(alias.name.split(".")[0] in ROOMS for alias in node.names)
        return False

    assert find(is_wrong) == []


def test_tests_state_their_promise() -> None:
    """Every test has a docstring."""

    def is_silent(node: ast.AST) -> bool:
        return (
            isinstance(node, FUNCTIONS)
            and node.name.startswith("test_")
            and ast.get_docstring(node) is None
        )

    assert find(is_silent, under="tests") == []


def test_tests_wait_for_conditions() -> None:
    """A test sleeps only between two looks at a condition, that is in a while loop."""

    def sleeps(tree: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(tree):
            if isinstance(child, ast.While):
                continue
            if isinstance(child, ast.Call) and ast.unparse(child.func) in {"sleep", "time.sleep"}:
                yield child
            yield from sleeps(child)

    found = [
        place(file, getattr(call, "lineno", None))
        for file, tree in sources().items()
        if file.is_relative_to(ROOT / "tests")
        for call in sleeps(tree)
    ]

    assert found == []


@pytest.mark.parametrize("forbidden", [MACHINE_PATH, INDEX_ADDRESS], ids=["path", "index"])
def test_files_name_no_machine(forbidden: re.Pattern[str]) -> None:
    """No tracked file holds a path of somebody's machine or the address of a package index."""
    found = [
        place(file, number)
        for file in tracked_files()
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1)
        if forbidden.search(line)
    ]

    assert found == []


def test_pins_are_bare() -> None:
    """constraints.txt holds names and exact versions, and nothing that names a place."""
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
    bare = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+")

    assert [pin for pin in pins if not bare.fullmatch(pin)] == []


def test_walls_stand() -> None:
    """Every import contract in pyproject is kept."""
    entry = "import importlinter.cli as cli; cli.lint_imports_command(['--no-cache'])"

    checked = subprocess.run(
        [sys.executable, "-c", entry], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
