"""Which code ran: the commit it came from, and the digest of its source."""

from __future__ import annotations

import functools
import inspect
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from rootcellar.schemas.record import CodeIdentity
from rootcellar.source import source_digest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GitState", "code_identity", "git_state"]


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
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return GitState()
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return GitState(commit, None if changes is None else bool(changes))


def _git(*arguments: str) -> str | None:
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

    Args:
        git: As the caller stamped it on the message, or else this process's own.
    """
    function = inspect.unwrap(body)
    return CodeIdentity(
        qualname=f"{function.__module__}:{getattr(function, '__qualname__', '?')}",
        source_digest=source_digest(function),
        git_commit=git.commit,
        git_dirty=git.dirty,
    )
