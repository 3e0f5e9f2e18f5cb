"""ArtifactTask: the Celery task whose run stages its inputs and publishes its outputs.

Wraps `run` and nothing else, because that is the only place where autoretry, call-time argument
checks, chains and direct calls are all right at once; see docs/decisions/0003.
"""

from __future__ import annotations

import functools
import inspect
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from celery import Task
from celery.exceptions import Ignore, Reject, Retry

from rootcellar.attempt import Attempt
from rootcellar.installation import installation_of
from rootcellar.limits import leave_undisturbed
from rootcellar.message import (
    HEADER,
    caller_is_celerys,
    header_for,
    shown_arguments,
    start_of,
)
from rootcellar.schemas.binding import bind
from rootcellar.schemas.errors import RootcellarError
from rootcellar.schemas.interface import TaskInterface
from rootcellar.schemas.record import RunState
from rootcellar.scrub import scrubbed

if TYPE_CHECKING:
    from collections.abc import Callable

    from rootcellar.installation import Installation
    from rootcellar.retry import RetryPolicy

__all__ = ["ArtifactTask", "settle_after_result"]

logger = logging.getLogger("rootcellar.run")

_POSTPONED = "rootcellar_postponed"


@dataclass(frozen=True, slots=True)
class Body:
    """A task's function as written; `takes_task` if its first parameter is the task itself.

    Attributes:
        source: The function without what Celery or others put around it.
    """

    function: Callable[..., Any]
    signature: inspect.Signature
    takes_task: bool
    source: Callable[..., Any]


