"""ArtifactTask: the walk of one run, in this process."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  the annotations of bodies are read

import pytest
from celery.exceptions import Ignore, Reject
from grid_words import Count, Page, Words, count_words, measure, split

from rootcellar import OUTPUT, Cause, RetryPolicy
from rootcellar.retry import Rule
from rootcellar.schemas.errors import (
    BindingError,
    CatalogUnavailable,
    DeclarationError,
    MissingOutput,
)


def test_task_stages_and_publishes(project):
    """Input in, output out, refs returned, all in one run."""
    task = project.app.task(count_words)
    project.put(Words(page=1), "a b c")
    ref = task.apply(args=[1]).get()

    assert Count(page=1).load() == {"words": 3}
    assert ref["$type"] == "count"
    assert project.catalog.runs(task=task.name)[0].state == "succeeded"


def test_handle_of_an_input_says_its_version(project):
    """A task without outputs returns what its body returns."""
    project.put(Words(page=1), "four")

    assert project.app.task(measure).apply(args=[1]).get() == 4


def test_members_of_outputs(project):
    """Keys come from the call and from the body together."""
    task = project.app.task(split)
    project.put(Words(page=2), "up down")
    refs = task.apply(args=[2]).get()

    assert [ref["key"] for ref in refs] == [
        {"page": 2, "name": "up"},
        {"page": 2, "name": "down"},
    ]
    assert Page(page=2, name="down").load() == "down"


def test_signature_is_the_bodys(project):
    """What people and tools see of the task is the function as written."""
    import inspect

    task = project.app.task(count_words)

    assert ["text", "count"] == list(inspect.signature(task.run).parameters)
    assert task.run.__doc__ == count_words.__doc__


def test_unchecked_task_is_sent_unchecked(project):
    """`typing=False` switches the check in the caller off, as in Celery."""
    task = project.app.task(count_words, typing=False)
    project.app.conf.update(broker_url="memory://", task_always_eager=False)

    assert task.delay(nonsense=1).id


def test_call_that_does_not_bind_raises_in_the_caller(project):
    """Nothing of it is sent, so nothing has to be cleaned up."""
    task = project.app.task(count_words)

    with pytest.raises(BindingError, match="nonsense"):
        task.delay(1, nonsense=1)


def test_link_is_checked_by_its_own_worker(project):
    """What Celery dispatches from a running task must not fail that task."""
    task = project.app.task(count_words)
    project.app.conf.update(broker_url="memory://")

    assert task.apply_async((), {"nonsense": 1}, parent_id="a-task").id


def test_plain_task_is_checked_as_celery_does(project):
    """A task that stages nothing keeps its own check of arguments."""

    @project.app.task
    def plain(number):
        return number

    with pytest.raises(TypeError, match="number"):
        plain.delay()


def test_output_that_could_be_positional_is_refused(project):
    """The error comes when the task is first called, and names the remedy."""

    @project.app.task
    def careless(text: Path, count: Path = OUTPUT) -> None: ...

    with pytest.raises(DeclarationError, match=r"Put a \* before it"):
        careless.delay(1)


@pytest.mark.parametrize(
    ("raised", "state"),
    [(Ignore(), "skipped"), (Reject("no"), "skipped"), (ValueError("no"), "failed")],
)
def test_state_after_an_error(project, raised, state):
    """Celery's own signals are no failures."""

    @project.app.task
    def ends(text: Path, *, count: Path = OUTPUT) -> None:
        count.write_text("{}")
        raise raised

    project.put(Words(page=1), "a")
    ends.apply(args=[1])

    assert project.last_run().state == state
    assert not project.exists(Count(page=1))


