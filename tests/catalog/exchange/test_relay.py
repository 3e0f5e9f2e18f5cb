"""The relay: START and one end event for each run, valid, at least once, whatever stopped it."""

from __future__ import annotations

import builtins
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.serde import Serde
from openlineage.client.transport.noop import NoopConfig, NoopTransport
from referencing import Registry, Resource

from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.exchange import positions, relay
from rootcellar.catalog.exchange.dataset_names import DatasetNames
from rootcellar.catalog.exchange.relay import RelayOptions
from rootcellar.catalog.tables import relay_open
from rootcellar.schemas.errors import SettingsError
from rootcellar.schemas.record import ErrorRecord, PhaseSeconds, RunState, new_uid

ROOT = Path(__file__).parents[3]
SPEC = Path(__file__).parent / "openlineage_spec"
SCHEMAS = [*SPEC.glob("*.json"), ROOT / "docs/reference/openlineage-facets.json"]
CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
ENDS = {"COMPLETE", "FAIL", "ABORT"}
STORES = {"raw": "s3://grid/raw", "derived": "/srv/derived"}


@pytest.fixture(scope="session")
def registry():
    """The official schemas, and ours, by their ids."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS]
    return Registry().with_resources((one["$id"], Resource.from_contents(one)) for one in documents)


class Consumer:
    """Takes events as a transport does: after serializing them."""

    def __init__(self):
        self.events = []
        self.fails = []

    def emit(self, event):
        if self.fails and (error := self.fails.pop(0)):
            raise error
        self.events.append(json.loads(Serde.to_json(event)))

    def of(self, uid):
        """The types of a run's events, in order."""
        return [one["eventType"] for one in self.events if one["run"]["runId"] == uid]


@pytest.fixture
def consumer():
    return Consumer()


@pytest.fixture
def told(catalog, consumer):
    """A relay that begins with the first run."""
    one = catalog.relay(options(consumer))
    one.begin(from_first=True)
    return one


def options(consumer, **fields):
    fields = {"names": DatasetNames(stores=STORES), "version": "1.2.3", **fields}
    return RelayOptions(namespace="celery://grid", client=consumer, **fields)


def drain(one):
    """All steps until nothing is left."""
    while not (step := one.step()).is_done:
        assert not step.problem, step.problem


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


def everything(catalog, records):
    """A run in each state, with all that can be recorded."""
    catalog.declare([records.type_record("weather"), records.type_record("pv")])
    environment = records.ENVIRONMENT.__class__(
        python="3.11.9", platform="linux", packages={"celery": "5.5.0"}
    )
    sky = [
        records.version("weather", {"station": n}, f"sky {n}", origin="observed") for n in (1, 2)
    ]
    made = records.version(
        "pv",
        {"day": "2026-01-01"},
        "rows",
        row_count=3,
        media_type="application/vnd.apache.parquet",
    )
    parent = records.record(catalog, [], [], task="plan")
    uids = {}
    for state in RunState:
        start = records.started(
            task_id="c1", parent_run=parent, arguments={"tilt": 30, "name": "ü"}, retries=1,
            environment=environment,
        )  # fmt: skip
        error = ErrorRecord(phase="body", error="ValueError", message="no", traceback="tb")
        if state is RunState.RUNNING:
            catalog.start_run(start)
        elif state is RunState.LOST:
            catalog.start_run(start)
            catalog.mark_lost([start.uid])
        else:
            end = records.ended(
                start.uid, sky, [made] if state is RunState.SUCCEEDED else [], state=state,
                error=error if state in {RunState.FAILED, RunState.RETRIED} else None,
                reused_run=parent if state is RunState.REUSED else "",
                phases=PhaseSeconds(stage_in=1.5, body=2, stage_out=0.25),
            )  # fmt: skip
            catalog.finish_run(end, start)
        uids[state] = start.uid
    return uids


def test_every_event_is_valid(catalog, records, consumer, told, registry):
    """Core and facet by facet, with formats, for every state; nothing goes unchecked."""
    everything(catalog, records)
    drain(told)
    kinds = set().union(*(check_event(registry, one) for one in consumer.events))

    assert {
        "dataSource", "errorMessage", "executionParameters", "inputStatistics", "jobType",
        "outputStatistics", "parent", "processing_engine", "rootcellar_attempt", "rootcellar_code",
        "rootcellar_staging", "rootcellar_versions", "storage", "subset", "symlinks", "version",
    } == kinds  # fmt: skip


def test_the_checks_are_no_formality(catalog, records, consumer, told, registry):
    """A wrong uuid, a time without zone and a facet without its members are all found."""
    everything(catalog, records)
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


def test_each_run_has_one_start_and_one_end(catalog, records, consumer, told):
    """By its own uid: an attempt that is tried again has failed, one that was lost is aborted."""
    uids = everything(catalog, records)
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


