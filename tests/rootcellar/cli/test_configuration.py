from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def sources(document: dict) -> dict[str, tuple[object, str]]:
    return {one["name"]: (one["value"], one["source"]) for one in document["settings"]}


def test_every_setting_has_its_source(project: Path, ask) -> None:
    """Variable before file before default, and the variable by its name."""
    (project / "rootcellar.toml").write_text('progress = "log"\nimage = "one"\n')

    found = sources(ask("config", ROOTCELLAR_IMAGE="two"))

    assert found["image"] == ("two", "ROOTCELLAR_IMAGE")
    assert found["progress"] == ("log", "rootcellar.toml")
    assert found["git_commit"] == ("", "default")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", "8 GiB"),
        ("200 GB", "200 GB"),
        ("1500 MiB", "1500 MiB"),
        ("1234567", "1234567 B"),
        ("0", "0 B"),
    ],
)
def test_an_amount_has_its_unit(call, given: str, shown: str) -> None:
    """To the byte, and as it may be set; the document holds bytes."""
    given_as = {"ROOTCELLAR_PREFETCH_BYTES": given} if given else {}

    lines = [line.split() for line in call("config", **given_as).stdout.splitlines()]
    (words,) = [line[1:] for line in lines if line[:1] == ["prefetch_bytes"]]

    assert shown.split() == words[: len(shown.split())]


def test_stores_have_their_own_sources(project: Path, ask) -> None:
    """Stores from a file and from variables stand side by side."""
    (project / "rootcellar.toml").write_text('[stores]\nraw = "memory://a"\nold = "memory://a"\n')

    found = sources(ask("config", ROOTCELLAR_STORES__RAW__URL="memory://b"))

    assert found["stores.raw"] == ("memory://b", "ROOTCELLAR_STORES__RAW__URL")
    assert found["stores.old"] == ("memory://a", "rootcellar.toml")
    whole = sources(ask("config", ROOTCELLAR_STORES='{"new": "memory://c"}'))
    assert whole["stores.new"] == ("memory://c", "ROOTCELLAR_STORES")


def test_pyproject_is_a_source(project: Path, ask) -> None:
    """The table in pyproject.toml counts where there is no file of our own."""
    (project / "rootcellar.toml").unlink()
    (project / "pyproject.toml").write_text('[tool.rootcellar]\nimage = "one"\n')

    assert sources(ask("config"))["image"] == ("one", "pyproject.toml")


def test_argument_of_install_is_a_source(project: Path, ask) -> None:
    """What was handed to install counts before all else."""
    module = project / "cellar_given.py"
    module.write_text(
        "from celery import Celery\nfrom rootcellar import Registry, Settings, install\n"
        "app = Celery('given')\n"
        "install(app, Registry('given'), settings=Settings.read(image='given'))\n"
    )

    found = sources(ask("config", "-A", "cellar_given", ROOTCELLAR_IMAGE="two"))

    assert found["image"] == ("given", "argument of install")
    assert found["registry"][1] == "rootcellar.toml"


@pytest.mark.parametrize("words", [("config",), ("config", "--json")])
def test_secrets_are_hidden(project: Path, call, words: tuple[str, ...]) -> None:
    """Passwords and options of stores never show; the name of a variable may."""
    (project / "rootcellar.toml").write_text(
        'catalog = "postgresql://me:tell-1@db.example/x?password=tell-2"\n'
        '[stores.raw]\nurl = "sftp://me:tell-3@host.example/data"\n'
        'options = {key = "env:MY_KEY", secret = "tell-4", client_kwargs = {token = "tell-5"}}\n'
    )

    shown = call(*words).stdout

    assert "tell-" not in shown
    assert "postgresql://me:***@db.example/x?***" in shown
    assert "sftp://me:***@host.example/data" in shown
    assert "env:MY_KEY" in shown


def test_config_names_the_file(project: Path, ask) -> None:
    """Programs get the file's path, None without one."""
    assert ask("config")["file"] == str(project / "rootcellar.toml")
    (project / "rootcellar.toml").unlink()
    assert ask("config")["file"] is None


@pytest.mark.parametrize("content", ["x =", 'progress = "loud"\n', 'colour = "red"\n'])
def test_settings_that_cannot_be_read_are_told(project: Path, call, content: str) -> None:
    """A broken file or an unknown setting is one clear error."""
    (project / "rootcellar.toml").write_text(content)

    result = call("config", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stderr)["error"]["kind"] == "SettingsError"
