"""The demo's kinds of files: eight classes, and all the staging code there is."""

from rootcellar import Artifact, Parquet, Registry, Text
from rootcellar.demo.tables import (
    atlas_schema,
    balance_schema,
    demand_schema,
    monthly_schema,
    pv_schema,
    weather_schema,
    wind_schema,
)

__all__ = [
    "REGISTRY",
    "Atlas",
    "Balance",
    "Demand",
    "Monthly",
    "SolarYield",
    "TryFile",
    "Weather",
    "WindYield",
]

REGISTRY = Registry("atlas")


@REGISTRY.register
class TryFile(Artifact, uri="raw://try2010/{station:02d}.dat", format=Text()):
    """Test reference year of one German climate region, as the weather service wrote it."""

    station: int


@REGISTRY.register
class Weather(
    Artifact,
    uri="derived://weather/{station:02d}.parquet",
    format=Parquet(schema=weather_schema),
):
    """Hourly weather of one station, in UTC and with units."""

    station: int


@REGISTRY.register(arguments=["solar"])
class SolarYield(
    Artifact,
    uri="derived://solar/{station:02d}/tilt={tilt_deg:02d}.parquet",
    format=Parquet(schema=pv_schema),
):
    """What a kWp of modules facing south feeds in, hour by hour."""

    station: int
    tilt_deg: int


@REGISTRY.register(arguments=["wind"])
class WindYield(
    Artifact,
    uri="derived://wind/{station:02d}/{turbine}.parquet",
    format=Parquet(schema=wind_schema),
):
    """What a kW of one turbine type feeds in, hour by hour."""

    station: int
    turbine: str


@REGISTRY.register
class Demand(
    Artifact,
    uri="derived://demand/{station:02d}.parquet",
    format=Parquet(schema=demand_schema),
):
    """What the model town draws at one station, hour by hour."""

    station: int


@REGISTRY.register(arguments=["balance", "balances"])
class Balance(
    Artifact,
    uri="derived://balance/{station:02d}.parquet",
    format=Parquet(schema=balance_schema),
):
    """Supply and demand of the model town at one station, hour by hour."""

    station: int


@REGISTRY.register
class Atlas(Artifact, uri="derived://atlas.parquet", format=Parquet(schema=atlas_schema)):
    """One row per station: what sun and wind give there, and how far it goes."""


@REGISTRY.register
class Monthly(Artifact, uri="derived://monthly.parquet", format=Parquet(schema=monthly_schema)):
    """Supply and demand of every station by month."""
