"""spool: what waits on disk is whole, is lost by no kill, and is entered once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_starts import CODE, ENVIRONMENT, a_start

from rootcellar.run_text import NewerRecord, WaitingRun, read_run, run_text
from rootcellar.schemas.columns import Column, ColumnStatistics
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import CatalogUnavailable
from rootcellar.schemas.record import (
    ErrorRecord,
    InputRecord,
    OutputRecord,
    PhaseSeconds,
    RunEnded,
    RunState,
    VersionRecord,
    new_uid,
)
from rootcellar.schemas.ref import Pin, Ref
from rootcellar.spool import Refused, Replayed, Spool

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def a_version(key=None, **fields):
    ref = Ref(
        type="words", key=key or {"page": 1}, uri="raw://words/1.txt", version=new_uid(),
        kind="file", digest=Digest.of(b"a"), size_bytes=1, pin=Pin(size_bytes=1, etag="e"),
    )  # fmt: skip
    fields = {"origin": "observed", "media_type": "text/plain", "recorded_at": NOW, **fields}
    return VersionRecord(ref=ref, **fields)


def a_run(seconds=0, **fields):
    start = replace(a_start(), started_at=NOW)
    end = RunEnded(
        uid=start.uid,
        **{"state": RunState.SUCCEEDED, "ended_at": NOW + timedelta(seconds=seconds), **fields},
    )
    return WaitingRun(start, end)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "state" / "spool")


texts = st.text(st.characters(exclude_categories=[]), max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
bounds = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
versions = st.builds(
    a_version,
    key=st.dictionaries(texts, st.integers() | texts | st.floats(allow_nan=False), max_size=2),
    media_type=texts,
    members=st.none() | st.integers(0, 9),
    row_count=st.none() | st.integers(0, 2**70),
    schema_fingerprint=st.none() | texts,
    is_learned=st.booleans(),
    columns=st.lists(st.builds(Column, texts, texts, st.booleans()), max_size=2).map(tuple),
    statistics=st.lists(
        st.builds(
            ColumnStatistics,
            name=texts,
            null_count=st.none() | st.integers(0),
            minimum=bounds,
            maximum=bounds,
        ),
        max_size=2,
    ).map(tuple),
)
inputs = st.builds(
    InputRecord, argument=texts, ordinal=st.integers(0, 9), version=st.none() | versions,
    cache=st.sampled_from(["hit", "miss", "streamed", "none"]), seconds=st.floats(0, 9),
)  # fmt: skip
outputs = st.builds(OutputRecord, argument=texts, ordinal=st.integers(0, 9), version=versions)
errors = st.builds(ErrorRecord, phase=texts, error=texts, message=texts, traceback=texts)


@given(
    st.dictionaries(texts, json_values, max_size=3),
    st.lists(inputs, max_size=2),
    st.lists(outputs, max_size=2),
    st.none() | errors,
    st.sampled_from(["both", "start", "end"]),
)
def test_a_document_keeps_the_whole_record(arguments, read, made, error, part):
    """What is read is what was written, to the last character."""
    run = a_run(
        inputs=tuple(read), outputs=tuple(made), error=error, reuse_key="k", reused_run="r",
        phases=PhaseSeconds(stage_in=0.25, body=1.5, stage_out=0.125),
    )  # fmt: skip
    start = replace(run.start, arguments=arguments, code=CODE, environment=ENVIRONMENT)
    run = WaitingRun(start if part != "end" else None, run.end if part != "start" else None)

    assert run == read_run(run_text(run))


@pytest.mark.parametrize(
    "text", [b"", b"7", b"{}", b"[1]", b'{"format": 1}', b'{"format": 1, "start": {}, "end": 3}',
             b'{"format": 1, "environment": null, "start": null, "end": null}', b"\xff"]
)  # fmt: skip
def test_what_is_no_record_is_a_value_error(text):
    """Whatever stands in a file, reading it ends in one kind of error."""
    with pytest.raises(ValueError):  # noqa: PT011  # each says something else
        read_run(text)


def test_a_newer_format_is_not_damage(spool):
    """It stays where it is, for whoever can read it."""
    spool.keep(a_run())
    (path,) = spool.folder.glob("*.json")
    path.write_bytes(path.read_bytes().replace(b'"format": 1', b'"format": 2'))

    with pytest.raises(NewerRecord):
        read_run(path.read_bytes())
    assert Replayed(left=1, problem="a newer rootcellar wrote them") == spool.replay(print)


def test_records_are_entered_in_the_order_of_their_ends_and_once(spool):
    """What was entered is gone; a second replay has nothing to do."""
    runs = [a_run(seconds) for seconds in (3, 1, 2)]
    for run in [*runs, runs[0]]:
        spool.keep(run)
    entered = []
    waited = spool.waiting()
    first, second = spool.replay(entered.append), spool.replay(entered.append)

    assert [runs[1], runs[2], runs[0]] == entered
    assert (Replayed(entered=3), Replayed()) == (first, second)
    assert [run.uid for run in entered] == [one.run for one in waited]
    assert [run.end.ended_at for run in entered] == [one.since for one in waited]


def test_what_is_refused_goes_aside_with_the_reason(spool):
    """One bad record stops none behind it, and none is thrown away."""
    good, bad = a_run(2), a_run(1)
    spool.keep(good)
    spool.keep(bad)
    (spool.folder / "20260101T000000.000000Z-x-end.json").write_text("{half")
    entered = []

    def enter(run):
        if run == bad:
            raise Refused("no such number")
        entered.append(run)

    done = spool.replay(enter)
    reasons = spool.rejected()

    assert Replayed(entered=1, rejected=2) == done
    assert [good] == entered
    assert 2 == len(reasons)
    assert any("no such number" in reason for reason in reasons.values())
    assert bad == read_run((spool.reject_folder / list(reasons)[1]).read_bytes())


def test_a_catalog_that_is_away_leaves_all_that_comes_after(spool):
    """Nothing is rejected because of the catalog."""
    runs = [a_run(seconds) for seconds in range(3)]
    for run in runs:
        spool.keep(run)

    def enter(run):
        if run != runs[0]:
            raise CatalogUnavailable("gone")

    assert Replayed(entered=1, left=2, problem="gone") == spool.replay(enter)
    assert Replayed(entered=2) == spool.replay(lambda _run: None)


def test_one_process_replays_at_a_time(spool):
    """The others leave it to that one."""
    spool.keep(a_run())
    seen = []

    assert 1 == spool.replay(lambda _run: seen.append(spool.replay(print))).entered
    assert [Replayed(left=1, problem="another process enters them")] == seen


def test_the_folder_is_for_this_user_only(spool):
    """Records hold arguments."""
    spool.keep(a_run())

    assert 0o700 == spool.folder.stat().st_mode & 0o777
    assert {0o600} == {path.stat().st_mode & 0o777 for path in spool.folder.glob("*.json")}


def test_a_record_is_synced_before_it_has_its_name(spool, monkeypatch):
    """A host that loses power keeps whole files or none; and the name is synced after."""
    steps = []
    sync, rename = os.fsync, Path.replace

    def synced(file):
        steps.append("folder" if os.path.isdir(f"/proc/self/fd/{file}") else "file")  # noqa: PTH112
        sync(file)

    def renamed(path, target):
        steps.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    spool.keep(a_run())

    assert ["file", "rename", "folder"] == steps


KILLED = """
import os, signal, sys
from pathlib import Path
import test_spool
from rootcellar.spool import Spool
spool = Spool(Path(sys.argv[1]))
if sys.argv[2] == "write":
    spool.keep(test_spool.a_run(1))
    Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    spool.keep(test_spool.a_run(2))
