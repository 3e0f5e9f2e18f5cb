"""What a message says of its sender and its run: the one place that reads Celery's request."""

from __future__ import annotations

import functools
import operator
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from celery import _state
from celery.utils.saferepr import saferepr
from pydantic_core import from_json, to_json

from rootcellar.arguments import recordable
from rootcellar.code import GitState, code_identity, git_state
from rootcellar.environment import environment
from rootcellar.note_text import begun_text, same_text
from rootcellar.run_bounds import RunStart
from rootcellar.schemas.record import new_uid
from rootcellar.schemas.ref import MAPPING, TYPE_TAG, Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rootcellar.installation import Installation
    from rootcellar.runtime import Runtime
    from rootcellar.schemas.interface import TaskInterface

__all__ = ["HEADER", "caller_is_celerys", "header_for", "shown_arguments", "start_of"]

_SHOWN_CHARACTERS = 1024
HEADER = "rootcellar"
"""Message header: the sender's run uid, its commit, and `dirty` or `clean`; `-` for each unknown.

No paths, no secrets, no arguments. One text, because brokers take long over nested headers.
"""

_VALUE = operator.itemgetter(1)
_UNKNOWN = "-"
_DIRT = {True: "dirty", False: "clean", None: _UNKNOWN}
_IS_DIRTY = {text: dirty for dirty, text in _DIRT.items()}


def header_for(installation: Installation | None) -> str:
    """Return our header for a message sent from here."""
    if installation is None:
        return ""
    git = installation.git
    stack = getattr(_state, "_task_stack", None)
    running = stack.top if stack is not None else None
    run = getattr(running.request, "rootcellar_run", "") if running is not None else ""
    return f"{run or _UNKNOWN} {git.commit or _UNKNOWN} {_DIRT[git.dirty]}"


def shown_arguments(args: Any) -> str | None:
    """Return what logs and monitors show of positional arguments; None if Celery's way will do.

    Celery would write out every field of a ref, which nobody wants to read, and which takes a tenth
    of the time that sending takes.
    """
    if not args or not any(map(Ref.is_ref, args)):
        return None
    parts = [
        _shown_ref(one) if Ref.is_ref(one) else str(saferepr(one, _SHOWN_CHARACTERS))
        for one in args
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


def start_of(
    request: Any,
    runtime: Runtime,
    body: Callable[..., object],
    interface: TaskInterface,
    call: tuple[Sequence[object], Mapping[str, object]],
) -> RunStart:
    """Return the start of the run that this process is about to make.

    Args:
        request: Of Celery.
        runtime: Of this process.
        body: The task's function as written.
        interface: Of the task.
        call: Its arguments, positional and by name.
    """
    uid = request.rootcellar_run = new_uid()
    header = getattr(request, HEADER, None) or (request.headers or {}).get(HEADER)
    sent = _read_header(header) if isinstance(header, str) else _NOTHING_SENT
    git = sent.git if sent.git.commit else git_state(runtime.settings.git_commit)
    delivery = request.delivery_info or {}
    fields = (
        ("task_id", request.id),
        ("root_id", request.root_id),
        ("parent_id", request.parent_id),
        ("group_id", request.group),
        ("parent_run", sent.run),
        ("retries", request.retries),
        ("redelivered", bool(delivery.get("redelivered"))),
        ("arguments", _named(interface, *call)),
    )
    said: dict[str, Any] = {"uid": uid, **dict(filter(_VALUE, fields))}
    queue = delivery.get("routing_key") or ""
    return RunStart(
        uid,
        task=interface.name,
        task_id=request.id or "",
        redelivered="redelivered" in said,
        text=begun_text(_same(interface.name, queue, runtime.host, os.getpid(), body, *git), said),
        environment=environment(runtime.settings.image),
    )


@functools.lru_cache(maxsize=1_000)
def _same(  # noqa: PLR0913, PLR0917  what the text depends on
    task: str,
    queue: str,
    host: str,
    pid: int,
    body: Callable[..., object],
    commit: str,
    dirty: bool | None,  # noqa: FBT001
) -> bytes:
    """Return what the starts of all runs of a task in this process say alike."""
    code = code_identity(body, git=GitState(commit, dirty))
    return same_text("task", task, queue, host, pid, code)


class _Sent(NamedTuple):
    """What a message says of its sender: the run, empty if unknown, and the commit that it ran."""

    run: str
    git: GitState


_NOTHING_SENT = _Sent("", GitState())


@functools.lru_cache(maxsize=1_000)
def _read_header(header: str) -> _Sent:
    """Read our header: those of all messages that one run sends, or that no run does, are alike."""
    words = header.split(" ")
    if len(words) != len(("run", "commit", "dirt")):
        return _NOTHING_SENT
    run, commit, dirt = words
    git = GitState("" if commit == _UNKNOWN else commit, _IS_DIRTY.get(dirt))
    return _Sent("" if run == _UNKNOWN else run, git)


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
    found = {}
    for name, value in bound.items():
        found[name] = _recorded(name, value) if Ref.is_ref(value) else recordable(value, name=name)
    return found


def _recorded(name: str, ref: Mapping[str, Any]) -> Any:
    try:
        text = to_json(ref)
    except ValueError:  # nothing that a message could hold
        return recordable(ref, name=name)
    return _recordable_ref(name, text)


@functools.lru_cache(maxsize=1_000)
def _recordable_ref(name: str, text: bytes) -> Any:
    """Return what stands for a ref: one input is often that of many tasks. Not to be changed."""
    return recordable(from_json(text), name=name)
