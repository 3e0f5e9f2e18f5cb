"""Celery's own ways of making and calling tasks, all staged alike."""

from __future__ import annotations

import pytest
from grid_deployment import wait_until


@pytest.mark.parametrize("name", ["bound", "classy", "shared"])
def test_kinds_of_tasks(grid, name):
    """`bind=True`, class-based and shared tasks are staged as plain ones are."""
    import grid_app
    from grid_artifacts import Total

    station = grid.station()
    result = getattr(grid_app, name).delay(station)
    grid.ended(result)
    (run,) = grid.runs(result)

    assert Total(station=station).load()["words"] == 3
    assert run.code.qualname.startswith("grid_app:")


def test_pydantic_task(grid):
    """A model in the call reaches the body of a `pydantic=True` task as the model."""
    from grid_app import modelled
    from grid_artifacts import Total

    station = grid.station()
    grid.ended(modelled.delay(station, {"value": 4}))

    assert Total(station=station).load() == {"kwh": 12}


def test_map(grid):
    """Each item of `.map()` is staged, and is a run of its own."""
    from grid_app import count_words

    stations = [grid.station("a"), grid.station("b c")]
    result = count_words.map(stations).delay()
    counts = grid.ended(result)
    runs = grid.catalog.runs(task="grid_app.count_words")

    assert counts == [1, 2]
    assert {run.arguments["weather"] for run in runs} >= set(stations)


def test_direct_call_stages_nothing(grid, tmp_path):
    """A plain call runs the body with the paths it is given, and records nothing."""
    from grid_app import rate, simulate

    weather, generation, capacity = (tmp_path / name for name in ("w", "g", "c"))
    weather.write_text("one two")
    before = len(grid.catalog.runs())
    result = simulate(weather, 10, generation=generation)
    rate(weather.read_text(), capacity=capacity)

    assert result == {"kwh": 20}
    assert not generation.exists()
    assert capacity.exists()
    assert len(grid.catalog.runs()) == before


def test_direct_call_within_a_mapped_body_stages_nothing(grid):
    """A body that `.map()` runs may call another task's body as a function."""
    from grid_app import calls_another

    station = grid.station("one two")

    assert grid.ended(calls_another.map([station]).delay()) == [2]


def test_positional_and_by_name_are_one(grid):
    """How an argument is passed does not change what is recorded of it."""
    from grid_app import simulate

    station = grid.station()
    results = [simulate.delay(station, 7), simulate.delay(tilt=7, weather=station)]
    for result in results:
        grid.ended(result)
    first, second = (grid.runs(result)[0] for result in results)

    assert first.arguments == second.arguments


def test_task_without_registered_names_is_left_alone(grid):
    """Such a task runs as ever and leaves no row."""
    from grid_app import left_alone, plain

    results = [plain.delay(1), left_alone.delay("as it is")]

    assert [grid.ended(result) for result in results] == [2, "as it is"]
    assert [grid.runs(result) for result in results] == [[], []]


def test_return_value_that_is_no_output_passes(grid):
    """A task without outputs returns what its body returns."""
    from grid_app import count_words

    assert grid.ended(count_words.delay(grid.station("a b c d"))) == 4


def test_sender_is_recorded(grid):
    """A task sent from a body, and the next link of a chain, name the run they come from."""
    from celery import chain
    from grid_app import add_up, sends, simulate

    station = grid.station()
    outer = sends.delay(station)
    grid.ended(outer)
    (parent,) = grid.runs(outer)
    link = chain(simulate.s(station, 1), add_up.s(station=station)).delay()
    grid.ended(link)
    inner = wait_until(
        lambda: [
            run for run in grid.catalog.runs(task="grid_app.rate") if run.parent_run == parent.uid
        ]
    )

    assert [run.root_id for run in inner] == [outer.id]
    assert grid.runs(link)[0].parent_run == grid.runs(link.parent)[0].uid


def test_task_sent_by_name_is_checked_by_the_worker(grid):
    """`send_task` skips the check in the caller; the worker binds again and trusts only that."""
    from grid_app import app

    result = app.send_task("grid_app.simulate", args=["no number", 3])
    error = grid.failed(result)
    (run,) = grid.runs(result)

    assert "weather" in str(error)
    assert (run.state, run.error.phase) == ("failed", "bind")


def test_link_that_does_not_bind_fails_alone(grid):
    """The task before it stays a success, and the link carries the error."""
    from celery import chain
    from grid_app import rate, simulate

    station = grid.station()
    result = chain(simulate.s(station, 1), rate.s()).delay()
    error = grid.failed(result)

    assert result.parent.state == "SUCCESS"
    assert grid.runs(result.parent)[0].state == "succeeded"
    assert "none of its inputs" in str(error) or "weather" in str(error)
