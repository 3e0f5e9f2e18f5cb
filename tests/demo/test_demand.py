import warnings

import numpy as np
import pandas as pd
import pytest
from demandlib.bdew import ElecSlp, HeatBuilding

from rootcellar.demo import demand
from rootcellar.demo.tables import demand_schema
from rootcellar.demo.town import TOWN

POTSDAM = 4


def test_declared_sums(weather_of):
    """Homes and trade come to the declared year; the parts make up the whole."""
    table = demand.demand(weather_of(POTSDAM)).to_pandas()

    assert demand_schema().names == list(table.columns)
    assert TOWN.household_mwh == pytest.approx(table["household_mw"].sum())
    assert TOWN.trade_mwh == pytest.approx(table["trade_mw"].sum())
    parts = table[["household_mw", "trade_mw", "heat_pump_mw"]].sum(axis=1)
    assert parts.to_numpy() == pytest.approx(table["demand_mw"].to_numpy())


@pytest.mark.parametrize(("kind", "theirs"), [("h0", "h0_dyn"), ("g0", "g0")])
def test_standard_profile_agrees_with_demandlib(weather_of, monkeypatch, kind, theirs):
    """On the legal clock each hour's share is the one that demandlib's own class computes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monkeypatch.setattr(warnings, "simplefilter", lambda *_: None)
        expected = ElecSlp(2010).get_profiles(theirs)[theirs].resample("h").sum()

    begin = pd.DatetimeIndex(weather_of(POTSDAM)["time_utc"].to_pandas())
    clock = begin.tz_convert("Europe/Berlin").tz_localize(None)
    ours = demand.standard_profile(kind, begin)
    once = ~clock.duplicated(keep=False)
    compared = expected[clock[once]].to_numpy() / expected.sum()
    np.testing.assert_allclose(compared, ours[once], rtol=3e-3)


def test_heat_agrees_with_demandlib(weather_of):
    """Hour by hour the heat is the one that demandlib's own class computes."""
    outside_c = weather_of(POTSDAM)["temp_air_c"].to_numpy()
    index = pd.date_range("2010-01-01", periods=8760, freq="h")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = HeatBuilding(
            index,
            temperature=pd.Series(outside_c, index=index),
            shlp_type="EFH",
            building_class=5,
            wind_class=0,
            annual_heat_demand=1,
        ).get_bdew_profile()

    ours = demand.heat_profile(outside_c)
    np.testing.assert_allclose(theirs / theirs.sum(), ours / ours.sum(), rtol=1e-6)


def test_heat_of_a_day_at_8_c():
    """The customer value is the heat of a day at 8 °C: the BDEW curve is about 1 there."""
    year = demand.heat_profile(np.full(8760, 8.0))

    assert 365 == pytest.approx(year.sum(), rel=0.03)


@pytest.mark.parametrize(("outside_c", "expected"), [(7.0, 2.875), (-7.0, 2.34), (40.0, 4.12)])
def test_heat_pump(outside_c, expected):
    """0.85 (6.08 - 0.09 lift + 0.0005 lift²) for 45 °C, worked out by hand; no lift under 15 K."""
    ours = demand.coefficient_of_performance(np.array([outside_c]))

    assert expected == pytest.approx(ours[0], abs=0.006)


def test_colder_places_take_more(weather_of):
    """The Fichtelberg heats more than Mannheim."""
    cold, mild = (
        demand.demand(weather_of(number))["heat_pump_mw"].to_numpy().sum() for number in (11, 12)
    )

    assert 41_894 == pytest.approx(cold, abs=10)
    assert 21_915 == pytest.approx(mild, abs=10)