def test_retries_by_cause(project):
    """The policy of a task replaces the app's; each try is a run of the same task id."""
    policy = RetryPolicy(rules={Cause.NETWORK: Rule(max_retries=2, base_seconds=0.0)})
    tries = []

    @project.app.task(retry_policy=policy)
    def flaky(text: Path) -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionResetError(104, "reset")
        return len(tries)

    project.put(Words(page=1), "a")
    result = flaky.apply(args=[1])
    runs = sorted(project.catalog.runs(task=flaky.name), key=lambda run: run.uid)

    assert result.get() == 3
    assert [run.state for run in runs] == ["retried", "retried", "succeeded"]
    assert [run.retries for run in runs] == [0, 1, 2]
    assert len({run.task_id for run in runs}) == 1


def test_catalog_that_is_away_is_a_cause_too(project, monkeypatch):
    """Even before the run has a record, the policy decides about its error."""
    policy = RetryPolicy(rules={Cause.CATALOG: Rule(max_retries=1, base_seconds=0.0)})
    task = project.app.task(measure, retry_policy=policy)
    project.put(Words(page=1), "four")
    declared = type(project.catalog).declare
    failures = [CatalogUnavailable("busy")]

    def declare(self, types):
        if failures:
            raise failures.pop()
        declared(self, types)

    monkeypatch.setattr(type(project.catalog), "declare", declare)

    assert task.apply(args=[1]).get() == 4


def test_missing_output(project):
    """A body that neither writes nor returns its output has failed."""

    @project.app.task
    def idle(text: Path, *, count: Path = OUTPUT) -> None: ...

    project.put(Words(page=1), "a")
    error = idle.apply(args=[1]).result

    assert isinstance(error, MissingOutput)
    assert "Count(page=1)" in str(error)
    assert "derived://count/01.json" in str(error)


def test_bound_task_has_its_own_code(project):
    """`bind=True` hides nothing of the body from the record."""

    @project.app.task(bind=True)
    def bound(self, text: Path) -> str:
        return self.name

    project.put(Words(page=1), "a")
    name = bound.apply(args=[1]).get()

    assert name == bound.name
    assert project.last_run().code.qualname.endswith("bound")


def test_direct_call_in_a_running_task_stages_nothing(project):
    """A body may call another task's body as a function."""
    inner = project.app.task(measure)

    @project.app.task
    def outer(text: Path) -> int:
        class Handle:
            def load(self):
                return text.read_text()

        return inner(Handle())

    project.put(Words(page=1), "four")

    assert outer.apply(args=[1]).get() == 4
    assert len(project.catalog.runs()) == 1


def test_written_output_is_not_replaced_by_what_is_returned(project):
    """What the body wrote stays; a returned text is the task's result then."""

    @project.app.task(name="writes_and_returns")
    def writes_and_returns(text: str, *, count: Path = OUTPUT) -> str:
        count.write_text('{"words": 2}')
        return "done"

    @project.app.task(name="writes_and_tells_where")
    def writes_and_tells_where(count: Path, page: int, *, texts: Path = OUTPUT) -> str:
        texts.write_text("kept")
        return str(texts)

    project.put(Words(page=1), "a b")

    assert writes_and_returns.apply(args=[1]).get() == "done"
    assert Count(page=1).load() == {"words": 2}
    writes_and_tells_where.apply(args=[1, 1]).get()
    assert Words(page=1).load() == "kept"


def test_tasks_own_autoretry_counts_by_its_own_options(project):
    """Where Celery's `autoretry_for` stands, the policy leaves the error to it."""
    tries = []

    @project.app.task(
        name="tries_again",
        autoretry_for=(ConnectionError,),
        max_retries=1,
        default_retry_delay=0,
        retry_policy=RetryPolicy(rules={Cause.NETWORK: Rule(max_retries=7, base_seconds=0.0)}),
    )
    def tries_again(text: str) -> None:
        tries.append(text)
        raise ConnectionResetError

    project.put(Words(page=1), "a")
    result = tries_again.apply(args=[1])

    assert isinstance(result.result, ConnectionResetError)
    assert len(tries) == 2
    assert sorted(run.state for run in project.catalog.runs(task="tries_again")) == [
        "failed",
        "retried",
    ]
