"""What becomes of a run that does not end well: each row of the failure table."""

from __future__ import annotations

import os
import signal

import pytest
from grid_artifacts import Generation, Moody, MoodyWeather, Total
from grid_deployment import wait_until

from rootcellar.runtime import current_runtime


def nothing_left(grid):
    """No workdir and no temporary file, on the host or in a store."""
    hidden = grid.folder.joinpath("stores").rglob(".*")
    return [*grid.workdirs(), *(grid.cache / "tmp").iterdir(), *hidden] == []


def moody_file(grid, artifact, suffix):
    path = grid.folder / "stores/moody" / f"{artifact.uri.removeprefix('moody://')}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def test_transient_store_error_then_success(grid):
    """A store that fails longer than a download insists costs a retry; each run has its row."""
    from grid_app import moody

    station = grid.station()
    artifact = MoodyWeather(station=station)
    grid.put(artifact, "fog")
    moody_file(grid, artifact, ".failures").write_text("3")
    result = moody.delay(station)
    grid.ended(result)
    first, second = grid.runs(result)

    assert [first.state, second.state] == ["retried", "succeeded"]
    assert (first.retries, second.retries) == (0, 1)
    assert (first.error.phase, first.error.transient) == ("stage in", True)
    assert Total(station=station).load() == {"weather": "fog"}


def test_transient_error_of_a_body(grid):
    """A lost connection in a body is retried too."""
    from grid_app import recovers

    result = recovers.delay(grid.station())
    grid.ended(result)
    runs = grid.runs(result)

    assert [run.state for run in runs] == ["retried", "succeeded"]
    assert runs[0].error.cause == "network"
    assert runs[0].parent_run == runs[1].parent_run


def test_deterministic_error_runs_once(grid):
    """Arithmetic fails again, so it is not tried again; the error passes through untouched."""
    from grid_app import trouble

    station = grid.station()
    result = trouble.delay(station, "arithmetic")
    error = grid.failed(result)
    (run,) = grid.runs(result)

    assert isinstance(error, ZeroDivisionError)
    assert (run.state, run.error.phase, run.error.cause) == ("failed", "body", "deterministic")
    assert [one.version.type for one in run.inputs] == ["weather"]
    assert list(run.outputs) == []
    assert not grid.exists(Total(station=station))
    assert nothing_left(grid)


def test_retries_exhausted(grid):
    """The last of the retries is a recorded end, and logged once as such."""
    from grid_app import trouble

    result = trouble.delay(grid.station(), "network")
    error = grid.failed(result)
    states = [run.state for run in grid.runs(result)]
    lines = [line for line in grid.log().splitlines() if f"[{result.id}] network error" in line]

    assert isinstance(error, ConnectionResetError)
    assert states == ["retried", "retried", "failed"]
    assert ["exhausted" in line for line in lines] == [False, False, True]


def test_users_own_autoretry(grid):
    """`autoretry_for` of the user works as without us, and every run is recorded."""
    from grid_app import autoretried

    station = grid.station()
    result = autoretried.delay(station)
    error = grid.failed(result)
    bodies = grid.sign(f"autoretried-{station:03d}.txt").read_text().splitlines()

    assert isinstance(error, KeyError)
    assert len(bodies) == 3
    assert [run.state for run in grid.runs(result)] == ["retried", "retried", "failed"]


def test_self_retry(grid):
    """A body that retries itself is recorded as retried, and its first output is not published."""
    from grid_app import retries_itself

    station = grid.station()
    result = retries_itself.delay(station)
    grid.ended(result)

    assert [run.state for run in grid.runs(result)] == ["retried", "succeeded"]
    assert Total(station=station).load() == {"retries": 1}


def test_self_replace(grid):
    """A body that replaces itself is skipped; the task that took its place makes the output."""
    from grid_app import replaces_itself

    station = grid.station()
    result = replaces_itself.delay(station)
    grid.ended(result)
    states = {run.task: run.state for run in grid.runs(result)}

    assert states == {"grid_app.replaces_itself": "skipped", "grid_app.bound": "succeeded"}
    assert Total(station=station).load()["task"] == "grid_app.bound"


