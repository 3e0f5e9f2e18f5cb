"""The relay: START and one end event for each run, valid, at least once, whatever stopped it."""

from __future__ import annotations

import builtins
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rootcellar.catalog.catalog import Catalog
from rootcellar.catalog.exchange import positions, relay
from rootcellar.catalog.tables import relay_open
from rootcellar.schemas.errors import SettingsError
from rootcellar.schemas.record import new_uid

ROOT = Path(__file__).parents[3]
SPEC = Path(__file__).parent / "openlineage_spec"
SCHEMAS = [*SPEC.glob("*.json"), ROOT / "docs/reference/openlineage-facets.json"]
CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
ENDS = {"COMPLETE", "FAIL", "ABORT"}
STORES = {"raw": "s3://grid/raw", "derived": "/srv/derived"}


def test_a_run_that_ends_later_is_told_of_later(catalog, records, consumer, told, drain):
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


def test_a_first_relay_begins_now(catalog, records, consumer, options, drain):
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
def test_what_failed_is_sent_again_and_nothing_is_left_out(
    catalog, records, consumer, told, good, drain
):
    """Wherever it fails, the rest follows, in order, and no event was sent twice."""
    uids = [records.record(catalog) for _ in range(3)]
    consumer.fails = [None] * good + [ConnectionError("away")]
    step = told.step()
    drain(told)

    assert (good, "ConnectionError: away") == (step.sent, step.problem)
    assert [["START", "COMPLETE"]] * 3 == [consumer.of(uid) for uid in uids]


def test_a_crash_before_it_is_remembered_repeats_events(
    catalog, records, consumer, told, options, drain
):
    """At least once: the next relay sends the same events, and goes on."""
    uid = records.record(catalog)

    def crash(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay, "settle", crash)
        with pytest.raises(KeyboardInterrupt):
            told.step()
    told.close()
    after = catalog.relay(options(consumer))
    drain(after)

    assert ["START", "COMPLETE"] * 2 == consumer.of(uid)
    assert consumer.events[:2] == consumer.events[2:]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(["start", "end", "end alone", "step", "fail"]), max_size=25))
def test_whatever_happens_each_run_is_told_of_once(
    tmp_path_factory, records, consumer, options, drain, acts
):
    """Runs begin and end, starts come late, sending fails: one START, one end, in that order."""
    folder = tmp_path_factory.mktemp("relay")
    consumer.events, going, late, uids = [], [], [], []
    with Catalog(f"sqlite:///{folder}/catalog.sqlite") as catalog:
        one = catalog.relay(options(consumer))
        one.begin(from_first=True)
        for act in acts:
            consumer.fails = [None, OSError("away")] if act == "fail" else []
            start = records.started()
            if act == "start":
                catalog.start_run(start)
                going.append(start)
            elif act == "end" and going:
                catalog.finish_run(records.ended(going.pop(0).uid))
            elif act == "end alone":
                catalog.finish_run(records.ended(start.uid))
                late.append(start)
            elif act in {"step", "fail"}:
                one.step()
            uids += [start.uid] if act in {"start", "end alone"} else []
        consumer.fails = []
        for start in going:
            catalog.finish_run(records.ended(start.uid))
        for start in late:
            catalog.start_run(start)
        drain(one)

    assert [["START", "COMPLETE"]] * len(uids) == [consumer.of(uid) for uid in uids]


def test_a_refused_event_does_not_stop_the_others(catalog, records, consumer, told, caplog, drain):
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


def test_one_relay_of_a_catalog_works(catalog, records, consumer, told, monkeypatch, options):
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


def test_an_end_alone_waits_for_its_start(catalog, records, consumer, told, monkeypatch, drain):
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


def test_a_number_that_was_passed_over_is_told_of_when_it_appears(
    postgres_url, records, consumer, options, drain
):
    """In Postgres a run may be committed after one with a higher number."""
    with Catalog(postgres_url) as catalog:
        one = catalog.relay(options(consumer))
        one.begin()
        late, start = records.record(catalog), records.started()
        with catalog._database.engine.begin() as slow:
            slow.exec_driver_sql(
                "INSERT INTO run SELECT nextval('run_id_seq') AS id, %(uid)s AS uid, kind, task_id,"
                " celery_task_id, root_id, parent_id, group_id, parent_run, retries, redelivered,"
                " queue, state, arguments, code_id, environment_id, host, pid,"
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


def test_without_the_extra_the_error_names_it(catalog, monkeypatch, consumer, options):
    """And the catalog itself needs nothing of it."""
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if "exchange.events" in name or name == "rootcellar.catalog.exchange":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"Install rootcellar\[openlineage\]"):
        catalog.relay(options(consumer))


def test_the_clients_own_configuration_counts(
    catalog, monkeypatch, tmp_path, records, options, drain
):
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


def test_a_client_that_leads_nowhere_is_refused(catalog, monkeypatch, options, tmp_path, caplog):
    """Left to itself it prints events, or drops them, and they would count as sent."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
        monkeypatch.delenv(name)
    with pytest.raises(SettingsError, match="no OpenLineage server is configured"):
        catalog.relay(options(None))
    assert [] == caplog.messages  # the client would say that it prints events
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "console")
    catalog.relay(options(None))
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    with pytest.raises(SettingsError, match="client is disabled"):
        catalog.relay(options(None))
