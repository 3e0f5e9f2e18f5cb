"""Wind yield of a kW, with windpowerlib's library of turbines and its formulas."""

from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from windpowerlib import density, power_output, temperature, wind_speed

from rootcellar.demo.tables import table, wind_schema
from rootcellar.demo.town import TURBINES

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["power_curve", "wind_yield"]

_MAST_M: Final = 10.0
_THERMOMETER_M: Final = 2.0
_ZERO_C_IN_K: Final = 273.15
# Farmland with some houses and hedges: class 2 of the European Wind Atlas. The test reference
# years do not say what stands around their masts.
_ROUGHNESS_M: Final = 0.1
# Wakes of the neighbours, standstill and cables; chosen as PVWatts chooses its 14 % for the sun.
_LOSSES: Final = 0.12


def power_curve(turbine_type: str) -> "pd.Series[float]":
    """A turbine's power in W, indexed by wind speed at hub height in m/s.

    Read from the file of the OpenEnergy Platform's turbine library that windpowerlib ships; its
    own reader of that file stumbles over pandas 3.

    Raises:
        KeyError: The library has no such turbine.
    """
    source = files("windpowerlib") / "oedb" / "power_curves.csv"
    with source.open(encoding="utf-8") as file:
        curves = pd.read_csv(file, index_col="turbine_type")
    curve = curves.loc[turbine_type].dropna()
    return pd.Series(curve.to_numpy(float), index=curve.index.astype(float))


def wind_yield(weather: "pa.Table", turbine: str) -> "pa.Table":
    """What one kW of that turbine feeds in, hour by hour.

    The mast's wind is carried up to the hub by the logarithmic profile over open farmland; the
    power curve is corrected for the density of the air, which on a mountain is a tenth thinner.
    12 % are lost to wakes, standstill and cables.

    Args:
        weather: A table of `weather_schema`.
        turbine: A key of `TURBINES`.

    Returns:
        A table of `wind_schema`; the sum of `wind_kw_per_kw` is full-load hours per year.
    """
    machine = TURBINES[turbine]
    curve = power_curve(machine.turbine_type)
    kelvin = temperature.linear_gradient(
        weather["temp_air_c"].to_numpy() + _ZERO_C_IN_K, _THERMOMETER_M, machine.hub_height_m
    )
    air_kg_m3 = density.barometric(
        weather["pressure_hpa"].to_numpy() * 100.0, 0.0, machine.hub_height_m, kelvin
    )
    speed = wind_speed.logarithmic_profile(
        weather["wind_speed_m_s"].to_numpy(), _MAST_M, machine.hub_height_m, _ROUGHNESS_M
    )
    watts = power_output.power_curve(
        speed,
        curve.index.to_numpy(),
        curve.to_numpy(),
        density=air_kg_m3,
        density_correction=True,
    )
    return table(
        wind_schema(),
        weather.num_rows,
        {
            "time_utc": weather["time_utc"].combine_chunks(),
            "station": weather["station"].combine_chunks(),
            "turbine": turbine,
            "wind_kw_per_kw": np.asarray(watts) * (1 - _LOSSES) / 1000.0 / machine.rated_kw,
        },
    )
