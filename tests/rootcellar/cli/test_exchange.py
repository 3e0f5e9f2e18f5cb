"""`export` and `merge` on the command line."""

from __future__ import annotations

import json

import pytest
from prov.model import ProvDocument
from rocrate.rocrate import ROCrate

from rootcellar.catalog.catalog import Catalog


@pytest.fixture
def weather(project, call, tmp_path):
    """One weather file that was pushed."""
    (tmp_path / "w.dat").write_text("sun")
    result = call("push", "weather", "station=3", tmp_path / "w.dat")

    assert 0 == result.exit_code, result.output


def test_prov_is_written_to_a_file(weather, call, tmp_path):
    """And what was written is told."""
    result = call("export", "prov", "weather", "station=3", "--to", tmp_path / "w.json")

    assert f"{tmp_path / 'w.json'}: 1 version and 1 run\n" == result.output
    assert 2 == len(list(ProvDocument.deserialize(tmp_path / "w.json").get_records())) - 3


def test_prov_is_printed_without_a_target(weather, call):
    """As one JSON document."""
    result = call("export", "prov", "weather", "station=3")

    assert 1 == len(json.loads(result.stdout)["entity"])


def test_a_crate_is_a_folder(weather, call, tmp_path):
    """It says so as JSON, too."""
    result = call("export", "crate", "weather", "station=3", "--to", tmp_path / "c", "--json")

    assert {"path": str(tmp_path / "c"), "versions": 1, "runs": 1, "note": ""} == json.loads(
        result.output
    )
    assert 1 == len(ROCrate(tmp_path / "c").data_entities)


def test_catalogs_are_merged_both_ways(weather, call, tmp_path, monkeypatch):
    """By URL, or by a variable that holds it."""
    url = f"sqlite:///{tmp_path}/team.sqlite"
    monkeypatch.setenv("TEAM", url)
    pushed = call("merge", "push", "env:TEAM")
    pulled = call("merge", "pull", url, "--json")
    with Catalog(url) as team:
        found = team.versions("weather").column("uri")

    assert pushed.output.startswith("1 run, 1 version and 4 revisions of types came over;")
    assert {"runs": 0, "known_runs": 1} == {
        name: json.loads(pulled.output)[name] for name in ("runs", "known_runs")
    }
    assert ["raw://weather/03.dat"] == list(found)


def test_wrong_urls_are_refused(weather, call):
    """A variable that is not set, and what is no catalog, are errors with a remedy."""
    unset = call("merge", "push", "env:NO_SUCH_CATALOG")
    wrong = call("merge", "pull", "mysql://x/y")

    assert (1, 1) == (unset.exit_code, wrong.exit_code)
    assert "the variable NO_SUCH_CATALOG is not set" in unset.stderr
    assert "cannot be kept in 'mysql'" in wrong.stderr


def test_a_catalog_that_is_not_there_is_not_pulled_from(weather, call, tmp_path):
    """A misspelt URL is an error, and makes no empty catalog."""
    result = call("merge", "pull", f"sqlite:///{tmp_path}/taem.sqlite")

    assert 1 == result.exit_code
    assert "nothing was ever recorded in the catalog" in result.stderr
    assert [] == list(tmp_path.glob("taem*"))


def test_a_catalog_is_not_merged_with_itself(weather, call, project):
    """Whoever means that has mistaken the URL."""
    result = call("merge", "push", f"sqlite:///{project}/.rootcellar/../.rootcellar/catalog.sqlite")

    assert 1 == result.exit_code
    assert "cannot be merged with itself" in " ".join(result.stderr.split())


def test_a_crate_beside_other_things_is_refused(weather, call, project):
    """The folder is named, also the one that one stands in."""
    result = call("export", "crate", "weather", "station=3", "--to", ".")

    assert f"the folder '{project.name}' holds other things" in " ".join(result.stderr.split())
