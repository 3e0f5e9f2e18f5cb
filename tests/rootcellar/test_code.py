"""code: which function ran, and the commit it came from."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path

from rootcellar.code import GitState, code_identity, git_state


def test_body_is_named_as_written():
    """What decorators put around a function does not hide its name."""
    import functools

    @functools.cache
    def inner(): ...

    identity = code_identity(inner, git=GitState("abc", dirty=True))

    assert identity.qualname.endswith("test_body_is_named_as_written.<locals>.inner")
    assert (identity.git_commit, identity.git_dirty) == ("abc", True)


def test_stamped_commit():
    """Images without a repository say which commit they were built from."""
    assert git_state("abc123") == GitState("abc123", dirty=False)
    assert git_state("abc123-dirty") == GitState("abc123", dirty=True)


def test_repository_of_the_working_folder(tmp_path, monkeypatch):
    """The commit, and whether the tree differs from it."""

    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)

    monkeypatch.chdir(tmp_path)
    states = [git_state.__wrapped__()]
    git("init")
    Path("a.txt").write_text("a")
    git("add", "a.txt")
    git("commit", "-m", "a")
    states.append(git_state.__wrapped__())
    Path("a.txt").write_text("b")
    states.append(git_state.__wrapped__())

    assert [len(state.commit) for state in states] == [0, 40, 40]
    assert [state.dirty for state in states] == [None, False, True]


def test_a_body_that_was_never_committed_is_not_in_the_commit(tmp_path, monkeypatch):
    """However clean the tree is, until its file is committed."""

    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    git("init")
    Path("a.txt").write_text("a")
    git("add", "a.txt")
    git("commit", "-m", "a")
    Path("never_committed.py").write_text("def body(): ...\n")
    body = importlib.import_module("never_committed").body
    state = git_state.__wrapped__()
    before = code_identity.__wrapped__(body, git=state)
    git("add", "never_committed.py")
    git("commit", "-m", "b")
    after = code_identity.__wrapped__(body, git=git_state.__wrapped__())

    assert state.dirty is False
    assert (True, False) == (before.git_dirty, after.git_dirty)
    assert code_identity.__wrapped__(len, git=state).git_dirty is False
