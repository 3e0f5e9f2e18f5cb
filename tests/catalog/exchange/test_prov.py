"""PROV-JSON: read by the package `prov` and compared with the walk."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prov.model import (
    ProvActivity,
    ProvAgent,
    ProvAssociation,
    ProvDerivation,
    ProvDocument,
    ProvEntity,
    ProvGeneration,
    ProvUsage,
)

from rootcellar.catalog.catalog import Catalog
from rootcellar.schemas.errors import CatalogError, NotInCatalog


@pytest.fixture
def chain(catalog, records):
    """Weather is read by two runs, whose outputs make one report."""
    sky = records.version("weather", {"station": 3}, "sky", origin="observed")
    pv = [records.version("pv", {"tilt": tilt}, f"pv {tilt}") for tilt in (10, 30)]
    report = records.version("report", {}, "all")
    for one in pv:
        records.record(catalog, [sky], [one])
    records.record(catalog, pv, [report], task="report")
    return {"sky": sky, "pv": pv, "report": report}


def read_back(provenance):
    """The document as the package reads it."""
    return ProvDocument.deserialize(content=json.dumps(provenance.document), format="json")


def uids(document, kind):
    """Local names of all records of a kind."""
    return {one.identifier.localpart for one in document.get_records(kind)}


def ends(document, kind):
    """What a kind of relation leads from and to."""
    return sorted(
        (one.args[0].localpart, one.args[1].localpart) for one in document.get_records(kind)
    )


def test_the_document_says_what_the_walk_says(catalog, chain):
    """Entities are the versions of the walk, activities their runs, and all relations are there."""
    report = catalog.find(chain["report"].ref)
    walked = {report.uid, *catalog.upstream(report).column("version")}
    document = read_back(catalog.to_prov(report))
    versions = {uid for uid in uids(document, ProvEntity) if not uid.startswith("code")}
    runs = {catalog.find(uid).run for uid in walked} - {None}
    read = {(run.uid, one.version.uid) for run in runs for one in run.inputs}
    made = {(one.version.uid, run.uid) for run in runs for one in run.outputs}

    assert walked == versions
    assert {run.uid for run in runs} == uids(document, ProvActivity)
    assert sorted(read) == ends(document, ProvUsage)
    assert sorted(made) == ends(document, ProvGeneration)
    assert 4 == len(ends(document, ProvDerivation))


def test_roles_hosts_and_codes_stand_in_the_document(catalog, records):
    """A reading has its argument as role; a run has its host as agent and its code as plan."""
    made = records.version("pv", {}, "x")
    start = records.started(host="node-7.grid", pid=12)
    sky = records.version("weather", {}, "sky", origin="observed")
    catalog.finish_run(records.ended(start.uid, [sky], [made]), start)
    document = read_back(catalog.to_prov(made.ref))
    (usage,) = document.get_records(ProvUsage)
    (association,) = document.get_records(ProvAssociation)
    (agent,) = document.get_records(ProvAgent)

    assert [("prov:role", "source")] == [(str(k), v) for k, v in usage.extra_attributes]
    assert agent.identifier == association.args[1]
    assert "node-7.grid" == agent.label
    assert association.args[2].localpart.startswith("code.sha256.")


def test_times_are_those_of_the_run(catalog, chain, records):
    """Start and end come back as the times that were recorded."""
    document = read_back(catalog.to_prov(chain["report"].ref))
    times = {(one.args[0], one.args[1]) for one in document.get_records(ProvActivity)}

    assert {(records.START, records.START + timedelta(seconds=90))} == times


def test_a_limit_is_said_where_it_cut(catalog, chain):
    """The note says so, and the run whose inputs are left out says so."""
    provenance = catalog.to_prov(chain["report"].ref, max_nodes=1)
    (run,) = [
        one for one in provenance.document["activity"].values() if one["prov:label"] == "report"
    ]

    assert "stopped after 1 versions; there are more" == provenance.note
    assert "left out" in run["rootcellar:note"]


def test_a_version_writes_its_own_history(catalog, chain, tmp_path):
    """The file is the document, in place of an earlier one."""
    report = catalog.find(chain["report"].ref)
    path = tmp_path / "report.prov.json"
    path.write_text("old")
    written = report.to_prov(path)

    assert (path, 4, 3, "") == (written.path, written.versions, written.runs, written.note)
    assert catalog.to_prov(report).document == json.loads(path.read_text())
    assert [] == list(tmp_path.glob(".*"))


def test_a_place_that_cannot_be_written_is_named(catalog, chain, tmp_path):
    """The error names the file and leaves nothing behind."""
    with pytest.raises(CatalogError, match=r"'x\.json' cannot be written: No such file"):
        catalog.to_prov(chain["report"].ref).write(tmp_path / "no" / "x.json")


def test_what_is_not_recorded_has_no_history(catalog):
    """As everywhere, it is an error."""
    with pytest.raises(NotInCatalog):
        catalog.to_prov("raw://weather/3")


def test_strange_texts_survive(catalog, records):
    """Hosts, keys and arguments with spaces, quotes, colons and other alphabets are read back."""
    strange = 'grüße "x": <&> / ü%'
    start = records.started(host=strange, arguments={"x": strange})
    made = records.version("pv", {"name": strange}, "x")
    catalog.finish_run(records.ended(start.uid, [], [made]), start)
    document = read_back(catalog.to_prov(made.ref))
    (agent,) = document.get_records(ProvAgent)

    assert strange == agent.label


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sets(st.integers(0, 30), max_size=4), min_size=1, max_size=12))
def test_any_history_is_read_back_as_the_walk_over_the_records(tmp_path_factory, records, reads):
    """Whatever reads whatever came before: the relations are those of a plain walk."""
    url = f"sqlite:///{tmp_path_factory.mktemp('prov')}/catalog.sqlite"
    made, sources = [], {}
    with Catalog(url) as catalog:
        for number, picked in enumerate(reads):
            earlier = [made[one % len(made)] for one in picked if made]
            inputs = {one.ref.version: one for one in earlier}
            output = records.version("v", {"n": number}, f"{number}")
            records.record(catalog, list(inputs.values()), [output])
            sources[output.ref.version] = set(inputs)
            made.append(output)
        document = read_back(catalog.to_prov(made[-1].ref))
    expected, todo = set(), [made[-1].ref.version]
    seen = set(todo)
    while todo:
        uid = todo.pop()
        expected |= {(uid, source) for source in sources[uid]}
        todo += sources[uid] - seen
        seen |= sources[uid]

    assert sorted(expected) == ends(document, ProvDerivation)
