import subprocess
import sys

import pytest

from rootcellar.demo import stations
from rootcellar.schemas.errors import ContentError, SettingsError


def test_fifteen_files_are_installed():
    """Every climate region has its file in the installed package, and the file says its number."""
    numbers = [
        stations.read_station(stations.try_file(n)).number for n in stations.station_numbers()
    ]

    assert list(range(1, 16)) == numbers


def test_header_is_read():
    """Name, place and altitude come from the header, minutes of arc as fractions of a degree."""
    station = stations.read_station(stations.try_file(13))

    expected = stations.Station(
        number=13,
        name="Mühldorf",
        region="Schwäbisch-fränkisches Stufenland und Alpenvorland",
        wmo=10875,
        latitude_deg=48 + 17 / 60,
        longitude_deg=12.5,
        altitude_m=405.0,
    )
    assert expected == station


def test_other_file_is_refused(tmp_path):
    """A file that does not begin like a test reference year is a ContentError with a remedy."""
    other = tmp_path / "other.dat"
    other.write_text("time,ghi\n1,2\n", encoding="utf-8")

    with pytest.raises(ContentError, match=r"other\.dat.*2010 edition"):
        stations.read_station(other)


def test_missing_package_is_named(monkeypatch):
    """Without demandlib the error says what to install."""
    monkeypatch.setattr(stations, "find_spec", lambda name: None)

    with pytest.raises(SettingsError, match=r"rootcellar\[demo\]"):
        stations.try_file(1)


def test_light_to_import():
    """Naming stations, schemas and drawing the page needs none of the heavy packages."""
    code = (
        "import sys; from rootcellar.demo import page, stations, tables, town;"
        "stations.try_file(1);"
        "print([m for m in ('pandas','numpy','pyarrow','pvlib','demandlib') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]" == run.stdout.strip()
