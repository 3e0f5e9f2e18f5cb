"""Which code ran: the commit it came from, and the digest of its source."""

from __future__ import annotations

import functools
import inspect
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rootcellar.schemas.record import CodeIdentity
from rootcellar.source import source_digest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GitState", "ask_git", "code_identity", "git_state"]


class GitState(NamedTuple):
    """The commit that was checked out, and whether the tree differed from it; None if unknown."""

    commit: str = ""
    dirty: bool | None = None


@functools.cache
def git_state(stamped: str = "") -> GitState:
    """Return the state of the repository in the working folder; asked once per process.

    Args:
        stamped: From the settings, for images without a repository: the commit, with `-dirty` at
            its end if the tree differed from it. It wins.
    """
    if stamped:
        return GitState(stamped.removesuffix("-dirty"), stamped.endswith("-dirty"))
    commit = ask_git("rev-parse", "HEAD")
    if not commit:
        return GitState()
    changes = ask_git("status", "--porcelain", "--untracked-files=no")
    return GitState(commit, None if changes is None else bool(changes))


def ask_git(*arguments: str) -> str | None:
    """Return what git says in the working folder; None if it says no, or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words only
            ["git", *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            check=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@functools.lru_cache(maxsize=1_000)
def code_identity(body: Callable[..., object], *, git: GitState) -> CodeIdentity:
    """Return the identity of a task's body; found out once per process, as `source_digest` is.

    A body whose file was never committed is not in the commit, however clean the tree is: it counts
    as changed.

    Args:
        git: As the caller stamped it on the message, or else this process's own.
    """
    function = inspect.unwrap(body)
    return CodeIdentity(
        qualname=f"{function.__module__}:{getattr(function, '__qualname__', '?')}",
        source_digest=source_digest(function),
        git_commit=git.commit,
        git_dirty=True if git.dirty is False and _is_untracked(function) else git.dirty,
    )


def _is_untracked(function: Callable[..., object]) -> bool:
    """Tell whether a function's file lies in a repository that does not know it."""
    try:
        path = inspect.getsourcefile(function)
    except TypeError:
        return False
    if path is None or not Path(path).is_file():
        return False
    where = str(Path(path).resolve())
    told = ask_git("-C", str(Path(where).parent), "status", "--porcelain", "--", where)
    return told is not None and told.startswith("??")
