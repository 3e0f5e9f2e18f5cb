import numpy as np
import pandas as pd
import pytest
from windpowerlib import ModelChain, WindTurbine

from rootcellar.demo import wind
from rootcellar.demo.tables import wind_schema
from rootcellar.demo.town import TURBINES

# Full-load hours per year, checked against windpowerlib's ModelChain (test below).
FULL_LOAD_H = {
    (1, "e126"): 2938,
    (1, "swt142"): 3717,
    (11, "e126"): 4591,
    (12, "swt142"): 1291,
    (15, "e126"): 89,
}


@pytest.mark.parametrize(("place", "expected"), FULL_LOAD_H.items())
def test_full_load_hours(weather_of, place, expected):
    """The pinned full-load hours stand."""
    number, turbine = place
    total = _hourly(weather_of(number), turbine).sum()

    assert expected == pytest.approx(total, abs=1)


@pytest.mark.filterwarnings("ignore:The inplace keyword", "ignore:.*is deprecated")
def test_agrees_with_model_chain(weather_of):
    """Hour by hour the yield is that of windpowerlib's own ModelChain, less the losses."""
    table = weather_of(11)
    machine = TURBINES["e126"]
    frame = pd.DataFrame(
        {
            ("wind_speed", 10): table["wind_speed_m_s"].to_numpy(),
            ("temperature", 2): table["temp_air_c"].to_numpy() + 273.15,
            ("pressure", 0): table["pressure_hpa"].to_numpy() * 100,
            ("roughness_length", 0): 0.1,
        },
    )
    turbine = WindTurbine(machine.hub_height_m, turbine_type=machine.turbine_type)
    chain = ModelChain(turbine, density_correction=True).run_model(frame)
    expected = 0.88 * chain.power_output.to_numpy() / turbine.nominal_power

    np.testing.assert_allclose(expected, _hourly(table, "e126"), atol=1e-12)


@pytest.mark.parametrize("turbine", sorted(TURBINES))
def test_agrees_with_the_curve_applied_by_hand(weather_of, turbine):
    """Near sea level the density hardly matters: the bare curve comes within two per cent."""
    table, machine = weather_of(1), TURBINES[turbine]
    curve = wind.power_curve(machine.turbine_type)
    at_hub = table["wind_speed_m_s"].to_numpy() * np.log(machine.hub_height_m / 0.1) / np.log(100)
    by_hand = np.interp(at_hub, curve.index, curve.to_numpy(), right=0) / 1000 / machine.rated_kw

    assert 0.88 * by_hand.sum() == pytest.approx(_hourly(table, turbine).sum(), rel=0.02)


@pytest.mark.parametrize("turbine", sorted(TURBINES))
def test_curve_reaches_the_rated_power(turbine):
    """The library's curve tops out at the power and stands at the hub height we declare."""
    machine = TURBINES[turbine]

    assert machine.rated_kw * 1000 == wind.power_curve(machine.turbine_type).max()


def test_schema_and_range(weather_of):
    """The table has the declared schema, and no hour beats the rated power."""
    table = wind.wind_yield(weather_of(11), "swt142")

    hourly = table["wind_kw_per_kw"].to_numpy()
    assert wind_schema().equals(table.schema)
    assert 0 <= hourly.min() <= hourly.max() <= 0.88


def _hourly(table, turbine):
    return wind.wind_yield(table, turbine)["wind_kw_per_kw"].to_numpy()
