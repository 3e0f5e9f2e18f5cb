"""The tasks of the end-to-end tests: imported by the tests and by the workers they start.

`GRID_BROKER` says where the broker is if it is not the embedded one, and `GRID_FOLDER` where
bodies and tests leave each other signs.
"""

import json
import os
import time
from pathlib import Path
from typing import Annotated

from celery import Celery, shared_task
from celery.exceptions import Ignore, Reject
from grid_artifacts import Capacity, Generation, Part, Snapshot, Tiles, Total, registry
from pydantic import BaseModel

from rootcellar import NOT_STAGED, OUTPUT, OUTPUTS, Cause, Outputs, RetryPolicy, Staged, install
from rootcellar.retry import Rule

SIGNS = "GRID_FOLDER"
QUICK = Rule(max_retries=2, base_seconds=0.05)


class Alone(Celery):
    """An app that keeps its tasks to itself. Celery gives those of one app to all that follow."""

    def task(self, *args, **options):
        return super().task(*args, **{"shared": False, **options})


app = Alone("grid")
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_track_started=True,
    worker_prefetch_multiplier=1,
    worker_lost_wait=1.0,
    broker_connection_retry_on_startup=True,
)
if "GRID_BROKER" in os.environ:
    app.conf.update(broker_url=os.environ["GRID_BROKER"], result_backend=os.environ["GRID_BROKER"])
install(
    app,
    registry,
    policy=RetryPolicy().with_({Cause.STORE: QUICK, Cause.NETWORK: QUICK, Cause.CATALOG: QUICK}),
)


def sign(name: str) -> Path:
    """A file that tells a test what a body does, or a body what a test wants."""
    return Path(os.environ[SIGNS]) / name


def words(weather: Path) -> int:
    return len(weather.read_text().split())


# -- the main job -------------------------------------------------------------------------------


@app.task
def simulate(weather: Path, tilt: int, *, generation: Path = OUTPUT) -> dict:
    return {"kwh": words(weather) * tilt}


@app.task
def rate(weather: str, *, capacity: Path = OUTPUT) -> None:
    capacity.write_text(json.dumps({"kw": len(weather.split())}))


@app.task
def add_up(generations: list[dict], station: int, *, total: Staged[Total] = OUTPUT) -> None:
    total.save({"kwh": [one["kwh"] for one in generations]})


@app.task
def add_up_keyed(generations: dict[Generation, Path], *, total: Path = OUTPUT) -> dict:
    return {str(key.tilt): json.loads(path.read_text())["kwh"] for key, path in generations.items()}


@app.task
def settle(generations: list[dict], capacity: dict, *, total: Path = OUTPUT) -> dict:
    return {"kwh": [one["kwh"] for one in generations], "kw": capacity["kw"]}


@app.task
def perhaps(weather: Path, capacity: dict | None, *, total: Path = OUTPUT) -> dict:
    return {"kw": capacity}


@app.task
def split(weather: str, *, parts: Outputs[Part] = OUTPUTS) -> None:
    for word in weather.split():
        parts.new(name=word).path.write_text(word)


@app.task
def both(
    weather: Path, tilt: int, *, generation: Path = OUTPUT, capacity: Staged[Capacity] = OUTPUT
) -> None:
    generation.write_text(json.dumps({"kwh": words(weather) * tilt}))
    capacity.save({"kw": words(weather)})


@app.task
def tile(weather: str, *, tiles: Path = OUTPUT) -> None:
    for number, word in enumerate(weather.split()):
        (tiles / f"{number}.txt").write_text(word)


@app.task
def join(tiles: dict[str, str], *, total: Path = OUTPUT) -> dict:
    return {"words": [tiles[name] for name in sorted(tiles)]}


@app.task
def keep(weather: str, value: int, *, snapshot: Path = OUTPUT) -> dict:
    return {"value": value}


@app.task
def read_kept(snapshot: Staged[Snapshot], tilt: int, gate: str, *, generation: Path = OUTPUT):
    """Tell what was read, after all concurrent chains have written."""
    wait_for(sign(gate))
    return {"value": snapshot.load()["value"]}


@app.task(reuse=True)
def once(weather: Path, factor: int, *, total: Path = OUTPUT) -> dict:
    with sign("once").open("a") as runs:
        runs.write(f"{weather.name}\n")
    return {"kwh": words(weather) * factor}


# -- Celery's ways of making a task ---------------------------------------------------------------


@app.task(bind=True)
def bound(self, weather: Path, *, total: Path = OUTPUT) -> dict:
    return {"words": words(weather), "task": self.name, "retries": self.request.retries}


class Classy(app.Task):
    name = "grid_app.classy"

    def run(self, weather: Path, *, total: Path = OUTPUT) -> dict:
        return {"words": words(weather), "task": self.name}


classy = app.register_task(Classy())


@shared_task
def shared(weather: Path, *, total: Path = OUTPUT) -> dict:
    return {"words": words(weather)}


class Factor(BaseModel):
    value: int


@app.task(pydantic=True)
def modelled(weather: Path, factor: Factor, *, total: Path = OUTPUT) -> dict:
    assert isinstance(factor, Factor)
    return {"kwh": words(weather) * factor.value}


@app.task
def count_words(weather: Path) -> int:
    return words(weather)


@app.task
def calls_another(weather: Path) -> int:
    """Call another task's body as a function."""
    return count_words(weather)


@app.task
def plain(number: int) -> int:
    return number + 1


@app.task
def left_alone(weather: Annotated[str, NOT_STAGED]) -> str:
    return weather


@app.task
def sends(weather: Path, *, total: Path = OUTPUT) -> dict:
    """Send another task from within a body."""
    station = int(weather.stem)
    rate.delay(station)
    return {"sent": 1}


