"""Solar yield of a kWp, with pvlib."""

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from pvlib import atmosphere, iam, inverter, irradiance, pvsystem, solarposition, temperature

from rootcellar.demo.tables import pv_schema, table
from rootcellar.demo.weather import station_of, sun_times

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["pv_yield"]

_SOUTH_DEG: Final = 180.0
_ALBEDO: Final = 0.25
# Crystalline silicon: power falls by 0.4 % per kelvin.
_GAMMA_PER_K: Final = -0.004
# Below two degrees of elevation direct horizontal irradiance divided by the sine of the elevation
# is noise; what little there is stays in the diffuse part.
_LOWEST_SUN_ZENITH_DEG: Final = 88.0
_MOUNT: Final = temperature.TEMPERATURE_MODEL_PARAMETERS["sapm"]["open_rack_glass_polymer"]


def pv_yield(weather: "pa.Table", tilt_deg: int) -> "pa.Table":
    """What one kWp of solar modules facing south at that tilt feeds in, hour by hour.

    The chain is PVWatts: Perez transposition, reflection at the glass, SAPM cell temperature,
    14 % system losses, an inverter of 96 % rated for the modules' peak.

    Args:
        weather: A table of `weather_schema`.
        tilt_deg: 0 is flat, 90 a wall.

    Returns:
        A table of `pv_schema`; the sum of `pv_kw_per_kwp` is kWh per kWp and year.

    Source: Dobos, PVWatts Version 5 Manual, NREL/TP-6A20-62641, 2014.
    """
    hours = weather.num_rows
    sun = _sun(weather)
    poa = _plane_of_array(weather, sun, tilt_deg)
    cell_c = temperature.sapm_cell(
        poa["poa_global"].to_numpy(),
        weather["temp_air_c"].to_numpy(),
        weather["wind_speed_m_s"].to_numpy(),
        **_MOUNT,
    )
    dc_kw = pvsystem.pvwatts_dc(poa["effective"].to_numpy(), cell_c, 1.0, _GAMMA_PER_K)
    dc_kw *= 1 - pvsystem.pvwatts_losses() / 100
    # pdc0 of an inverter is its DC limit; losses come before it, so it never clips.
    ac_kw = inverter.pvwatts(dc_kw, pdc0=1.0)
    return table(
        pv_schema(),
        hours,
        {
            "time_utc": weather["time_utc"].combine_chunks(),
            "station": weather["station"].combine_chunks(),
            "tilt_deg": tilt_deg,
            "pv_kw_per_kwp": np.nan_to_num(ac_kw),
        },
    )


def _sun(weather: "pa.Table") -> pd.DataFrame:
    station = station_of(weather)
    sun: pd.DataFrame = solarposition.get_solarposition(
        sun_times(weather),
        station.latitude_deg,
        station.longitude_deg,
        altitude=station.altitude_m,
        temperature=weather["temp_air_c"].to_numpy(),
    )
    return sun


def _plane_of_array(weather: "pa.Table", sun: pd.DataFrame, tilt_deg: int) -> pd.DataFrame:
    ghi = pd.Series(weather["ghi_w_m2"].to_numpy(), index=sun.index)
    dhi = pd.Series(weather["dhi_w_m2"].to_numpy(), index=sun.index)
    times = pd.DatetimeIndex(sun.index)
    # Handed a DatetimeIndex, pvlib asks pandas 3 for a name that is going away.
    extra = irradiance.get_extra_radiation(times.day_of_year.to_numpy())
    dni = irradiance.dni(
        ghi, dhi, sun["zenith"], zenith_threshold_for_zero_dni=_LOWEST_SUN_ZENITH_DEG
    )
    dni = dni.fillna(0.0).clip(upper=extra)
    poa: pd.DataFrame = irradiance.get_total_irradiance(
        tilt_deg,
        _SOUTH_DEG,
        sun["apparent_zenith"],
        sun["azimuth"],
        dni,
        ghi,
        dhi,
        dni_extra=extra,
        airmass=atmosphere.get_relative_airmass(sun["apparent_zenith"]),
        albedo=_ALBEDO,
        model="perez",
    ).fillna(0.0)
    aoi = irradiance.aoi(tilt_deg, _SOUTH_DEG, sun["apparent_zenith"], sun["azimuth"])
    poa["effective"] = poa["poa_direct"] * iam.physical(aoi) + poa["poa_diffuse"]
    return poa
