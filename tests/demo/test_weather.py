import numpy as np
import pandas as pd
import pytest
from pvlib import solarposition

from rootcellar.demo import stations, weather
from rootcellar.demo.tables import weather_schema
from rootcellar.schemas.errors import ContentError

# Sums of B + D over the file's 8760 lines, in kWh/m², as awk adds them up:
# awk '/^\*\*\*/ {go=1; next} go {s += $14 + $15} END {print s/1000}'
GHI_KWH_M2 = {1: 963.4, 3: 943.8, 4: 1074.5, 11: 985.1, 15: 1111.4}
POTSDAM, BAD_MARIENBERG = 4, 6


@pytest.mark.parametrize(("number", "expected"), GHI_KWH_M2.items())
def test_sunshine_of_a_year(weather_of, number, expected):
    """Global irradiance is direct plus diffuse, and sums to what the file itself holds."""
    total = weather_of(number)["ghi_w_m2"].to_numpy().sum() / 1000

    assert expected == pytest.approx(total, abs=0.06)


def test_first_row():
    """Hour 1 of 1 January begins at 23:00 UTC, and the columns are those of the header."""
    hourly = weather.read_try(stations.try_file(13))

    first = hourly.iloc[0]
    assert pd.Timestamp("2009-12-31 23:00", tz="UTC") == hourly.index[0]
    assert pd.Timestamp("2010-12-31 22:00", tz="UTC") == hourly.index[-1]
    assert (2.4, 0.8, 973.3, 91.0) == (
        first["wind_speed_m_s"],
        first["temp_air_c"],
        first["pressure_hpa"],
        first["humidity_pct"],
    )


def test_schema(weather_of):
    """The table has the declared schema, and no hour is missing or null."""
    table = weather_of(1)

    assert weather_schema().equals(table.schema)
    assert weather.HOURS == table.num_rows
    assert 0 == sum(column.null_count for column in table.columns)


def test_computed_radiation_is_that_of_the_labelled_instant(weather_of):
    """Where radiation was computed, there is no direct light once the sun is down at the label."""
    table = weather_of(BAD_MARIENBERG)

    assert not table["radiation_is_measured"].to_numpy().any()
    assert _direct_share(table, _sun_is_down(table, minutes=60)) == 0


def test_measured_radiation_is_the_mean_of_its_hour(weather_of):
    """Where it was measured there is: the hour before the label had sun, and its middle fits."""
    table = weather_of(POTSDAM)
    whole_hour = _sun_is_down(table, minutes=0) & _sun_is_down(table, minutes=60)

    assert table["radiation_is_measured"].to_numpy().mean() > 0.99
    assert _direct_share(table, _sun_is_down(table, minutes=60)) > 3e-4
    assert _direct_share(table, whole_hour) < 1e-5


def test_true_noon_of_a_computed_station(weather_of):
    """At Bad Marienberg the sun stands due south at 12:30 CET of 20 June: 12 and 13 are equal."""
    table = weather_of(BAD_MARIENBERG).to_pandas().set_index("time_utc")["bhi_w_m2"]

    noon = table.loc["2010-06-20 10:00+00:00":"2010-06-20 11:00+00:00"]
    assert [78.0, 78.0] == noon.to_list()


def test_sun_times(weather_of):
    """The sun is taken at mid-hour for means and at the hour's end for instants."""
    measured, computed = (
        weather.sun_times(weather_of(number))[4000].minute for number in (POTSDAM, BAD_MARIENBERG)
    )

    assert (30, 0) == (measured, computed)


def test_cut_file_is_refused(tmp_path):
    """A file that lost its last lines is a ContentError, not a shorter year."""
    whole = stations.try_file(1).read_text(encoding="utf-8").splitlines()
    cut = tmp_path / "cut.dat"
    cut.write_text("\n".join(whole[:-5]) + "\n", encoding="utf-8")

    with pytest.raises(ContentError, match="8755 rows"):
        weather.read_try(cut)


def test_file_without_hours_is_refused(tmp_path):
    """A file without the line of asterisks is a ContentError."""
    empty = tmp_path / "empty.dat"
    empty.write_text("TRY01\n", encoding="utf-8")

    with pytest.raises(ContentError, match="asterisks"):
        weather.read_try(empty)


def _sun_is_down(table, *, minutes):
    station = weather.station_of(table)
    times = pd.DatetimeIndex(table["time_utc"].to_pandas()) + pd.Timedelta(minutes=minutes)
    sun = solarposition.get_solarposition(times, station.latitude_deg, station.longitude_deg)
    return sun["apparent_zenith"].to_numpy() > 90.3


def _direct_share(table, where):
    direct = table["bhi_w_m2"].to_numpy()
    return np.sum(direct[where]) / np.sum(direct)
