"""reuse: when an earlier run's outputs are taken over."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  the annotations of bodies are read

import pytest
from grid_words import Count, Words

from rootcellar import OUTPUT
from rootcellar.runtime import current_runtime


@pytest.fixture
def counting(project):
    """A task that reuses, and how often its body ran."""
    bodies = []

    @project.app.task(reuse=True)
    def counting(text: Path, factor: int = 1, *, count: Path = OUTPUT) -> dict:
        bodies.append(1)
        return {"words": len(text.read_text().split()) * factor}

    counting.bodies = bodies
    project.put(Words(page=1), "a b c")
    return counting


def states(project):
    return [str(run.state) for run in reversed(list(project.catalog.runs()))]


def test_same_again_is_reused(project, counting):
    """The refs are those of the earlier run, and the record says which run that was."""
    first = counting.apply(args=[1]).get()
    second = counting.apply(args=[1]).get()
    run = project.last_run()
    (output,) = run.outputs

    assert first == second
    assert len(counting.bodies) == 1
    assert states(project) == ["succeeded", "reused"]
    assert output.mode == "reused"
    assert run.reused_run == output.version.run_uid


def test_equal_bytes_of_another_file_are_the_same(project, counting):
    """Content counts, not when or by whom it was written."""
    counting.apply(args=[1])
    project.put(Words(page=1), "a b c")
    counting.apply(args=[1])

    assert states(project) == ["succeeded", "reused"]


@pytest.mark.parametrize("change", ["input", "argument", "output replaced", "output gone"])
def test_what_makes_it_run_again(project, counting, change):
    """Other content, other arguments, or outputs that no longer stand."""
    counting.apply(args=[1])
    factor = 1
    if change == "input":
        project.put(Words(page=1), "a b c d")
    elif change == "argument":
        factor = 2
    elif change == "output replaced":
        Count(page=1).push({"words": 0})
    else:
        path = project.settings.stores["derived"].url
        (current_runtime().settings.home / path / "count/01.json").unlink()
    counting.apply(args=[1, factor])

    assert len(counting.bodies) == 2
    assert states(project)[-1] == "succeeded"
    assert project.exists(Count(page=1))


def test_failed_run_is_not_reused(project):
    """Only what succeeded can be taken over."""
    tries = []

    @project.app.task(reuse=True)
    def second_time(text: Path, *, count: Path = OUTPUT) -> dict:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("the first time")
        return {}

    project.put(Words(page=1), "a")
    second_time.apply(args=[1])
    second_time.apply(args=[1])

    assert states(project) == ["failed", "succeeded"]


def test_without_the_mark_nothing_is_reused(project):
    """A task that did not ask for it runs each time."""

    @project.app.task
    def always(text: Path, *, count: Path = OUTPUT) -> dict:
        return {}

    project.put(Words(page=1), "a")
    always.apply(args=[1])
    always.apply(args=[1])

    assert states(project) == ["succeeded", "succeeded"]
