"""The fifteen German test reference years that ship inside the installed `demandlib`.

The files belong to the German weather service (Deutscher Wetterdienst, DWD) and are read where
they are installed. Nothing here imports demandlib, which would cost the import of pandas.
"""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rootcellar.schemas.errors import ContentError, SettingsError

__all__ = [
    "Station",
    "demandlib_folder",
    "outline_file",
    "read_station",
    "station_numbers",
    "try_file",
]

_HEADER_LINES: Final = 3
_REGION = re.compile(r"^TRY(?P<number>\d\d)\s+(?P<region>.+?)\s*\(Klimaregion")
_NAME = re.compile(r"^Station:\s*(?P<name>.+?)\s*WMO-Nummer:\s*(?P<wmo>\d+)")
_PLACE = re.compile(
    r"^Lage:\s*(?P<lat>\d+)°\s*(?P<lat_min>\d+)'N.*?"
    r"(?P<lon>\d+)°\s*(?P<lon_min>\d+)'O.*?(?P<altitude>\d+) Meter"
)
# The headers write two names without their umlauts.
_SPELLING: Final = {"Muehldorf": "Mühldorf", "Stoetten": "Stötten"}


@dataclass(frozen=True, slots=True)
class Station:
    """Where one test reference year was observed.

    Attributes:
        number: Number of the climate region, 1 to 15.
        name: The representative station.
        region: German name of the climate region.
        wmo: International station number.
        latitude_deg: North, WGS 84, to a minute of arc.
        longitude_deg: East.
        altitude_m: Above sea level.
    """

    number: int
    name: str
    region: str
    wmo: int
    latitude_deg: float
    longitude_deg: float
    altitude_m: float


def station_numbers() -> tuple[int, ...]:
    """The numbers of the climate regions, 1 to 15."""
    return tuple(range(1, 16))


def try_file(number: int) -> Path:
    """The installed file of one climate region's test reference year (mean year, edition 2010).

    Raises:
        SettingsError: demandlib is not installed.
    """
    return _weather_folder() / f"TRY2010_{number:02d}_Jahr.dat"


def outline_file() -> Path:
    """The installed GeoJSON file with the borders of the climate regions.

    Raises:
        SettingsError: demandlib is not installed.
    """
    return _weather_folder() / "TRY_polygons.geojson"


def read_station(path: Path) -> Station:
    """The station that the header of a test reference year names.

    Raises:
        ContentError: The file does not begin like a test reference year.
    """
    with path.open(encoding="utf-8") as file:
        lines = [file.readline() for _ in range(_HEADER_LINES)]
    region, name, place = (
        pattern.match(line) for pattern, line in zip((_REGION, _NAME, _PLACE), lines, strict=True)
    )
    if region is None or name is None or place is None:
        raise ContentError(
            f"{path.name} does not begin like a test reference year",
            remedy="Give a file of the German weather service's 2010 edition",
        )
    return Station(
        number=int(region["number"]),
        name=_SPELLING.get(name["name"], name["name"]),
        region=region["region"],
        wmo=int(name["wmo"]),
        latitude_deg=int(place["lat"]) + int(place["lat_min"]) / 60,
        longitude_deg=int(place["lon"]) + int(place["lon_min"]) / 60,
        altitude_m=float(place["altitude"]),
    )


def demandlib_folder() -> Path:
    """The folder of the installed package demandlib, found without importing it.

    Raises:
        SettingsError: demandlib is not installed.
    """
    # find_spec looks the package up without running it; importlib.resources would import it.
    spec = find_spec("demandlib")
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(
            "The demo reads its data from the package demandlib, which is not installed",
            remedy="Install rootcellar[demo]",
        )
    return Path(spec.submodule_search_locations[0])


def _weather_folder() -> Path:
    return demandlib_folder() / "vdi" / "resources_weather"
