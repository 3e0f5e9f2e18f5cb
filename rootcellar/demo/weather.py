"""Reading a test reference year.

What the hours mean. The header says "HH Stunde (MEZ) {1..24}": Central European Time all year
round, UTC+1, and no summer time. A row is labelled with the end of its hour, so that hour 1 of
1 January begins at 23:00 UTC of 31 December. Here a row carries the beginning of its hour.

What the radiation means is not said in the header, but can be seen in the data by laying the sun's
path over it (tests/demo/test_weather.py does). At the stations that measure radiation (column IK
is 1) a value is the mean of its hour: it fits the sun half an hour before the label. At the others
(IK is 9, computed from the clouds) it is the instant of the label itself: at Bad Marienberg on a
June day the values of 12 and 13 o'clock are equal, and true noon is at 12:30. To take one for the
other would put the low sun of mornings and evenings half an hour off; hence the column
`radiation_is_measured`.

A test reference year is no calendar year. It is dated 2010, its edition, which has no leap day.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from rootcellar.demo.stations import Station, read_station
from rootcellar.demo.tables import table, weather_schema
from rootcellar.schemas.errors import ContentError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

__all__ = ["CLOCK", "HOURS", "NOMINAL_YEAR", "read_try", "station_of", "sun_times", "weather"]

NOMINAL_YEAR: Final = 2010
HOURS: Final = 8760
# POSIX counts westwards: this is UTC+1 without summer time.
CLOCK: Final = "Etc/GMT-1"

_NAMES: Final = "RG IS MM DD HH N WR WG t p x RF W B D IK A E IL".split()  # noqa: SIM905 - the file's own header line
_HEADER_LIMIT: Final = 100
_MEASURED: Final = 1


def read_try(path: "Path") -> pd.DataFrame:
    """Hourly weather of a test reference year, indexed by the beginning of each hour in UTC.

    Returns:
        8760 rows with the columns of `weather_schema` that the year itself knows: `ghi_w_m2` (the
        sum of the next two), `bhi_w_m2` and `dhi_w_m2` (direct and diffuse on the horizontal
        plane), `temp_air_c` (2 m), `wind_speed_m_s` (10 m), `pressure_hpa` (at the station),
        `humidity_pct` and `radiation_is_measured`.

    Raises:
        ContentError: The file is no test reference year, or not a whole one.
    """
    raw = pd.read_csv(path, sep=r"\s+", skiprows=_rows_before_data(path), header=None, names=_NAMES)
    _check_hours(raw, path.name)
    index = pd.date_range(
        f"{NOMINAL_YEAR}-01-01", periods=HOURS, freq="h", tz=CLOCK, name="time_utc"
    ).tz_convert("UTC")
    direct, diffuse = raw["B"].to_numpy(float), raw["D"].to_numpy(float)
    return pd.DataFrame(
        {
            "ghi_w_m2": direct + diffuse,
            "bhi_w_m2": direct,
            "dhi_w_m2": diffuse,
            "temp_air_c": raw["t"].to_numpy(float),
            "wind_speed_m_s": raw["WG"].to_numpy(float),
            "pressure_hpa": raw["p"].to_numpy(float),
            "humidity_pct": raw["RF"].to_numpy(float),
            "radiation_is_measured": raw["IK"].to_numpy() == _MEASURED,
        },
        index=index,
    )


def weather(path: "Path") -> "pa.Table":
    """The weather of one station as a table of `weather_schema`.

    Raises:
        ContentError: The file is no test reference year, or not a whole one.
    """
    station, hourly = read_station(path), read_try(path)
    columns: dict[str, Any] = {str(name): hourly[name].to_numpy() for name in hourly} | {
        "time_utc": hourly.index,
        "station": station.number,
        "name": station.name,
        "latitude_deg": station.latitude_deg,
        "longitude_deg": station.longitude_deg,
        "altitude_m": station.altitude_m,
    }
    return table(weather_schema(), len(hourly), columns)


def station_of(weather: "pa.Table") -> Station:
    """The station of a weather table; its region and station number are not in there and empty."""
    first = weather.slice(0, 1).to_pylist()[0]
    return Station(
        number=first["station"],
        name=first["name"],
        region="",
        wmo=0,
        latitude_deg=first["latitude_deg"],
        longitude_deg=first["longitude_deg"],
        altitude_m=first["altitude_m"],
    )


def sun_times(weather: "pa.Table") -> pd.DatetimeIndex:
    """The instant whose sun belongs to each row's radiation: mid-hour if measured, else its end."""
    begin = pd.DatetimeIndex(weather["time_utc"].to_pandas())
    minutes = np.where(weather["radiation_is_measured"].to_numpy(), 30, 60)
    return begin + pd.to_timedelta(minutes, unit="min")


def _rows_before_data(path: "Path") -> int:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith("***"):
                return number
            if number == _HEADER_LIMIT:
                break
    raise ContentError(
        f"{path.name} has no line of asterisks between header and hours",
        remedy="Give a file of the German weather service's 2010 edition",
    )


def _check_hours(raw: pd.DataFrame, name: str) -> None:
    hours = np.arange(HOURS) % 24 + 1
    if len(raw) != HOURS or not np.array_equal(raw["HH"].to_numpy(), hours):
        raise ContentError(
            f"{name} holds {len(raw)} rows that are not the {HOURS} hours of a year in order",
            remedy="Copy the file again from its source",
        )
