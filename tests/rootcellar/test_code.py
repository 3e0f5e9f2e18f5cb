"""code: which function ran, and the commit it came from."""

from __future__ import annotations

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
