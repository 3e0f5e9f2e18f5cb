"""Settings of a Celery app that lose work, repeat it, or let it wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rootcellar.cli import wording
from rootcellar.cli.check import Check
from rootcellar.schemas.errors import RootcellarError
from rootcellar.task import ArtifactTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootcellar.cli.project import Project
    from rootcellar.schemas.interface import TaskInterface

__all__ = ["check_celery", "written_stores"]

_SHOWN = 4
_VISIBILITY_SECONDS = {"redis": 3600, "rediss": 3600, "sentinel": 3600, "sqs": 1800}
"""What kombu's transports use if nothing is set: after so long a message is delivered again."""


def written_stores(app: Any) -> set[str] | None:
    """Return the schemes that the app's tasks write to; None if there is no app to ask."""
    if app is None:
        return None
    found: set[str] = set()
    for task in _staged_tasks(app):
        try:
            interface: TaskInterface | None = task.interface()
        except RootcellarError:
            continue  # check_celery tells of it
        outputs = interface.outputs if interface is not None else ()
        found |= {spec.type.declaration.template.scheme for spec in outputs}
    return found


def check_celery(project: Project) -> Iterator[Check]:
    """Would a killed worker lose work, or a slow one repeat it."""
    app = project.app
    if app is None:
        return
    tasks = _staged_tasks(app)
    yield from _interfaces(tasks)
    yield _all_have(
        tasks,
        "acks_late",
        "a worker that is killed loses the run it was at",
        "Set task_acks_late = True on the app",
    )
    yield _all_have(
        tasks,
        "reject_on_worker_lost",
        "a run whose process is killed (out of memory, say) is not delivered again",
        "Set task_reject_on_worker_lost = True on the app",
    )
    yield _prefetch(app)
    yield from _visibility(app, tasks)


def _staged_tasks(app: Any) -> list[Any]:
    """Return the app's own tasks, by name; imports the modules it includes."""
    app.loader.import_default_modules()
    own = (task for name, task in app.tasks.items() if not name.startswith("celery."))
    return sorted((one for one in own if isinstance(one, ArtifactTask)), key=lambda one: one.name)


def _interfaces(tasks: list[Any]) -> Iterator[Check]:
    staged = 0
    for task in tasks:
        try:
            interface: TaskInterface | None = task.interface()
        except RootcellarError as error:
            yield Check.of(f"task {task.name}", error)
            continue
        staged += interface is not None and interface.is_staged
    yield Check("tasks", "ok", f"{wording.count(len(tasks), 'task')}, {staged} staged")


def _all_have(tasks: list[Any], attribute: str, problem: str, remedy: str) -> Check:
    name = attribute.replace("_", " ")
    without = [task.name for task in tasks if not getattr(task, attribute)]
    if not without:
        return Check(name, "ok", "set for every task")
    more = f" and {len(without) - _SHOWN} more" if len(without) > _SHOWN else ""
    which = (
        "every task" if without == [t.name for t in tasks] else ", ".join(without[:_SHOWN]) + more
    )
    return Check(name, "problem", f"off for {which}: {problem}", remedy)


def _prefetch(app: Any) -> Check:
    multiplier = int(app.conf.worker_prefetch_multiplier)
    if multiplier == 1:
        return Check("prefetch", "ok", "one message per process")
    held = "without limit" if multiplier == 0 else f"{multiplier} messages per process"
    return Check(
        "prefetch",
        "note",
        f"workers take {held}; those wait behind a long run while others idle, but their inputs "
        "come meanwhile, unless the setting prefetch is off",
        "Set worker_prefetch_multiplier = 1 for long runs, 2 where all workers are busy anyway",
    )


def _visibility(app: Any, tasks: list[Any]) -> Iterator[Check]:
    """Compare how long a run may take with how long its message stays hidden."""
    transport = str(app.conf.broker_url or "").partition("://")[0].partition("+")[0]
    if transport not in _VISIBILITY_SECONDS:
        return
    options = app.conf.broker_transport_options or {}
    hidden = float(options.get("visibility_timeout", _VISIBILITY_SECONDS[transport]))
    limits = {task.name: task.time_limit or app.conf.task_time_limit for task in tasks}
    longer = [name for name, limit in limits.items() if limit is None or limit >= hidden]
    if not longer:
        yield Check("visibility", "ok", f"{wording.duration(hidden)}, more than every time limit")
        return
    more = f" and {len(longer) - _SHOWN} more" if len(longer) > _SHOWN else ""
    yield Check(
        "visibility",
        "problem",
        f"a run longer than {wording.duration(hidden)} is delivered a second time, and nothing "
        f"stops {', '.join(longer[:_SHOWN])}{more} from taking so long",
        "Set task_time_limit below broker_transport_options['visibility_timeout']",
    )
