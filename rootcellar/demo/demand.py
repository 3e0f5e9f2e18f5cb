"""Electricity demand of the model town, with the BDEW load profiles that demandlib ships.

demandlib's tables are read and its formulas followed, but not its classes: `ElecSlp` turns every
warning of the process into an error while it runs, and then trips over its own use of pandas 3.
The tests compare with the classes all the same.
"""

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from rootcellar.demo.stations import demandlib_folder
from rootcellar.demo.tables import demand_schema, table
from rootcellar.demo.town import TOWN

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["coefficient_of_performance", "demand", "heat_profile", "standard_profile"]

_LEGAL_CLOCK: Final = "Europe/Berlin"
_QUARTERS: Final = 4
# The first day of each season of the profiles, as month * 100 + day.
_SEASON_STARTS: Final = np.array([101, 321, 515, 915, 1101])
_SEASONS: Final = ("winter", "transition", "summer", "transition", "winter")
# A year in which sun rules the day, not the lamp: the BDEW's daily factor on the household profile.
_DYNAMISATION: Final = (-3.916649251e-10, 3.2e-7, -7.02e-5, 2.1e-3, 1.24)
_BUILDING: Final = "shlp_type == 'EFH' and building_class == 5"
# Upper ends of the temperature classes of the hourly shares, in °C.
_TEMPERATURE_CLASSES: Final = np.array([-15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0, 25.0])
_SIGMOID_SHIFT_C: Final = 40.0
# Large old radiators, and hot water: one supply temperature for both keeps the model readable.
_SUPPLY_C: Final = 45.0
_SMALLEST_LIFT_K: Final = 15.0
_FIELD_FACTOR: Final = 0.85


def demand(weather: "pa.Table") -> "pa.Table":
    """What the model town draws, hour by hour.

    Homes and trade follow the BDEW standard profiles H0 (dynamic) and G0 on the legal clock, summer
    time included, and come to the town's declared yearly sums exactly. Heat follows the BDEW gas
    profile of detached houses and the station's own temperatures: a colder place takes more. Heat
    pumps make it from air, the worse the colder it is.

    Args:
        weather: A table of `weather_schema`.

    Returns:
        A table of `demand_schema`.
    """
    begin = pd.DatetimeIndex(weather["time_utc"].to_pandas())
    outside_c = weather["temp_air_c"].to_numpy()
    household = TOWN.household_mwh * standard_profile("h0", begin)
    trade = TOWN.trade_mwh * standard_profile("g0", begin)
    heat_mw = TOWN.heated_homes * TOWN.heat_kwh_per_day_at_8_c / 1000.0
    heat_pump = heat_mw * heat_profile(outside_c) / coefficient_of_performance(outside_c)
    return table(
        demand_schema(),
        weather.num_rows,
        {
            "time_utc": weather["time_utc"].combine_chunks(),
            "station": weather["station"].combine_chunks(),
            "household_mw": household,
            "trade_mw": trade,
            "heat_pump_mw": heat_pump,
            "demand_mw": household + trade + heat_pump,
        },
    )


def standard_profile(kind: str, begin: pd.DatetimeIndex) -> "NDArray[np.float64]":
    """The share of the year's electricity that falls into each hour; the sum is 1.

    Holidays count as the weekday they fall on: a test reference year has no calendar.

    Args:
        kind: A BDEW profile, such as "h0" (made dynamic) or "g0".
        begin: The beginnings of the hours of a year.
    """
    hours = _hours_of_season_days(kind)
    clock = begin.tz_convert(_LEGAL_CLOCK)
    season = np.searchsorted(_SEASON_STARTS, clock.month * 100 + clock.day, side="right") - 1
    shares = hours[season, clock.day_of_week, clock.hour]
    if kind == "h0":
        day = (clock.day_of_year - 1) + (clock.hour + 1) / 24
        shares = shares * np.polyval(_DYNAMISATION, day)
    return np.asarray(shares / shares.sum())


def heat_profile(outside_c: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Heat taken in each hour, as a multiple of the customer value per day.

    A whole day at 8 °C comes to about 1, a frosty one to 2 and more, a summer day to the hot
    water alone.

    Args:
        outside_c: Air temperature of the hours of a year on the clock of UTC+1, beginning at
            midnight; the days before the first are those at its end.

    Source: BDEW/VKU/GEODE guide to standard load profiles gas, sigmoid function and geometric mean
    of four days' temperatures; building class 5 of detached houses, not windy.
    """
    days = outside_c.reshape(-1, 24).mean(axis=1)
    felt = sum(weight * np.roll(days, lag) for lag, weight in enumerate((1, 0.5, 0.25, 0.125)))
    felt = np.asarray(felt) / 1.875
    parameters = _rows("shlp_sigmoid_factors.csv").query(f"{_BUILDING} and wind_impact == 0")
    a, b, c, d = parameters[[f"parameter_{letter}" for letter in "abcd"]].to_numpy()[0]
    per_day = a / (1 + (b / (felt - _SIGMOID_SHIFT_C)) ** c) + d
    hourly = _rows("shlp_hour_factors.csv").query(_BUILDING).sort_values("hour_of_day")
    shares = hourly.filter(like="temp_intervall_").to_numpy().T
    classes = np.searchsorted(_TEMPERATURE_CLASSES, np.ceil(felt))
    return np.asarray((per_day[:, None] * shares[classes]).ravel())


def coefficient_of_performance(outside_c: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Heat that an air-source heat pump makes of one unit of electricity.

    Source: Ruhnau, Hirth, Praktiknjo, Time series of heat demand and heat pump efficiency for
    energy system modeling, Scientific Data 6:189, 2019: regression and field correction.
    """
    lift_k = np.maximum(_SUPPLY_C - outside_c, _SMALLEST_LIFT_K)
    return np.asarray(_FIELD_FACTOR * (6.08 - 0.09 * lift_k + 0.0005 * lift_k**2))


def _hours_of_season_days(kind: str) -> "NDArray[np.float64]":
    """Energy by season of `_SEASONS`, day of the week and hour."""
    rows = _rows("selp_series.csv")
    by_season = {
        season: days.sort_values("weekday", kind="stable")[kind]
        .to_numpy(float)
        .reshape(7, 24, _QUARTERS)
        .sum(axis=2)
        for season, days in rows.groupby("period")
    }
    return np.stack([by_season[season] for season in _SEASONS])


def _rows(name: str) -> pd.DataFrame:
    return pd.read_csv(demandlib_folder() / "bdew" / "bdew_data" / name, index_col=0)
