"""Where code is published: for browsers, without who signs in, and only if it is true."""

from __future__ import annotations

import subprocess

import pytest

from rootcellar.relaying_process import relay_options
from rootcellar.repository import repository_of, web_address
from rootcellar.settings import Settings


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Runs git in a repository with one commit, which is the working folder; returns its output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    def run(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@grid.example")
        done = subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init", "-q")
    run("commit", "-q", "--allow-empty", "-m", "first")
    return run


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github.com:grid/plant.git", "https://github.com/grid/plant"),
        ("github.com:grid/plant", "https://github.com/grid/plant"),
        ("ssh://git@git.grid.example:2222/grid/plant.git", "https://git.grid.example/grid/plant"),
        ("https://github.com/grid/plant.git/", "https://github.com/grid/plant"),
        ("https://me:secret@git.grid.example:8443/p", "https://git.grid.example:8443/p"),
        ("http://token@git.grid.example/p?key=1#x", "http://git.grid.example/p"),
        ("git://git.grid.example/p", "https://git.grid.example/p"),
        ("/srv/git/plant.git", ""),
        ("../plant", ""),
        ("file:///srv/git/plant.git", ""),
        ("https://", ""),
        ("https://host:port/p", ""),
        ("https://[broken/p", ""),
        ("ext::sh -c x", ""),
        ("https://git.grid.example/a\nb", ""),
        ("", ""),
    ],
)
def test_a_remote_as_an_address(remote, address):
    """Folders have none, and names and passwords are in none."""
    assert address == web_address(remote)


def test_a_commit_of_this_repository_has_its_address(git):
    """The remote `origin` of the repository in the working folder."""
    git("remote", "add", "origin", "git@github.com:grid/plant.git")

    assert "https://github.com/grid/plant" == repository_of()(git("rev-parse", "HEAD"))


@pytest.mark.parametrize("commit", ["0" * 40, "HEAD", "", "--help"])
def test_a_commit_of_another_repository_has_none(git, commit):
    """One catalog may hold runs of many projects; and a record may say anything."""
    git("remote", "add", "origin", "git@github.com:grid/plant.git")

    assert "" == repository_of()(commit)


def test_a_repository_that_is_published_nowhere_has_no_address(git):
    """Neither without a remote, nor with one that is a folder."""
    commit = git("rev-parse", "HEAD")
    found = [repository_of()(commit)]
    git("remote", "add", "origin", "/srv/git/plant.git")
    found.append(repository_of()(commit))

    assert ["", ""] == found


def test_no_repository_no_address(tmp_path, monkeypatch):
    """As in an image, where the setting says it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert "" == repository_of()("0" * 40)


def test_the_setting_wins(git, monkeypatch):
    """It holds for every commit, and reaches the relay."""
    git("remote", "add", "origin", "git@github.com:grid/plant.git")
    monkeypatch.setenv("ROOTCELLAR_GIT_REMOTE", "https://git.grid.example/plant")

    options = relay_options(Settings.read())

    assert "https://git.grid.example/plant" == options.repository("0" * 40)