def test_a_run_that_ends_later_is_told_of_later(catalog, records, consumer, told):
    """START when it is seen, the end when that is."""
    start = records.started()
    catalog.start_run(start)
    drain(told)
    first = consumer.of(start.uid)
    drain(told)
    catalog.finish_run(records.ended(start.uid))
    drain(told)
    drain(told)

    assert (["START"], ["START", "COMPLETE"]) == (first, consumer.of(start.uid))


def test_datasets_are_named_by_type_and_place(catalog, records, consumer, told):
    """A fan-in over one type is one dataset of many partitions, each with its exact version."""
    uids = everything(catalog, records)
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


@pytest.mark.parametrize(
    ("template", "uri", "namespace", "name"),
    [
        ("raw://w/{n:02d}.dat", "raw://w/03.dat", "s3://grid", "raw/w"),
        ("raw://{n}.dat", "raw://3.dat", "s3://grid", "raw/weather"),
        ("raw://w/tilt={n}", "raw://w/tilt=3", "s3://grid", "raw/w"),
        ("raw://w/all.dat", "raw://w/all.dat", "s3://grid", "raw/w/all.dat"),
        ("", "raw://w/3", "s3://grid", "raw/weather"),
        ("derived://w/{n}", "derived://w/3", "file://derived", "/w"),
        ("unknown://w/{n}", "unknown://w/3", "file://unknown", "/w"),
        ("s3a://bucket/w/{n}", "s3a://bucket/w/3", "s3://bucket", "w"),
    ],
)
def test_names_follow_the_places(template, uri, namespace, name):
    """As OpenLineage's naming says; a folder of a host is a share of the store's name."""
    found = DatasetNames(stores=STORES).dataset("weather", template, uri)

    assert (namespace, name) == (found.namespace, found.name)


@pytest.mark.parametrize(
    ("url", "namespace", "name"),
    [
        ("s3://b", "s3://b", "w/3"),
        ("gs://b/p", "gs://b", "p/w/3"),
        ("abfs://c@a.dfs.core.windows.net", "abfss://c@a.dfs.core.windows.net", "/w/3"),
        ("memory://x", "inmemory://", "raw/w/3"),
        ("sftp://user@host/data", "file://host", "/data/w/3"),
        ("file:///data", "file://raw", "/w/3"),
    ],
)
def test_each_artifact_may_be_a_dataset(url, namespace, name):
    """The switch names whole objects."""
    names = DatasetNames(stores={"raw": url}, granularity="artifact")
    found = names.dataset("weather", "raw://w/{n}", "raw://w/3")

    assert (namespace, name) == (found.namespace, found.name)


def test_a_large_fan_in_is_cut_and_says_so(catalog, records, consumer, told, monkeypatch):
    """The statistics count all of it."""
    monkeypatch.setattr("rootcellar.catalog.exchange.events._MOST_LISTED", 2)
    many = [records.version("w", {"n": n}, f"{n}", origin="observed") for n in range(5)]
    records.record(catalog, many, [])
    drain(told)
    (read,) = consumer.events[-1]["inputs"]

    assert 3 == read["facets"]["rootcellar_versions"]["leftOut"]
    assert 5 == read["inputFacets"]["inputStatistics"]["fileCount"]
    assert 2 == len(read["inputFacets"]["subset"]["inputCondition"]["partitions"])


def test_a_first_relay_begins_now(catalog, records, consumer):
    """What ran before it is not told, unless asked for; what runs after it ended is."""
    before = records.record(catalog)
    first = catalog.relay(options(consumer))
    first.begin()
    after = records.record(catalog)
    drain(first)
    first.close()
    later = records.record(catalog)
    second = catalog.relay(options(consumer))
    second.begin()
    drain(second)

    assert [] == consumer.of(before)
    assert [["START", "COMPLETE"]] * 2 == [consumer.of(after), consumer.of(later)]


@pytest.mark.parametrize("good", range(6))
def test_what_failed_is_sent_again_and_nothing_is_left_out(catalog, records, consumer, told, good):
    """Wherever it fails, the rest follows, in order, and no event was sent twice."""
    uids = [records.record(catalog) for _ in range(3)]
    consumer.fails = [None] * good + [ConnectionError("away")]
    step = told.step()
    drain(told)

    assert (good, "ConnectionError: away") == (step.sent, step.problem)
    assert [["START", "COMPLETE"]] * 3 == [consumer.of(uid) for uid in uids]


def test_a_crash_before_it_is_remembered_repeats_events(
    catalog, records, consumer, told, monkeypatch
):
    """At least once: the next relay sends the same events, and goes on."""
    uid = records.record(catalog)

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(relay, "settle", crash)
        with pytest.raises(KeyboardInterrupt):
            told.step()
    told.close()
    after = catalog.relay(options(consumer))
    drain(after)

    assert ["START", "COMPLETE"] * 2 == consumer.of(uid)
    assert consumer.events[:2] == consumer.events[2:]


