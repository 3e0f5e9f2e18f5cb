"""The model town that the atlas puts into every climate, and the equipment it owns.

Fifteen climates are only comparable if all else is equal: the same homes, roofs and turbines stand
at every station, so that every difference in the atlas is a difference of weather.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TILTS_DEG", "TOWN", "TURBINES", "Town", "Turbine"]


@dataclass(frozen=True, slots=True)
class Turbine:
    """A wind turbine of the library that windpowerlib ships.

    Attributes:
        name: Spelling for people.
        turbine_type: Spelling in windpowerlib's library, which the power curve is looked up by.
        hub_height_m: One of the heights at which the maker offers it.
        rated_kw: Nominal power.
    """

    name: str
    turbine_type: str
    hub_height_m: float
    rated_kw: float


@dataclass(frozen=True, slots=True)
class Town:
    """What stands at every station.

    Attributes:
        homes: Households.
        household_mwh: Electricity of all homes in a year, without heating.
        trade_mwh: Electricity of shops, offices and workshops in a year.
        heated_homes: Homes with a heat pump.
        heat_kwh_per_day_at_8_c: Heat that one home takes on a day of 8 °C mean: the customer value
            of the BDEW gas profile, whose curve is 1 at 8 °C. How much a year comes to follows
            from the station's temperatures.
        pv_mwp: Solar modules, facing south, in equal parts on roofs of each tilt in `TILTS_DEG`.
        wind_mw: Wind turbines, in equal parts of each type in `TURBINES`.
        battery_mwh: Usable capacity of all batteries.
        battery_mw: Greatest power into and out of them.
        battery_efficiency: Share of the energy put in that comes out again.
    """

    homes: int
    household_mwh: float
    trade_mwh: float
    heated_homes: int
    heat_kwh_per_day_at_8_c: float
    pv_mwp: float
    wind_mw: float
    battery_mwh: float
    battery_mw: float
    battery_efficiency: float


TILTS_DEG: Final = (20, 35, 50)

# One machine for windy land (332 W per m² of rotor) and one for calm land (199 W per m²), both on
# towers of about the same height.
TURBINES: "Final[Mapping[str, Turbine]]" = MappingProxyType(
    {
        "e126": Turbine("Enercon E-126", "E-126/4200", hub_height_m=135.0, rated_kw=4200.0),
        "swt142": Turbine("Siemens SWT-142", "SWT142/3150", hub_height_m=129.0, rated_kw=3150.0),
    }
)

# 3 MWh per home and half as much again for trade; every second home heated by a heat pump; 4 kWp
# and a battery of 6 kWh per home. Sun and wind together make about as much in a year as an average
# station's town uses: what remains open is only whether they make it at the right time.
TOWN: Final = Town(
    homes=10_000,
    household_mwh=30_000.0,
    trade_mwh=15_000.0,
    heated_homes=5_000,
    heat_kwh_per_day_at_8_c=40.0,
    pv_mwp=40.0,
    wind_mw=15.0,
    battery_mwh=60.0,
    battery_mw=30.0,
    battery_efficiency=0.9,
)
