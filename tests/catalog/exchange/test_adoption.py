"""What one catalog made and the other took for foreign bytes: one lineage after a merge."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rootcellar.catalog.catalog import Catalog


@pytest.fixture
def laptop(tmp_path):
    """A catalog of its own in a SQLite file."""
    with Catalog(f"sqlite:///{tmp_path}/laptop.sqlite") as laptop:
        yield laptop


@pytest.fixture
def both(laptop, catalog, records):
    """The laptop made a file of weather; the team saw it, and made a report of it."""
    sky = records.version("weather", {}, "sky", origin="observed")
    made = records.version("pv", {}, "rows")
    seen = records.version(
        "pv", {}, "rows", origin="observed", recorded_at=records.START + timedelta(minutes=5)
    )
    report = records.version("report", {}, "all")
    run = records.record(laptop, [sky], [made])
    records.record(catalog, [seen], [report])
    return {"sky": sky.ref.version, "report": report.ref.version, "run": run}


def reaches(catalog, both):
    """Whether the report's history goes back to the weather."""
    return both["sky"] in catalog.upstream(both["report"]).column("version")


def test_a_pushed_run_is_found_as_the_producer(laptop, catalog, both):
    """The other catalog had the sighting first."""
    laptop.push(catalog)

    assert reaches(catalog, both)


def test_a_pulled_sighting_is_of_what_the_run_made(laptop, catalog, both):
    """This catalog had the run first."""
    laptop.pull(catalog)

    assert reaches(laptop, both)


def test_both_ways_in_either_order(laptop, catalog, both, tmp_path):
    """Also through a third catalog, whichever comes first, and again."""
    laptop.push(catalog)
    laptop.pull(catalog)
    with Catalog(f"sqlite:///{tmp_path}/third.sqlite") as third:
        for one in (catalog, laptop, catalog):
            third.pull(one)

            assert reaches(third, both)
    catalog.pull(laptop)

    assert reaches(laptop, both)
    assert reaches(catalog, both)
