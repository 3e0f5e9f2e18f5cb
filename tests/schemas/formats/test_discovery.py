import importlib
import sys
import textwrap

import pytest

from rootcellar.schemas.errors import DeclarationError
from rootcellar.schemas.formats import Text, discover

MODULE = """
    from rootcellar.schemas.formats import Text

    class Netcdf(Text):
        pass

    class Half:
        def load(self, path, target): ...

    thing = 3
"""


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Install a distribution in a folder on sys.path; give its entry points to the call."""
    (tmp_path / "cellar_netcdf_formats.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)

    def install(entry_points, name="cellar-netcdf"):
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[rootcellar.formats]\n{entry_points}\n")
        importlib.invalidate_caches()

    yield install
    sys.modules.pop("cellar_netcdf_formats", None)


def test_nothing_installed():
    """Without other distributions there are no further formats."""
    assert discover() == {}


def test_formats_of_a_distribution_are_found(distribution):
    """A format is found by its entry point, and imported only when asked for."""
    distribution("netcdf = cellar_netcdf_formats:Netcdf")
    assert "cellar_netcdf_formats" not in sys.modules

    found = discover()

    assert list(found) == ["netcdf"]
    assert issubclass(found["netcdf"], Text)


@pytest.mark.parametrize(
    ("entry_points", "problem"),
    [
        ("csv = cellar_netcdf_formats:Netcdf", "offers a format 'csv', which is built in"),
        ("x = cellar_netcdf_formats:Half", "is no format: it lacks definition, can_load, can_save"),
        ("x = cellar_netcdf_formats:thing", "is no format: it is no class"),
        ("x = cellar_netcdf_formats:Absent", "'x' that cannot be imported"),
        ("x = cellar_absent:Netcdf", "'x' that cannot be imported"),
    ],
)
def test_wrong_entry_points_name_their_distribution(distribution, entry_points, problem):
    """An error says which distribution to upgrade or uninstall."""
    distribution(entry_points)

    with pytest.raises(DeclarationError, match=f"cellar-netcdf.*{problem}"):
        discover()


def test_two_distributions_with_one_name(distribution):
    """A name stands for one format."""
    distribution("netcdf = cellar_netcdf_formats:Netcdf")
    distribution("netcdf = cellar_netcdf_formats:Netcdf", name="cellar-other")

    with pytest.raises(DeclarationError, match="both offer a format 'netcdf'"):
        discover()
