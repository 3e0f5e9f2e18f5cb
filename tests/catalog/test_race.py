"""Races: eight processes that open a catalog which is not there yet, twenty times."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from sqlalchemy import create_engine, text

PROCESSES, ROUNDS = 8, 20

OPEN = """
import json, sys, time
from pathlib import Path
from rootcellar.catalog.catalog import Catalog
urls, folder, name, crowd = json.loads(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
uids = []
for number, url in enumerate(urls):
    (folder / f"{number}-{name}").touch()
    deadline = time.monotonic() + 100
    while len(list(folder.glob(f"{number}-*"))) < int(crowd):
        if time.monotonic() > deadline:
            sys.exit("the others never came")
        time.sleep(0.001)
    with Catalog(url) as catalog:
        assert len(catalog.types()) == 0
        uids.append(catalog.check().uid)
print(json.dumps(uids))
"""


@pytest.fixture
def urls(request, tmp_path, postgres_server):
    """Catalogs that are not there yet, all in one kind of database."""
    if request.param == "sqlite":
        yield [f"sqlite:///{tmp_path}/{number}/catalog.sqlite" for number in range(ROUNDS)]
        return
    names = [f"race_{number}" for number in range(ROUNDS)]
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in names:
            connection.execute(text(f"CREATE SCHEMA {name}"))
    yield [
        postgres_server.update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(
            hide_password=False
        )
        for name in names
    ]
    with engine.connect() as connection:
        for name in names:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.mark.parametrize("urls", ["sqlite", "postgres"], indirect=True)
def test_a_race_to_create_a_catalog_is_won_by_all(urls, tmp_path):
    """Whoever comes first creates it; none fails, and all see the same one, each time."""
    ready = tmp_path / "ready"
    ready.mkdir()
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, json.dumps(urls), str(ready), str(n), str(PROCESSES)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in range(PROCESSES)
    ]  # fmt: skip
    outcomes = [racer.communicate(timeout=150) for racer in racers]

    assert [""] * PROCESSES == [said for _, said in outcomes]
    seen = [json.loads(found) for found, _ in outcomes]
    assert [1] * ROUNDS == [len(set(uids)) for uids in zip(*seen, strict=True)]
    assert ROUNDS == len({uid for uids in seen for uid in uids})