def test_a_refused_event_does_not_stop_the_others(catalog, records, consumer, told, caplog):
    """What a server will never take is logged; what it cannot take now is tried again."""
    import requests

    def answer(status):
        response = requests.Response()
        response.status_code = status
        return requests.HTTPError(f"{status}", response=response)

    uids = [records.record(catalog) for _ in range(2)]
    consumer.fails = [answer(422), None, None, answer(429)]
    first = told.step()
    drain(told)

    assert "HTTPError: 429" == first.problem
    assert [["COMPLETE"], ["START", "COMPLETE"]] == [consumer.of(uid) for uid in uids]
    assert f"the event of run {uids[0]} was refused: 422" in caplog.text


def test_one_relay_of_a_catalog_works(catalog, records, consumer, told, monkeypatch):
    """Another waits, and takes over when the first has ended or was silent for long."""
    told.step()
    records.record(catalog)
    other = catalog.relay(options(consumer))
    while_held = other.step()
    monkeypatch.setattr(positions, "HELD", timedelta(0))
    told._held_until = datetime.now(UTC)
    told.step()
    taken = other.step()

    assert (True, False) == (while_held.is_elsewhere, taken.is_elsewhere)


def test_an_end_alone_waits_for_its_start(catalog, records, consumer, told, monkeypatch):
    """No event without a task; a start that never comes is not waited for without end."""
    start = records.started()
    catalog.finish_run(records.ended(start.uid))
    catalog.finish_run(records.ended(new_uid()))
    drain(told)
    before = consumer.of(start.uid)
    catalog.start_run(start)
    drain(told)
    monkeypatch.setattr(positions, "_PATIENCE", timedelta(0))
    told.step()
    left = catalog._database.read(lambda connection: connection.execute(relay_open.select()).all())

    assert ([], ["START", "COMPLETE"]) == (before, consumer.of(start.uid))
    assert [] == left


def test_a_number_that_was_passed_over_is_told_of_when_it_appears(postgres_url, records, consumer):
    """In Postgres a run may be committed after one with a higher number."""
    with Catalog(postgres_url) as catalog:
        one = catalog.relay(options(consumer))
        one.begin()
        late, start = records.record(catalog), records.started()
        with catalog._database.engine.begin() as slow:
            slow.exec_driver_sql(
                "INSERT INTO run SELECT nextval('run_id_seq') AS id, %(uid)s AS uid, kind, task_id,"
                " celery_task_id, root_id, parent_id, group_id, parent_run, retries, redelivered,"
                " queue, state, arguments, arguments_digest, code_id, environment_id, host, pid,"
                " started_at, ended_at, stage_in_ms, body_ms, stage_out_ms, downloaded_bytes,"
                " uploaded_bytes, reuse_key, reused_run, hits, misses, download_ms"
                " FROM run WHERE uid = %(of)s",
                {"uid": start.uid, "of": late},
            )
            after = records.record(catalog)
            drain(one)
            before = consumer.of(start.uid)
        drain(one)

    assert ["START", "COMPLETE"] == consumer.of(after)
    assert ([], ["START", "COMPLETE"]) == (before, consumer.of(start.uid))


def test_a_followed_relay_waits_longer_after_each_failure(catalog, records, consumer, told):
    """It never gives up, goes on when it can, and sends what it owes before it waits again."""
    uid = records.record(catalog)
    consumer.fails = [ConnectionError("away")] * 3
    waits = []

    def wait(seconds):
        waits.append(seconds)
        return len(waits) == 6

    told.follow(wait)

    assert waits[0] < 2 < waits[2] <= 8
    assert [0.0, relay._LOOK_SECONDS] == waits[3:5]
    assert ["START", "COMPLETE"] == consumer.of(uid)


def test_without_the_extra_the_error_names_it(catalog, monkeypatch, consumer):
    """And the catalog itself needs nothing of it."""
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if "exchange.events" in name or name == "rootcellar.catalog.exchange":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"Install rootcellar\[openlineage\]"):
        catalog.relay(options(consumer))


def test_the_clients_own_configuration_counts(catalog, monkeypatch, tmp_path, records):
    """Without a client one is made as its documentation says; one that loses events is refused."""
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "file")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", str(tmp_path / "events.json"))
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__APPEND", "true")
    one = catalog.relay(options(None))
    one.begin(from_first=True)
    records.record(catalog)
    drain(one)
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "async_http")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", "http://127.0.0.1:1")

    assert 2 == len((tmp_path / "events.json").read_text().splitlines())
    with pytest.raises(SettingsError, match="async_http loses"):
        catalog.relay(options(None))


def test_a_real_client_takes_the_events(catalog, records, told, registry):
    """What it adds of its own is valid as well."""
    sent = []

    class Keeping(NoopTransport):
        kind = "keeping"

        def emit(self, event):
            sent.append(json.loads(Serde.to_json(event)))

    client = OpenLineageClient(transport=Keeping(NoopConfig()))
    one = catalog.relay(options(client))
    one.begin(from_first=True)
    everything(catalog, records)
    drain(one)

    assert "tags" in set().union(*(check_event(registry, event) for event in sent))