# -- everything that goes wrong -------------------------------------------------------------------


@app.task
def trouble(weather: Path, how: str, *, total: Path = OUTPUT) -> None:
    """Write the output, then end in some way."""
    total.write_text('{"half": "done"}')
    errors = {
        "arithmetic": ZeroDivisionError("division by zero"),
        "network": ConnectionResetError(104, "Connection reset by peer"),
        "value": ValueError(f"cannot use {weather}"),
        "ignore": Ignore(),
        "reject": Reject("not today", requeue=False),
    }
    raise errors[how]


@app.task
def loses_connection(weather: Path) -> None:
    raise ConnectionResetError(104, "Connection reset by peer")


@app.task
def moody(moody_weather: str, *, total: Path = OUTPUT) -> dict:
    return {"weather": moody_weather}


@app.task
def recovers(weather: Path, *, total: Path = OUTPUT) -> dict:
    """Fail by the network the first time only."""
    gate = sign(f"recovers-{weather.name}")
    if not gate.exists():
        gate.touch()
        raise ConnectionResetError(104, "Connection reset by peer")
    return {"words": words(weather)}


@app.task(autoretry_for=(KeyError,), default_retry_delay=0, max_retries=2)
def autoretried(weather: Path, *, total: Path = OUTPUT) -> dict:
    with sign(f"autoretried-{weather.name}").open("a") as runs:
        runs.write("run\n")
    raise KeyError("always")


@app.task(bind=True, max_retries=1)
def retries_itself(self, weather: Path, *, total: Path = OUTPUT) -> dict:
    if self.request.retries == 0:
        total.write_text('{"half": "done"}')
        raise self.retry(countdown=0)
    return {"retries": self.request.retries}


@app.task(bind=True)
def replaces_itself(self, weather: Path, *, total: Path = OUTPUT) -> dict:
    total.write_text('{"half": "done"}')
    raise self.replace(bound.s(int(weather.stem)))


@app.task(soft_time_limit=1)
def too_slow(weather: Path, *, total: Path = OUTPUT) -> None:
    total.write_text('{"half": "done"}')
    wait_for(sign("never"))


@app.task(soft_time_limit=1)
def slow_to_commit(weather: Path, *, moody: Path = OUTPUT) -> dict:
    return {"words": words(weather)}


@app.task(time_limit=1)
def killed_by_limit(weather: Path, *, total: Path = OUTPUT) -> None:
    total.write_text('{"half": "done"}')
    wait_for(sign("never"))


@app.task
def held(weather: Path, *, total: Path = OUTPUT) -> dict:
    """Say which process runs it, and wait for a gate unless this is another delivery."""
    with sign(f"held-{weather.name}").open("a") as pids:
        pids.write(f"{os.getpid()}\n")
    if sign(f"held-{weather.name}").read_text().count("\n") == 1:
        total.write_text('{"half": "done"}')
        wait_for(sign("never"))
    return {"words": words(weather)}


@app.task
def tiled(station: int, *, tiles: Staged[Tiles] = OUTPUT) -> None:
    """Hand tiles over; the first delivery then says which process it is, and waits for ever."""
    for number in range(5):
        write_tile(tiles, number)
    pids = sign(f"tiled-{station:03d}")
    if not pids.exists():
        pids.write_text(f"{os.getpid()}\n")
        wait_for(sign("never"))
    write_tile(tiles, 5)
    (tiles.path / "last.txt").write_text(f"the last of {station}")


@app.task
def tiled_in_vain(station: int, cause: str, *, tiles: Staged[Tiles] = OUTPUT) -> None:
    """Hand tiles over and fail."""
    write_tile(tiles, 0)
    while (tiles.path / "0.txt").exists():
        time.sleep(0.01)
    if cause == "network" and sign(f"vain-{station:03d}").exists():
        return
    sign(f"vain-{station:03d}").touch()
    raise ConnectionResetError if cause == "network" else ValueError(cause)


@app.task
def tiled_several(stations: list[int], *, several: Outputs[Tiles] = OUTPUTS) -> None:
    """Hand tiles of several folders over, in turns."""
    made = [several.new(station=station) for station in stations]
    for number in range(3):
        for tiles in made:
            write_tile(tiles, number)


def write_tile(tiles: Staged[Tiles], number: int) -> None:
    path = tiles.path / f"{number}.txt"
    path.write_text(f"tile {number} of {tiles.artifact.station}")
    tiles.add(path)


@app.task
def exits(weather: Path, *, total: Path = OUTPUT) -> dict:
    """End the process the first time. Each time would go on for ever: the message comes back."""
    gate = sign(f"exits-{weather.name}")
    if not gate.exists():
        total.write_text('{"half": "done"}')
        gate.touch()
        raise SystemExit(3)
    return {"words": words(weather)}


@app.task
def writes_nothing(weather: Path, *, total: Path = OUTPUT) -> None:
    """End without its output."""


@app.task
def writes_empty(weather: Path, *, lines: Path = OUTPUT) -> None:
    lines.touch()


@app.task
def writes_wrong_schema(weather: Path, *, frame: Path = OUTPUT) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"hour": ["one"], "mw": [1.0]}), frame)


@app.task
def writes_nowhere(weather: Path, *, elsewhere: Path = OUTPUT) -> str:
    return "text"


@app.task
def takes_secret(weather: Path, api_token: str, *, total: Path = OUTPUT) -> dict:
    if api_token.endswith("wrong"):
        raise ValueError("the token was refused")
    return {"words": words(weather)}


def wait_for(path: Path, limit_seconds: float = 60.0) -> None:
    end = time.monotonic() + limit_seconds
    while not path.exists():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


app.finalize()  # while the shared task is at hand: tests take it away from other apps
