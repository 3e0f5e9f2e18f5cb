import numpy as np
import pytest

from rootcellar.demo import atlas, balance, demand, solar, wind
from rootcellar.demo.tables import atlas_schema, monthly_schema


def test_rows(balance_of):
    """One row per station in order, with the figures that the single models give."""
    table = atlas.atlas([balance_of(15), balance_of(4)])

    potsdam, garmisch = table.to_pylist()
    assert atlas_schema().equals(table.schema)
    assert ["Potsdam", "Garmisch-Partenkirchen"] == [potsdam["name"], garmisch["name"]]
    assert 1074.5 == pytest.approx(potsdam["ghi_kwh_m2"], abs=0.1)
    assert (35, 998) == (potsdam["best_tilt_deg"], round(potsdam["pv_kwh_per_kwp"]))
    assert 89 == round(garmisch["e126_full_load_h"])
    assert (63, 75) == (
        round(potsdam["self_sufficiency_pct"]),
        round(potsdam["with_battery_pct"]),
    )


def test_battery_helps_everywhere(balance_of):
    """Batteries never lower self-sufficiency, and no town is wholly on its own."""
    for row in atlas.atlas([balance_of(number) for number in (1, 4, 15)]).to_pylist():
        assert 0 < row["self_sufficiency_pct"] < row["with_battery_pct"] < 100


def test_months_add_up(balance_of):
    """Twelve months make the year, and the sun of June beats that of December."""
    table = atlas.monthly([balance_of(4)])
    year = atlas.atlas([balance_of(4)]).to_pylist()[0]

    assert monthly_schema().equals(table.schema)
    assert list(range(1, 13)) == table["month"].to_pylist()
    for column in ("pv_mwh", "wind_mwh", "demand_mwh"):
        assert year[column] == pytest.approx(table[column].to_numpy().sum())
    assert table["pv_mwh"][5].as_py() > 4 * table["pv_mwh"][11].as_py()


def test_small_atlas(weather_of):
    """A demo of one tilt and one turbine still makes a row; what was not computed is null."""
    weather = weather_of(4)
    part = balance.balance(
        weather,
        [solar.pv_yield(weather, 20)],
        [wind.wind_yield(weather, "e126")],
        demand.demand(weather),
    )

    row = atlas.atlas([part]).to_pylist()[0]
    assert (20, None) == (row["best_tilt_deg"], row["swt142_full_load_h"])


@pytest.mark.parametrize(
    ("states", "expected"), [([], 0), ([0, 0], 0), ([1, 1, 0, 1], 2), ([0, 1, 1, 1], 3)]
)
def test_longest_run(states, expected):
    """The longest stretch counts, at either end too."""
    assert expected == atlas._longest_run(np.array(states, dtype=bool))
