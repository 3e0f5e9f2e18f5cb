"""The model town's supply and demand, hour by hour."""

from typing import TYPE_CHECKING, Final

import numpy as np

from rootcellar.demo.tables import balance_schema, pv_column, table, wind_column
from rootcellar.demo.town import TILTS_DEG, TOWN, TURBINES
from rootcellar.schemas.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["balance", "stored"]

_FROM_WEATHER: Final = (
    "time_utc",
    "station",
    "name",
    "latitude_deg",
    "longitude_deg",
    "altitude_m",
    "temp_air_c",
    "wind_speed_m_s",
    "ghi_w_m2",
)


def balance(
    weather: "pa.Table", pv: "Sequence[pa.Table]", wind: "Sequence[pa.Table]", demand: "pa.Table"
) -> "pa.Table":
    """What the model town makes, draws, stores and imports at one station.

    The town's solar capacity is spread evenly over the tilts that are given, its wind capacity
    over the turbines. Surplus charges the batteries, which fill the next gaps; they begin empty.

    Args:
        weather: A table of `weather_schema`.
        pv: At least one table of `pv_schema`, in any order.
        wind: At least one table of `wind_schema`, in any order.
        demand: A table of `demand_schema`.

    Returns:
        A table of `balance_schema`.

    Raises:
        ContentError: The tables are not all of the weather's station and hours.
    """
    for part in (*pv, *wind, demand):
        _check_same_hours(weather, part)
    yields: dict[str, NDArray[np.float64] | None] = {pv_column(tilt): None for tilt in TILTS_DEG}
    yields |= {wind_column(turbine): None for turbine in TURBINES}
    of_pv = {pv_column(t["tilt_deg"][0].as_py()): t["pv_kw_per_kwp"].to_numpy() for t in pv}
    of_wind = {wind_column(t["turbine"][0].as_py()): t["wind_kw_per_kw"].to_numpy() for t in wind}
    pv_mw = TOWN.pv_mwp * np.mean(list(of_pv.values()), axis=0)
    wind_mw = TOWN.wind_mw * np.mean(list(of_wind.values()), axis=0)
    demand_mw = demand["demand_mw"].to_numpy()
    residual_mw = demand_mw - pv_mw - wind_mw
    stored_mwh, imported_mw = stored(residual_mw)
    columns = {name: weather[name].combine_chunks() for name in _FROM_WEATHER}
    return table(
        balance_schema(),
        weather.num_rows,
        columns
        | yields
        | of_pv
        | of_wind
        | {
            "pv_mw": pv_mw,
            "wind_mw": wind_mw,
            "demand_mw": demand_mw,
            "residual_mw": residual_mw,
            "stored_mwh": stored_mwh,
            "imported_mw": imported_mw,
        },
    )


def stored(residual_mw: "NDArray[np.float64]") -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """What the batteries hold at the end of each hour, in MWh, and what is still missing, in MW.

    Losses are taken when charging, so that all that is stored comes out again.
    """
    level = 0.0
    levels, missing = [], []
    for residual in residual_mw.tolist():
        if residual < 0:
            room = (TOWN.battery_mwh - level) / TOWN.battery_efficiency
            level += min(-residual, TOWN.battery_mw, room) * TOWN.battery_efficiency
            missing.append(0.0)
        else:
            given = min(residual, TOWN.battery_mw, level)
            level -= given
            missing.append(residual - given)
        levels.append(level)
    return np.array(levels), np.array(missing)


def _check_same_hours(weather: "pa.Table", part: "pa.Table") -> None:
    for column in ("station", "time_utc"):
        if not weather[column].equals(part[column]):
            raise ContentError(
                f"The weather and another table of the balance differ in their column {column}",
                remedy="Balance tables that were made from the same weather",
            )
