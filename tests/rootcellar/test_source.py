"""source: what the digest of a body sees, and what it does not."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from rootcellar.source import source_digest

SAMPLES = (Path(__file__).parent / "source_samples.py").read_text()
_numbers = itertools.count()


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """The digest of a function of the samples, after a change of their text."""

    def of(name, old="", new=""):
        assert old in SAMPLES
        folder = tmp_path / str(next(_numbers))
        folder.mkdir()
        path = folder / "samples.py"
        path.write_text(SAMPLES.replace(old, new) if old else SAMPLES)
        spec = importlib.util.spec_from_file_location("samples", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "samples", module)
        spec.loader.exec_module(module)
        return source_digest(getattr(module, name))

    return of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Say something."""', '"""Say something else."""'),
        ('    """Say something."""\n', ""),
        ("    # A comment.\n", ""),
        ("value + 1", "(value   +   1)"),
        ("def helper(value):\n", "def helper(value):\n\n\n"),
        ("FACTORS = [1, 2]", "FACTORS = [3]"),
    ],
)
def test_what_does_not_count(digest, old, new):
    """Comments, docstrings, layout, and code that the body does not name."""
    assert digest("body") == digest("body", old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("body", "* LIMIT", "/ LIMIT"),
        ("body", "value + 1", "value + 2"),
        ("body", "LIMIT = 3", "LIMIT = 4"),
        ("uses_class", "value + 1", "value + 2"),
        ("uses_class", "return helper(value)\n\n\ndef body", "return value\n\n\ndef body"),
        ("uses_list", "FACTORS = [1, 2]", "FACTORS = [1, 3]"),
        ("uses_dict", '("power", 1000)', '("power", 1)'),
        ("uses_dict", '{"a", "b"}', '{"a", "c"}'),
        ("has_default", "LIMIT = 3", "LIMIT = 4"),
        ("uses_cached", "value + 5", "value + 6"),
        ("closure", "offset=7", "offset=8"),
    ],
)
def test_what_counts(digest, name, old, new):
    """The body, and the helpers, classes and constants of its package that it names."""
    assert digest(name) != digest(name, old, new)


def test_digest_is_the_same_in_every_process():
    """Nothing of one process's memory is in it."""
    program = (
        "import source_samples; from rootcellar.source import source_digest\n"
        "print(source_digest(source_samples.uses_dict))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parent,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(digests) == 1


def test_body_without_source():
    """A function that was made by `exec` has a digest of its bytecode."""
    names = {"__name__": "made"}
    exec("def one(): return 1\ndef two(): return 2", names)

    assert source_digest(names["one"]) != source_digest(names["two"])
