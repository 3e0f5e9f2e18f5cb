"""The demo's tasks: plain functions over tables, on a Celery app with rootcellar installed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from celery import Celery, chain, chord, group

from rootcellar import OUTPUT, Staged, broker_options, install
from rootcellar.demo.artifacts import REGISTRY, Atlas, Monthly
from rootcellar.demo.town import TILTS_DEG, TURBINES

__all__ = ["FOLDER_VARIABLE", "app", "atlas_of", "task_count"]

FOLDER_VARIABLE = "ROOTCELLAR_DEMO_FOLDER"
"""Where the demo's queues and results lie; set by the command for its worker."""

app = Celery("atlas")
app.conf.update(
    broker_options(Path(os.environ.get(FOLDER_VARIABLE, "rootcellar-demo")) / "queue"),
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # One would be right for long tasks; these are short, and a child should not wait for the next.
    worker_prefetch_multiplier=8,
)
if "ROOTCELLAR_DEMO_BROKER" in os.environ:
    app.conf.update(
        broker_url=os.environ["ROOTCELLAR_DEMO_BROKER"],
        broker_transport_options={},
        result_backend=os.environ["ROOTCELLAR_DEMO_BROKER"],
    )
install(app, REGISTRY)


@app.task(reuse=True, name="read_weather")
def read_weather(try_file: Path, *, weather: Path = OUTPUT) -> pa.Table:
    """Read one test reference year."""
    from rootcellar.demo.weather import weather as read  # noqa: PLC0415 - pandas, in workers only

    return read(try_file)


@app.task(reuse=True, name="model_solar")
def model_solar(weather: pa.Table, tilt_deg: int, *, solar: Path = OUTPUT) -> pa.Table:
    """Model the yield of solar modules at one tilt."""
    from rootcellar.demo.solar import pv_yield  # noqa: PLC0415 - pvlib, in workers only

    return pv_yield(weather, tilt_deg)


@app.task(reuse=True, name="model_wind")
def model_wind(weather: pa.Table, turbine: str, *, wind: Path = OUTPUT) -> pa.Table:
    """Model the yield of one turbine type."""
    from rootcellar.demo.wind import wind_yield  # noqa: PLC0415 - windpowerlib, in workers only

    return wind_yield(weather, turbine)


@app.task(reuse=True, name="model_demand")
def model_demand(weather: pa.Table, *, demand: Path = OUTPUT) -> pa.Table:
    """Model what the town draws."""
    from rootcellar.demo.demand import demand as model  # noqa: PLC0415 - pandas, in workers only

    return model(weather)


@app.task(reuse=True, name="settle")
def settle(
    solar: list[pa.Table],
    wind: list[pa.Table],
    demand: pa.Table,
    weather: pa.Table,
    *,
    balance: Path = OUTPUT,
) -> pa.Table:
    """Set supply against demand at one station."""
    from rootcellar.demo.balance import balance as settled  # noqa: PLC0415 - in workers only

    return settled(weather, solar, wind, demand)


@app.task(reuse=True, name="draw_atlas")
def draw_atlas(
    balances: list[pa.Table],
    *,
    atlas: Staged[Atlas] = OUTPUT,
    monthly: Staged[Monthly] = OUTPUT,
) -> None:
    """Put all stations side by side."""
    from rootcellar.demo import atlas as drawing  # noqa: PLC0415 - pandas, in workers only

    atlas.save(drawing.atlas(balances))
    monthly.save(drawing.monthly(balances))


def atlas_of(stations: Sequence[int]) -> Any:
    """Return the canvas of the whole atlas: eight tasks a station, and one at the end."""
    return chord([_station(station) for station in stations], draw_atlas.s())


def _station(station: int) -> Any:
    yields = group(
        *(model_solar.s(tilt_deg=tilt) for tilt in TILTS_DEG),
        *(model_wind.s(turbine=turbine) for turbine in TURBINES),
        model_demand.s(),
    )
    return chain(read_weather.s(try_file=station), yields, settle.s(weather=station))


def task_count(stations: Sequence[int]) -> int:
    """Return how many tasks the canvas has."""
    return len(stations) * (3 + len(TILTS_DEG) + len(TURBINES)) + 1
