"""Installation: what `install` leaves on a Celery app."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rootcellar.code import GitState, git_state
from rootcellar.runtime import Runtime, current_runtime, current_settings

if TYPE_CHECKING:
    from rootcellar.retry import RetryPolicy
    from rootcellar.schemas.registry import Registry
    from rootcellar.settings import Settings

__all__ = ["ATTRIBUTE", "Installation", "installation_of"]

ATTRIBUTE = "rootcellar"
"""Name of the attribute of a Celery app that holds its Installation."""


class Installation:
    """The registry, retry policy and settings that one Celery app works with."""

    def __init__(
        self, registry: Registry, *, policy: RetryPolicy, settings: Settings | None = None
    ) -> None:
        self.registry = registry
        self.policy = policy
        self._settings = settings
        self._runtime: Runtime | None = None

    def __repr__(self) -> str:
        return f"<Installation of {self.registry!r}>"

    @property
    def settings(self) -> Settings:
        """The settings given to `install`, or else this process's."""
        return self._settings or current_settings()

    @cached_property
    def git(self) -> GitState:
        """The commit that this process stamps on what it sends."""
        return git_state(self.settings.git_commit)

    def runtime(self) -> Runtime:
        """Return this process's runtime; made on first use, and again after a fork."""
        if self._settings is None:
            runtime = current_runtime()
        elif self._runtime is None or self._runtime.pid != os.getpid():
            runtime = self._runtime = Runtime(self._settings)
        else:
            runtime = self._runtime
        runtime.declare(self.registry)
        return runtime


def installation_of(app: Any) -> Installation | None:
    """Return what was installed on a Celery app; None if nothing was."""
    found = getattr(app, ATTRIBUTE, None)
    return found if isinstance(found, Installation) else None
