import numpy as np
import pytest

from rootcellar.demo import balance, demand, solar, wind
from rootcellar.demo.tables import balance_schema
from rootcellar.demo.town import TOWN
from rootcellar.schemas.errors import ContentError


def test_energy_is_conserved(balance_of):
    """In every hour what is made, stored, drawn and imported adds up."""
    table = balance_of(4).to_pandas()
    change = np.diff(table["stored_mwh"].to_numpy(), prepend=0)

    residual = table["demand_mw"] - table["pv_mw"] - table["wind_mw"]
    assert residual.to_numpy() == pytest.approx(table["residual_mw"].to_numpy())
    gaps = table["residual_mw"].to_numpy() > 0
    given = -change[gaps] + table["imported_mw"].to_numpy()[gaps]
    np.testing.assert_allclose(table["residual_mw"].to_numpy()[gaps], given, atol=1e-9)
    taken = change[~gaps] / TOWN.battery_efficiency
    assert (taken <= -table["residual_mw"].to_numpy()[~gaps] + 1e-9).all()


def test_batteries_by_hand():
    """10 MW too much, then twice 6 too little: 9 MWh are stored, then 3, then 3 MW must come in."""
    levels, imported = balance.stored(np.array([-10.0, 6.0, 6.0]))

    assert [9.0, 3.0, 0.0] == pytest.approx(levels)
    assert [0.0, 0.0, 3.0] == pytest.approx(imported)


def test_batteries_are_limited():
    """They take no more than their power in an hour, hold no more than their size."""
    levels, _ = balance.stored(np.array([-100.0, -100.0, -100.0, -100.0]))

    assert [27.0, 54.0, 60.0, 60.0] == pytest.approx(levels)


def test_capacity_is_spread_over_what_is_given(weather_of):
    """With one tilt and one turbine all capacity is theirs, and the other columns are null."""
    weather = weather_of(4)
    pv = solar.pv_yield(weather, 35)
    table = balance.balance(
        weather, [pv], [wind.wind_yield(weather, "e126")], demand.demand(weather)
    )

    assert balance_schema().equals(table.schema)
    assert table["pv_mw"].to_numpy() == pytest.approx(TOWN.pv_mwp * pv["pv_kw_per_kwp"].to_numpy())
    assert table.num_rows == table["pv_20deg_kw_per_kwp"].null_count


def test_strangers_are_refused(weather_of):
    """Tables of two stations are not balanced with each other."""
    here, there = weather_of(4), weather_of(5)

    with pytest.raises(ContentError, match="column station"):
        balance.balance(
            here,
            [solar.pv_yield(there, 35)],
            [wind.wind_yield(here, "e126")],
            demand.demand(here),
        )
