"""What a message says of its sender and its run: the one place that reads Celery's request."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from celery import _state
from celery.utils.saferepr import saferepr

from rootcellar.arguments import recordable
from rootcellar.code import GitState, git_state
from rootcellar.environment import environment
from rootcellar.schemas.record import CodeIdentity, RunStarted, new_uid
from rootcellar.schemas.ref import MAPPING, TYPE_TAG, Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rootcellar.installation import Installation
    from rootcellar.runtime import Runtime
    from rootcellar.schemas.interface import TaskInterface

__all__ = ["HEADER", "caller_is_celerys", "headers_for", "shown_arguments", "started_record"]

_SHOWN_CHARACTERS = 1024
HEADER = "rootcellar"
"""Message header with the sender's run uid and code: no paths, no secrets, no arguments."""


def headers_for(installation: Installation | None) -> dict[str, Any]:
    """Return our header for a message sent from here."""
    if installation is None:
        return {}
    git = git_state(installation.settings.git_commit)
    stack = getattr(_state, "_task_stack", None)
    running = stack.top if stack is not None else None
    run = getattr(running.request, "rootcellar_run", "") if running is not None else ""
    return {
        "run": run or "",
        "git_commit": git.commit,
        "git_dirty": git.dirty,
    }


def shown_arguments(args: Any) -> str | None:
    """Return what logs and monitors show of positional arguments; None if Celery's way will do.

    Celery would write out every field of a ref, which nobody wants to read, and which takes a tenth
    of the time that sending takes.
    """
    refs = [Ref.is_ref(one) for one in args or ()]
    if not any(refs):
        return None
    parts = [
        _shown_ref(one) if is_ref else str(saferepr(one, _SHOWN_CHARACTERS))
        for one, is_ref in zip(args, refs, strict=True)
    ]
    text = ", ".join(parts)
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]}..."
    return f"({text},)" if len(parts) == 1 else f"({text})"


def _shown_ref(ref: Mapping[str, Any]) -> str:
    key = ref.get("key")
    named = key.items() if isinstance(key, MAPPING) else ()
    fields = ", ".join([f"{name}={value!r}" for name, value in named])
    return f"<{ref[TYPE_TAG]}({fields}) version {ref['version']}>"


def caller_is_celerys() -> bool:
    """Tell whether one of Celery's own tasks, such as `.map()`'s, made the call that runs now."""
    stack = getattr(_state, "_task_stack", None)  # private; without it every call looks direct
    tasks: Sequence[Any] = getattr(stack, "stack", ())
    return len(tasks) > 1 and str(getattr(tasks[-2], "name", "")).startswith("celery.")


def started_record(
    request: Any,
    runtime: Runtime,
    code: Callable[..., CodeIdentity],
    interface: TaskInterface,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> RunStarted:
    """Return the first record of the run that this process is about to make."""
    uid = new_uid()
    request.rootcellar_run = uid
    sent = _header(request)
    commit = sent.get("git_commit")
    git = (
        GitState(str(commit), sent.get("git_dirty"))
        if commit
        else git_state(runtime.settings.git_commit)
    )
    delivery = request.delivery_info or {}
    return RunStarted(
        uid=uid,
        kind="task",
        task=interface.name,
        started_at=datetime.now(UTC),
        task_id=request.id or "",
        root_id=request.root_id or "",
        parent_id=request.parent_id or "",
        group_id=request.group or "",
        parent_run=str(sent.get("run") or ""),
        retries=request.retries or 0,
        redelivered=bool(delivery.get("redelivered")),
        queue=str(delivery.get("routing_key") or ""),
        arguments=_named(interface, args, kwargs),
        code=code(git=git),
        environment=environment(runtime.settings.image),
        host=runtime.host,
        pid=os.getpid(),
    )


def _header(request: Any) -> dict[str, Any]:
    found = getattr(request, HEADER, None) or (request.headers or {}).get(HEADER)
    return found if isinstance(found, dict) else {}


def _named(
    interface: TaskInterface, args: Sequence[object], kwargs: Mapping[str, object]
) -> dict[str, Any]:
    """Return the call's arguments by name, also if they do not bind."""
    try:
        bound = interface.plan.given(args, kwargs, partial=True)
    except TypeError:
        # By name as far as there are names: a secret is known by its own.
        names = list(interface.signature.parameters)
        surplus = [str(position) for position in range(len(names), len(args))]
        bound = {**dict(zip([*names, *surplus], args, strict=False)), **kwargs}
    return {name: recordable(value, name=name) for name, value in bound.items()}
