"""Events: valid core and facet by facet, one START and one end for each run, and well named."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.serde import Serde
from openlineage.client.transport.noop import NoopConfig, NoopTransport
from referencing import Registry, Resource

from rootcellar.catalog.exchange.facets import source_location
from rootcellar.schemas.columns import Column
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.record import RunState

ROOT = Path(__file__).parents[3]
SPEC = Path(__file__).parent / "openlineage_spec"
SCHEMAS = [*SPEC.glob("*.json"), ROOT / "docs/reference/openlineage-facets.json"]
CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"


@pytest.fixture(scope="session")
def registry():
    """The official schemas, and ours, by their ids."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS]
    return Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in documents)


def check(registry, schema, value, where):
    """Hold a value to a schema by its id, formats too."""
    validator = jsonschema.Draft202012Validator(
        {"$ref": schema}, registry=registry, format_checker=jsonschema.FormatChecker()
    )
    found = [
        f"{where}: {error.json_path}: {error.message}" for error in validator.iter_errors(value)
    ]

    assert [] == found


def check_event(registry, event):
    """Hold an event to the core schema, then each facet to its own; the core takes any facet."""
    check(registry, f"{CORE}#/$defs/RunEvent", event, "event")
    holders = [event["run"].get("facets"), event["job"].get("facets")]
    for dataset in (*event.get("inputs", ()), *event.get("outputs", ())):
        holders += [dataset.get(name) for name in ("facets", "inputFacets", "outputFacets")]
    facets = [item for holder in holders if holder for item in holder.items()]
    for name, facet in facets:
        check(registry, facet["_schemaURL"], facet, name)
    return {name for name, _ in facets}


def test_every_event_is_valid(consumer, told, registry, drain, everything):
    """Core and facet by facet, with formats, for every state; nothing goes unchecked."""
    everything()
    drain(told)
    kinds = set().union(*(check_event(registry, one) for one in consumer.events))

    assert {
        "dataSource", "errorMessage", "executionParameters", "inputStatistics", "jobType",
        "outputStatistics", "parent", "processing_engine", "rootcellar_attempt", "rootcellar_code",
        "rootcellar_staging", "rootcellar_versions", "schema", "sourceCodeLocation", "storage",
        "subset", "symlinks", "version",
    } == kinds  # fmt: skip


def test_the_checks_are_no_formality(consumer, told, registry, drain, everything):
    """A wrong uuid, a time without zone and a facet without its members are all found."""
    everything()
    drain(told)
    event = json.dumps(next(one for one in consumer.events if one.get("outputs")))
    wrong = [
        event.replace(json.loads(event)["run"]["runId"], "no-uuid"),
        event.replace(json.loads(event)["eventTime"], "2026-05-01 12:00"),
        event.replace('"attempt": 2', '"tempt": 2'),
        event.replace('"processingType"', '"x"'),
    ]

    for one in wrong:
        assert one != event
        with pytest.raises(AssertionError):
            check_event(registry, json.loads(one))


def test_each_run_has_one_start_and_one_end(consumer, told, drain, everything):
    """By its own uid: an attempt that is tried again has failed, one that was lost is aborted."""
    uids = everything()
    drain(told)
    drain(told)

    assert {
        RunState.RUNNING: ["START"],
        RunState.SUCCEEDED: ["START", "COMPLETE"],
        RunState.REUSED: ["START", "COMPLETE"],
        RunState.SKIPPED: ["START", "COMPLETE"],
        RunState.FAILED: ["START", "FAIL"],
        RunState.RETRIED: ["START", "FAIL"],
        RunState.LOST: ["START", "ABORT"],
    } == {state: consumer.of(uid) for state, uid in uids.items()}


def test_datasets_are_named_by_type_and_place(catalog, consumer, told, drain, everything):
    """A fan-in over one type is one dataset of many partitions, each with its exact version."""
    uids = everything()
    drain(told)
    event = next(
        one for one in consumer.events
        if one["eventType"] == "COMPLETE" and one["run"]["runId"] == uids[RunState.SUCCEEDED]
    )  # fmt: skip
    (read,), (made,) = event["inputs"], event["outputs"]
    subset = read["inputFacets"]["subset"]["inputCondition"]["partitions"]

    assert ("s3://grid", "raw/weather") == (read["namespace"], read["name"])
    assert [{"station": 1}, {"station": 2}] == [one["dimensions"] for one in subset]
    assert ["raw/weather/station=1", "raw/weather/station=2"] == [
        one["name"] for one in read["facets"]["symlinks"]["identifiers"]
    ]
    assert {one["identifier"] for one in subset} == {
        one["uid"] for one in read["facets"]["rootcellar_versions"]["versions"]
    }
    assert (
        made["facets"]["version"]["datasetVersion"] == catalog.find("raw://pv/day=2026-01-01").uid
    )
    assert (3, 4, 1) == tuple(
        made["outputFacets"]["outputStatistics"][name] for name in ("rowCount", "size", "fileCount")
    )


