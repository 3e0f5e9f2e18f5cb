"""The three kinds of files, and the argument names that stand for them."""

import pyarrow as pa

from rootcellar import Artifact, Csv, Json, Parquet, Registry

registry = Registry("grid")

WEATHER = pa.schema([("hour", pa.int32()), ("temperature_c", pa.float64())])
DEMAND = pa.schema([("hour", pa.int32()), ("demand_mw", pa.float64())])


@registry.register(arguments=["model_name"])
class GridModel(Artifact, uri="models://{model_name}.json", format=Json()):
    """How a grid draws electricity."""

    model_name: str


@registry.register(arguments=["weather_year"])
class WeatherYear(Artifact, uri="weather://{weather_year}.csv", format=Csv(schema=WEATHER)):
    """One year of hourly temperatures."""

    weather_year: int


@registry.register
class ElecData(
    Artifact, uri="results://elec/{model_name}/{weather_year}.parquet", format=Parquet(DEMAND)
):
    """What one grid draws in one year of weather, hour by hour."""

    model_name: str
    weather_year: int
