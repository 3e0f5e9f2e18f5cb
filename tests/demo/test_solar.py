import numpy as np
import pandas as pd
import pytest
from pvlib import location, modelchain, pvsystem, temperature

from rootcellar.demo import solar, weather
from rootcellar.demo.tables import pv_schema

# kWh per kWp and year. Checked against pvlib's ModelChain (test below) and against the rule of
# thumb of German roofs, 850 to 1050 kWh per kWp.
YIELDS = {(3, 35): 877, (4, 20): 964, (4, 35): 998, (4, 50): 984, (15, 35): 1021}


@pytest.mark.parametrize(("place", "expected"), YIELDS.items())
def test_yield_of_a_year(weather_of, place, expected):
    """The pinned yields of a kWp stand."""
    number, tilt = place
    total = _sum(solar.pv_yield(weather_of(number), tilt))

    assert expected == pytest.approx(total, abs=1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:DatetimeIndex")
@pytest.mark.parametrize("number", [4, 15])
def test_agrees_with_model_chain(weather_of, number):
    """Hour by hour the yield is that of pvlib's own ModelChain, fed by hand."""
    table = weather_of(number)
    expected = _model_chain(table, tilt=35)

    hourly = solar.pv_yield(table, 35)["pv_kw_per_kwp"].to_numpy()
    np.testing.assert_allclose(expected, hourly, atol=0.002)
    assert expected.sum() == pytest.approx(hourly.sum(), rel=1e-3)


def test_performance_ratio(weather_of):
    """A flat kWp makes of a kWh per m² what PVWatts loses nothing else of: about four fifths."""
    table = weather_of(4)
    ratio = _sum(solar.pv_yield(table, 0)) / (table["ghi_w_m2"].to_numpy().sum() / 1000)

    assert 0.75 < ratio < 0.86


def test_schema_and_night(weather_of):
    """The table has the declared schema; nothing is made at night, and never more than 1 kW."""
    table = solar.pv_yield(weather_of(1), 20)

    hourly = table["pv_kw_per_kwp"].to_numpy()
    dark = weather_of(1)["ghi_w_m2"].to_numpy() == 0
    assert pv_schema().equals(table.schema)
    assert 0 == hourly[dark].sum()
    assert 0 <= hourly.min() <= hourly.max() < 1


def _sum(table):
    return table["pv_kw_per_kwp"].to_numpy().sum()


def _model_chain(table, *, tilt):
    station = weather.station_of(table)
    place = location.Location(
        station.latitude_deg, station.longitude_deg, altitude=station.altitude_m
    )
    mount = temperature.TEMPERATURE_MODEL_PARAMETERS["sapm"]["open_rack_glass_polymer"]
    system = pvsystem.PVSystem(
        surface_tilt=tilt,
        surface_azimuth=180,
        albedo=0.25,
        module_parameters={"pdc0": 1.0, "gamma_pdc": -0.004},
        inverter_parameters={"pdc0": 1.0},
        temperature_model_parameters=mount,
        losses_parameters={},
    )
    times = weather.sun_times(table)
    zenith = np.radians(place.get_solarposition(times)["zenith"].to_numpy())
    direct = table["bhi_w_m2"].to_numpy()
    high = zenith < np.radians(88)
    frame = pd.DataFrame(
        {
            "ghi": table["ghi_w_m2"].to_numpy(),
            "dhi": table["dhi_w_m2"].to_numpy(),
            "dni": np.where(high, direct / np.where(high, np.cos(zenith), 1), 0).clip(max=1420),
            "temp_air": table["temp_air_c"].to_numpy(),
            "wind_speed": table["wind_speed_m_s"].to_numpy(),
        },
        index=times,
    )
    chain = modelchain.ModelChain.with_pvwatts(system, place)
    return np.nan_to_num(chain.run_model(frame).results.ac.to_numpy())
