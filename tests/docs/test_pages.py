"""Every Python block of README and docs runs, page by page, each in a folder of its own."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMIT_SECONDS = 150

# Pages that ask for more than a folder, and the fixture that gives it.
NEEDS = {
    "docs/tutorial.md": "s3_environment",
    "docs/howto/stores.md": "s3_environment",
    "docs/howto/postgres.md": "postgres_environment",
}


def load_page_blocks():
    spec = importlib.util.spec_from_file_location("page_blocks", HERE / "page_blocks.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


blocks_of = load_page_blocks().blocks_of
PAGES = {
    str(page.relative_to(ROOT)): page
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
}
WITH_CODE = [
    name
    for name, page in PAGES.items()
    if any(block.language == "python" for block in blocks_of(page))
]


def own_environment(added):
    """The environment without settings of ours, and with those of the page."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ROOTCELLAR_", "AWS_", "CELERY"))
    }
    return kept | added


@pytest.mark.end_to_end
@pytest.mark.parametrize("name", WITH_CODE)
def test_page_runs(name, request, tmp_path):
    """The page's blocks run in order in an empty folder, and print what the page says."""
    added = request.getfixturevalue(NEEDS[name]) if name in NEEDS else {}

    done = subprocess.run(
        [sys.executable, str(HERE / "run_page.py"), str(PAGES[name])],
        cwd=tmp_path,
        env=own_environment(added),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PAGES)
def test_every_block_says_what_it_is(name):
    """A block without a language would be neither coloured nor run."""
    fences = re.findall(r"^ *(```.*)$", PAGES[name].read_text(encoding="utf-8"), re.MULTILINE)

    assert "```" not in fences[::2]


@pytest.mark.parametrize("name", PAGES)
def test_every_block_left_alone_says_why(name):
    """A block is not run only for a reason that the page gives."""
    notes = [note for block in blocks_of(PAGES[name]) for note in block.notes]

    assert [] == [note for note in notes if note.startswith("not run") and len(note) < 20]


def test_a_page_that_lies_is_found(tmp_path):
    """The runner fails on code that raises, and on output that differs."""
    raising, lying = tmp_path / "raising.md", tmp_path / "lying.md"
    raising.write_text("```python\n1 / 0\n```\n")
    lying.write_text("```python\nprint(1)\n```\n\n<!-- prints -->\n```text\n2\n```\n")

    for page, told in ((raising, "ZeroDivisionError"), (lying, "the page says")):
        done = subprocess.run(
            [sys.executable, str(HERE / "run_page.py"), str(page)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        assert done.returncode != 0
        assert told in done.stderr
