"""install and uninstall: what rootcellar changes about a Celery app, and changes back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import Task, current_app
from celery.signals import task_postrun, worker_process_init, worker_ready
from celery.utils.imports import symbol_by_name

from rootcellar.broker import register_broker
from rootcellar.installation import ATTRIBUTE, Installation, installation_of
from rootcellar.retry import RetryPolicy
from rootcellar.runtime import catalog_of
from rootcellar.schemas.errors import DeclarationError, RootcellarError
from rootcellar.task import ArtifactTask, settle_after_result

if TYPE_CHECKING:
    from celery import Celery

    from rootcellar.schemas.registry import Registry
    from rootcellar.settings import Settings

__all__ = ["install", "uninstall"]

logger = logging.getLogger("rootcellar")

_PREVIOUS = "rootcellar_previous_task_cls"
_PREFETCH = "rootcellar.prefetch:Prefetch"
_RELAY = "rootcellar.relaying:Relaying"
"""By name, so that only workers import them."""


def install(
    app: Celery,
    registry: Registry,
    *,
    policy: RetryPolicy | None = None,
    settings: Settings | None = None,
) -> Installation:
    """Stage the tasks of a Celery app. Call it right after the app is made.

    Opens nothing: stores, cache and catalog are opened by each process on its first staged run.
    Tasks that touch no name of the registry are left alone. Undone by `uninstall`.

    Args:
        registry: Types may be registered before or after, but before the first call.
        policy: Which errors are worth another run; the default policy if left out.
        settings: Read from the environment and the settings file, on first use, if left out.

    Raises:
        DeclarationError: Installed already, or tasks were made before, which would not be staged.
    """
    if installation_of(app) is not None:
        raise DeclarationError("rootcellar is installed on this app already", str(app.main))
    # Not app.tasks, which would finalize the app.
    registered: dict[str, Any] = getattr(app, "_tasks", {})
    made = sorted(name for name in registered if not name.startswith("celery."))
    if made:
        raise DeclarationError(
            f"these tasks were made before install and would not be staged: {', '.join(made)}",
            str(app.main),
            "",
            "Call install right after Celery(…)",
        )
    register_broker()
    setattr(app, _PREVIOUS, app.task_cls)
    app.task_cls = _staging_class(app.task_cls)  # type: ignore[assignment]  # a class serves too
    app.__dict__.pop("Task", None)  # a cached property, made from task_cls
    installation = Installation(registry, policy=policy or RetryPolicy(), settings=settings)
    setattr(app, ATTRIBUTE, installation)
    app.steps["consumer"].add(_PREFETCH)
    app.steps["worker"].add(_RELAY)
    # Once for all apps, and of no effect on tasks that are not staged.
    task_postrun.connect(settle_after_result, weak=False, dispatch_uid="rootcellar")
    worker_process_init.connect(_enter_waiting, weak=False, dispatch_uid="rootcellar")
    worker_ready.connect(_enter_waiting, weak=False, dispatch_uid="rootcellar")
    return installation


def uninstall(app: Celery) -> None:
    """Take `install` back: tasks run as if it had never been called. Safe to repeat."""
    if installation_of(app) is None:
        return
    app.task_cls = getattr(app, _PREVIOUS)
    app.__dict__.pop("Task", None)
    delattr(app, _PREVIOUS)
    delattr(app, ATTRIBUTE)
    app.steps["consumer"].discard(_PREFETCH)
    app.steps["worker"].discard(_RELAY)


def _enter_waiting(sender: Any = None, **_: Any) -> None:
    """Have records entered that wait on this host: receives the start of a worker's process."""
    if getattr(getattr(sender, "pool", None), "uses_semaphore", False):
        return  # the main process of a pool of processes forks, and so starts no thread
    installation = installation_of(current_app)
    if installation is None:
        return
    try:
        catalog_of(installation.settings).look_after_waiting()
    except RootcellarError as error:
        logger.debug("what waits for the catalog is not looked after: %s", error)


def _staging_class(task_cls: Any) -> type[ArtifactTask]:
    """Return ArtifactTask, on top of the app's own task class if it has one."""
    own: type[Task[Any, Any]] = symbol_by_name(task_cls)
    if issubclass(own, ArtifactTask):
        return own
    if own is Task:
        return ArtifactTask
    return type("ArtifactTask", (ArtifactTask, own), {"abstract": True})