class ArtifactTask(Task[Any, Any]):
    """A task whose arguments are staged where the registry serves their names.

    Attributes:
        reuse: Return the refs of an earlier run, without running the body, when inputs by content,
            plain arguments and code are the same and its outputs still stand.
        retry_policy: Replaces the app's policy for this task.
    """

    abstract = True
    # What we refuse says why in one sentence; Celery need not add its own frames to the log.
    throws = (RootcellarError,)
    reuse: ClassVar[bool] = False
    retry_policy: ClassVar[RetryPolicy | None] = None
    body_of: ClassVar[Body | None] = None  # None for Celery's own tasks

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        run = cls.__dict__.get("run")
        name = cls.__dict__.get("name") or ""
        if run is not None and not name.startswith("celery."):
            _wrap_run(cls, run)

    def interface(self) -> TaskInterface | None:
        """Return what the body reads and writes; None where nothing is installed.

        Raises:
            DeclarationError: The signature asks for what its types cannot give.
        """
        return self._interface_in(installation_of(self.app))

    def _interface_in(self, installation: Installation | None) -> TaskInterface | None:
        body = type(self).body_of
        if installation is None or body is None:
            return None
        found: TaskInterface | None = self.__dict__.get("_interface")
        if found is None:
            found = TaskInterface.of(
                body.function, installation.registry, name=self.name, skip_first=body.takes_task
            )
            self._interface = found
        return found

    def apply_async(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Send the task, after checking that the call binds; see `celery.app.task.Task`.

        Raises:
            BindingError: The call does not fit; nothing was sent.
        """
        installation = installation_of(self.app)
        if self.typing:
            interface = self._interface_in(installation)
            self._check_call(interface, args or (), kwargs or {}, is_link="parent_id" in options)
        if "argsrepr" not in options and (shown := shown_arguments(args)) is not None:
            options["argsrepr"] = shown
        if not kwargs:
            options.setdefault("kwargsrepr", "{}")  # as Celery finds out at some length
        headers = dict(options.pop("headers", None) or {})
        headers.setdefault(HEADER, header_for(installation))
        return super().apply_async(args, kwargs, *rest, headers=headers, **options)

    def _check_call(
        self, interface: TaskInterface | None, args: Any, kwargs: Any, *, is_link: bool
    ) -> None:
        body = type(self).body_of
        if body is None:
            return
        if interface is None or not interface.is_staged:
            body.signature.bind(*args, **kwargs)  # as Celery's own check does
        elif not is_link:
            # A link that Celery dispatches must fail in its own worker, not in its predecessor's.
            bind(interface, args, kwargs)


def _wrap_run(cls: type[ArtifactTask], declared: Any) -> None:
    """Put the staging wrapper around a task class's `run`, its signature unchanged."""
    bound = not isinstance(declared, staticmethod)
    body = declared if bound else declared.__func__

    @functools.wraps(body)
    def run(self: ArtifactTask, *args: Any, **kwargs: Any) -> Any:
        call = functools.partial(body, self) if bound else body
        installation = installation_of(self.app)
        request = self.request
        if installation is None or _is_direct(request):
            return call(*args, **kwargs)
        interface = self._interface_in(installation)
        if interface is None or not interface.is_staged:
            return call(*args, **kwargs)
        return _staged_run(self, request, installation, call, (interface, args, kwargs))

    parameters = list(inspect.signature(body).parameters.values())
    if not bound:
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        parameters.insert(0, own)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    cls.run = run  # type: ignore[method-assign, assignment]  # what the class is for
    cls.body_of = Body(
        body, inspect.Signature(parameters[1:]), takes_task=bound, source=inspect.unwrap(body)
    )
    # Celery's own check does not follow functools.wraps, and cannot know of `spread`.
    cls.__header__ = staticmethod(_checked_already)  # type: ignore[attr-defined]  # missing in celery's stubs


def _checked_already(*_args: Any, **_kwargs: Any) -> None:
    """Stand where Celery checks arguments; `apply_async` has done so before."""


def _is_direct(request: Any) -> bool:
    """Tell a plain call in Python from an item of `.map()`, which Celery also calls directly."""
    return bool(request.called_directly) and not caller_is_celerys()


def _staged_run(
    task: ArtifactTask,
    request: Any,
    installation: Installation,
    body: Callable[..., Any],
    call: tuple[TaskInterface, tuple[Any, ...], dict[str, Any]],
) -> Any:
    """The walk of one run; docs/explanation/walk.md draws it."""
    interface, args, kwargs = call
    attempt: Attempt | None = None
    try:
        runtime = installation.runtime()
        start = start_of(request, runtime, _function_of(task), interface, (args, kwargs))
        attempt = Attempt(runtime, start)
        attempt.begin()
        binding = bind(interface, args, kwargs)
        with attempt.session() as session:
            binding = attempt.pin(binding, session)
            if task.reuse and (refs := attempt.reusable(binding, session)) is not None:
                return refs
            arguments = attempt.stage_in(binding, session)
            if task.reuse and (refs := attempt.reusable(binding, session)) is not None:
                return refs
            by_position, by_name = interface.plan.call(arguments)
            attempt.enter("body")
            result = body(*by_position, **by_name)
            saved = attempt.stage_out(result, session)
            # An item of `.map()` has no result of its own to come after.
            refs = attempt.commit(binding, may_wait=not request.called_directly)
            if attempt.is_postponed:
                setattr(request, _POSTPONED, attempt)
            return refs if saved or result is None else result
    except (Retry, Ignore, Reject) as outcome:
        state = RunState.RETRIED if isinstance(outcome, Retry) else RunState.SKIPPED
        _fail(attempt, outcome, state=state)
        raise
    except Exception as error:
        _after_error(task, installation, attempt, error)
        raise
    except BaseException as error:  # a hard limit or a stop: the child has a tenth of a second
        _fail(attempt, error, state=RunState.FAILED)
        leave_undisturbed(error)
        raise


def settle_after_result(sender: Any, **_: Any) -> None:
    """Finish what a run left until its result was stored: receives `task_postrun`."""
    request = getattr(sender, "request", None)
    if request is None:
        return
    attempt = request.__dict__.pop(_POSTPONED, None)
    if attempt is not None:
        # Whoever waits for an eager task looks at the catalog of this very process.
        attempt.settle(at_once=bool(request.is_eager))


def _fail(
    attempt: Attempt | None, error: BaseException, *, state: RunState, cause: str = ""
) -> None:
    """Record an error, if the run got as far as to have a record."""
    if attempt is not None:
        attempt.fail(error, state=state, cause=cause)


def _function_of(task: ArtifactTask) -> Callable[..., Any]:
    """Return the task's function as written, without what Celery or others put around it."""
    body = type(task).body_of
    return cast("Callable[..., Any]", inspect.unwrap(task.run)) if body is None else body.source


def _is_celerys_to_retry(task: ArtifactTask, error: Exception) -> bool:
    """Tell whether the task's own `autoretry_for` will try again; then its options count."""
    wanted = tuple(getattr(task, "autoretry_for", None) or ())
    unwanted = tuple(getattr(task, "dont_autoretry_for", None) or ())
    return isinstance(error, wanted) and not isinstance(error, unwanted)


def _after_error(
    task: ArtifactTask, installation: Installation, attempt: Attempt | None, error: Exception
) -> None:
    """Record the error; raise Celery's Retry if the policy wants another run."""
    policy = task.retry_policy or installation.policy
    decision = policy.decide(error, task.request.retries or 0)
    if _is_celerys_to_retry(task, error):
        limit = task.max_retries
        again = limit is None or (task.request.retries or 0) < limit
        state = RunState.RETRIED if again else RunState.FAILED
        _fail(attempt, error, state=state, cause=decision.cause.value)
        return
    # An item of `.map()` has no message that could be sent again.
    retry = decision.retry and not task.request.called_directly
    state = RunState.RETRIED if retry else RunState.FAILED
    _fail(attempt, error, state=state, cause=decision.cause.value)
    run = task.request.id or (attempt.start.uid if attempt else "")
    sentence = scrubbed(decision.sentence(task.name, run), installation.settings)
    logger.log(logging.WARNING if retry else logging.ERROR, "%s", sentence)
    if retry:
        # The policy has counted; None would stand for Celery's own limit of three.
        retries = (task.request.retries or 0) + 1
        raise task.retry(
            exc=error, countdown=decision.delay_seconds, max_retries=retries, throw=False
        ) from error
