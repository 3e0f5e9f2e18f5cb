import functools

import pytest

from rootcellar.demo import balance, demand, solar, stations, weather, wind
from rootcellar.demo.town import TILTS_DEG, TURBINES


@functools.cache
def _weather(number):
    return weather.weather(stations.try_file(number))


@functools.cache
def _balance(number):
    table = _weather(number)
    return balance.balance(
        table,
        [solar.pv_yield(table, tilt) for tilt in TILTS_DEG],
        [wind.wind_yield(table, key) for key in TURBINES],
        demand.demand(table),
    )


@pytest.fixture(scope="session")
def weather_of():
    """The weather table of a station by its number, read once."""
    return _weather


@pytest.fixture(scope="session")
def balance_of():
    """The balance of a station by its number, computed once."""
    return _balance
