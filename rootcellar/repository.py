"""Where the code of runs is published: the address of its repository, for people and browsers."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rootcellar.code import ask_git

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["repository_of", "web_address"]

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^@/:]+\.[^@/:]+):(?!//)(?P<path>.+)")
_SCHEMES = {"https", "http", "ssh", "git", "git+ssh"}
_REMEMBERED = 1_000


def repository_of(stated: str = "") -> Callable[[str], str]:
    """Return what tells of a commit where its repository is published; empty if it is not known.

    Known are the commits that the repository in the working folder holds, if it has a remote named
    `origin` on another host. One catalog may hold the runs of several repositories.

    Args:
        stated: From the settings, for images without a repository: its address. It holds for every
            commit.
    """
    address = web_address(stated)

    @functools.lru_cache(maxsize=_REMEMBERED)
    def found(commit: str) -> str:
        if not _COMMIT.fullmatch(commit):
            return ""
        if stated:
            return address
        if ask_git("cat-file", "-e", f"{commit}^{{commit}}") is None:
            return ""
        return web_address(ask_git("remote", "get-url", "origin") or "")

    return found


def web_address(remote: str) -> str:
    """Return the `https` address of a remote, without who signs in there and how.

    Empty for what is no address on a host, such as a folder. What git takes as
    `git@host:team/project.git`, with `ssh://` and so on, has its pages at `https://host/team/project`
    with every hoster we know.
    """
    remote = remote.strip()
    if not remote.isprintable():
        return ""
    if "://" not in remote:
        short = _SCP.fullmatch(remote)
        remote = f"ssh://{short['host']}/{short['path']}" if short else ""
    try:
        parts = urlsplit(remote)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    path = parts.path.strip("/").removesuffix(".git")
    if parts.scheme not in _SCHEMES or not host or not path or " " in path:
        return ""
    is_web = parts.scheme in {"https", "http"}
    scheme = parts.scheme if is_web else "https"
    return f"{scheme}://{host}{f':{port}' if port and is_web else ''}/{path}"