@pytest.mark.parametrize("how", ["ignore", "reject"])
def test_ignore_and_reject(grid, how):
    """Celery's Ignore and Reject pass through, and the run is skipped with nothing published."""
    from grid_app import trouble

    station = grid.station()
    result = trouble.delay(station, how)
    wait_until(lambda: [run for run in grid.runs(result) if run.ended_at])
    (run,) = grid.runs(result)

    assert run.state == "skipped"
    assert not grid.exists(Total(station=station))


def test_soft_time_limit_in_the_body(grid):
    """Nothing becomes visible, the workdir is gone, and the run has failed."""
    from grid_app import too_slow

    station = grid.station()
    result = too_slow.delay(station)
    error = grid.failed(result)
    (run,) = grid.runs(result)

    assert type(error).__name__ == "SoftTimeLimitExceeded"
    assert (run.state, run.error.phase, run.error.cause) == ("failed", "body", "resource")
    assert not grid.exists(Total(station=station))
    assert nothing_left(grid)


def test_soft_time_limit_while_publishing(grid):
    """Work that is done counts: the limit does not part publishing from recording."""
    from grid_app import slow_to_commit

    station = grid.station()
    moody_file(grid, Moody(station=station), ".seconds").write_text("2")
    result = slow_to_commit.delay(station)
    grid.ended(result)
    (run,) = grid.runs(result)

    assert run.state == "succeeded"
    assert Moody(station=station).load() == {"words": 3}


def test_hard_time_limit(grid):
    """Nothing becomes visible, the run ends, and so do those that the same pool runs after it."""
    from grid_app import killed_by_limit, simulate

    station = grid.station()
    result = killed_by_limit.delay(station)
    error = grid.failed(result)
    # It has a tenth of a second to record its end; else the next sweep of this host does.
    wait_until(lambda: grid.runs(result)[0].ended_at or current_runtime().sweep())
    wait_until(lambda: nothing_left(grid))

    assert type(error).__name__ == "TimeLimitExceeded"
    assert grid.runs(result)[0].state in {"failed", "lost"}
    assert not grid.exists(Total(station=station))
    for tilt in range(4):
        grid.ended(simulate.delay(station, tilt))


def test_kill_in_the_body(any_grid):
    """The next delivery works, the killed run is lost, and nothing is left over."""
    from grid_app import held

    grid = any_grid
    station = grid.station()
    sign = grid.sign(f"held-{station:03d}.txt")
    result = held.delay(station)
    wait_until(lambda: sign.exists() and sign.read_text().endswith("\n"))
    os.kill(int(sign.read_text()), signal.SIGKILL)
    grid.ended(result)
    first, second = grid.runs(result)

    assert [first.state, second.state] == ["lost", "succeeded"]
    assert Total(station=station).load() == {"words": 3}
    assert second.redelivered
    wait_until(lambda: nothing_left(grid))


def test_transient_error_in_a_map(grid):
    """An item of `.map()` cannot be sent again alone, so its run has failed, not been retried."""
    from grid_app import loses_connection

    result = loses_connection.map([grid.station()]).delay()
    error = grid.failed(result)
    (run,) = grid.catalog.runs(task="grid_app.loses_connection")

    assert isinstance(error, ConnectionResetError)
    assert (run.state, run.error.cause) == ("failed", "network")


def test_exit_in_the_body(grid):
    """A body that ends its process has failed, publishes nothing, and the next delivery works."""
    from grid_app import exits

    station = grid.station()
    result = exits.delay(station)
    grid.ended(result)

    assert [run.state for run in grid.runs(result)] == ["failed", "succeeded"]
    assert Total(station=station).load() == {"words": 3}


def test_redelivery_after_success(grid):
    """A message that is delivered again after it succeeded is another run with the same bytes."""
    from grid_app import simulate

    station = grid.station()
    first = simulate.delay(station, 3)
    refs = [grid.ended(first)]
    second = simulate.apply_async((station, 3), task_id=f"{first.id}-again")
    refs.append(grid.ended(second))

    assert refs[0]["digest"] == refs[1]["digest"]
    assert Generation(station=station, tilt=3).load() == {"kwh": 9}