else:
    entered = []
    def enter(run):
        entered.append(run.uid)
        with open(sys.argv[3], "a") as file:
            file.write(run.uid + chr(10))
        if len(entered) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    spool.replay(enter)
"""


def killed(*arguments):
    """Run until it kills itself."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},  # noqa: PTH120
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert -signal.SIGKILL == done.returncode, done.stderr


def test_a_writer_killed_before_its_rename_leaves_no_record(spool):
    """What was kept before is whole; the half file is nobody's, and goes when it is old."""
    killed(spool.folder, "write")
    (half,) = spool.folder.glob(".*.tmp")
    entered = []
    spool.replay(entered.append)
    is_there = half.exists()
    os.utime(half, (0, 0))
    spool.keep(a_run())
    spool.replay(entered.append)

    assert is_there
    assert not half.exists()
    assert 2 == len(entered)


def test_a_replay_killed_in_the_middle_loses_nothing(spool, tmp_path):
    """What it entered and did not remove is entered again; the lock is free."""
    runs = [a_run(seconds) for seconds in range(4)]
    for run in runs:
        spool.keep(run)
    killed(spool.folder, "replay", tmp_path / "entered")
    left = [one.run for one in spool.waiting()]
    entered = []

    assert [run.uid for run in runs[1:]] == left
    assert Replayed(entered=3) == spool.replay(entered.append)
    assert runs[1:] == entered
    assert [run.uid for run in runs[:2]] == (tmp_path / "entered").read_text().split()
