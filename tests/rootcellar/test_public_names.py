"""What `import rootcellar` promises."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rootcellar

HEAVY = {
    "aiohttp",
    "alembic",
    "botocore",
    "celery",
    "fsspec",
    "kombu",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pydantic_settings",
    "rich",
    "s3fs",
    "sqlalchemy",
    "typer",
}


@pytest.mark.parametrize("name", rootcellar.__all__)
def test_every_public_name_resolves(name):
    """Each is there, and the same on each access."""
    assert getattr(rootcellar, name) is getattr(rootcellar, name)


def test_unknown_name_is_an_attribute_error():
    """As of any module."""
    with pytest.raises(AttributeError, match="Artefact"):
        _ = rootcellar.Artefact


def test_public_names_are_listed():
    """`dir` shows what can be imported."""
    assert sorted(rootcellar.__all__) == dir(rootcellar)


@pytest.mark.parametrize("module", ["rootcellar", "rootcellar.pytest_plugin"])
def test_import_is_light(module):
    """A fresh interpreter that imports it has imported none of the heavy packages."""
    program = f"import sys, {module}; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())

    assert loaded & HEAVY == set()


def test_declaring_types_needs_no_tables():
    """A module of declarations imports neither arrow nor a database nor a file system."""
    program = (
        "import sys\n"
        "from rootcellar import Artifact, Json, Parquet, Registry\n"
        "r = Registry('x')\n"
        "@r.register\n"
        "class A(Artifact, uri='raw://a/{n}.json', format=Json()):\n"
        "    n: int\n"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert set(done.stdout.split()) & {"pyarrow", "pandas", "numpy", "fsspec", "s3fs"} == set()