def test_a_large_fan_in_is_cut_and_says_so(catalog, records, consumer, told, monkeypatch, drain):
    """The statistics count all of it."""
    monkeypatch.setattr("rootcellar.catalog.exchange.events._MOST_LISTED", 2)
    many = [records.version("w", {"n": n}, f"{n}", origin="observed") for n in range(5)]
    records.record(catalog, many, [])
    drain(told)
    (read,) = consumer.events[-1]["inputs"]

    assert 3 == read["facets"]["rootcellar_versions"]["leftOut"]
    assert 5 == read["inputFacets"]["inputStatistics"]["fileCount"]
    assert 2 == len(read["inputFacets"]["subset"]["inputCondition"]["partitions"])


def test_a_long_argument_is_cut_and_says_so(catalog, records, consumer, told, drain):
    """An event stays small, whatever a task was called with."""
    start = records.started(arguments={"text": "x" * 1_000_000})
    catalog.finish_run(records.ended(start.uid), start)
    drain(told)
    (given,) = consumer.events[0]["run"]["facets"]["executionParameters"]["parameters"]

    assert given["value"].endswith("xxx… and 990000 characters more")


def test_a_real_client_takes_the_events(catalog, registry, options, drain, everything):
    """What it adds of its own is valid as well."""
    sent = []

    class Keeping(NoopTransport):
        kind = "keeping"

        def emit(self, event):
            sent.append(json.loads(Serde.to_json(event)))

    client = OpenLineageClient(transport=Keeping(NoopConfig()))
    one = catalog.relay(options(client))
    one.begin(from_first=True)
    everything()
    drain(one)

    assert "tags" in set().union(*(check_event(registry, event) for event in sent))


def test_a_job_says_where_its_code_is(consumer, told, drain, everything):
    """Repository, commit and the page of that commit; nothing where the repository is unknown."""
    uids = everything()
    drain(told)
    jobs = {one["run"]["runId"]: one["job"]["facets"] for one in consumer.events}
    (parent,) = jobs.keys() - set(uids.values())
    place = jobs[uids[RunState.SUCCEEDED]]["sourceCodeLocation"]
    commit = "c0ffee" * 6 + "c0de"

    assert (
        "git", commit, "https://github.com/grid/plant",
        f"https://github.com/grid/plant/tree/{commit}",
    ) == tuple(place[name] for name in ("type", "version", "repoUrl", "url"))  # fmt: skip
    assert "sourceCodeLocation" not in jobs[parent]


@pytest.mark.parametrize(
    ("repository", "page"),
    [
        ("https://gitlab.com/grid/plant", "https://gitlab.com/grid/plant/-/tree/abc"),
        ("https://git.grid.example/plant", "https://git.grid.example/plant"),
    ],
)
def test_the_page_of_a_commit_is_where_its_host_has_it(repository, page):
    """Of hosts that are not known, the repository is named."""
    assert page == source_location("abc", repository, "urn:x").url


def test_a_table_comes_with_its_columns(consumer, told, drain, everything):
    """Names, types with nullability, and positions from 1; not of datasets that are no tables."""
    uids = everything()
    drain(told)
    event = next(
        one for one in consumer.events
        if one["eventType"] == "COMPLETE" and one["run"]["runId"] == uids[RunState.SUCCEEDED]
    )  # fmt: skip
    (read,), (made,) = event["inputs"], event["outputs"]

    assert [("hour", "int32 not null", 1), ("mw", "double", 2)] == [
        (one["name"], one["type"], one["ordinal_position"])
        for one in made["facets"]["schema"]["fields"]
    ]
    assert "schema" not in read["facets"]


def test_members_with_other_columns_have_no_common_schema(catalog, records, consumer, told, drain):
    """What is not true of all versions is not said of the dataset."""
    tables = [
        records.version(
            "w", {"n": n}, f"{n}", schema_fingerprint=Digest.of(kind.encode()),
            columns=(Column("a", kind),),
        )
        for n, kind in enumerate(("int64", "double"))
    ]  # fmt: skip
    records.record(catalog, [], tables)
    drain(told)

    assert "schema" not in consumer.events[-1]["outputs"][0]["facets"]
