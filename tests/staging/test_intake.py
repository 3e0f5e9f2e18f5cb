"""Bytes that become entries are counted before they are: a limit that strikes never hides any."""

from __future__ import annotations

import errno
import os
import uuid
import warnings
from pathlib import Path

import pytest

from rootcellar.schemas.digest import Digest
from rootcellar.staging import Output, StagingSession
from rootcellar.staging.cache.entries import Entries
from rootcellar.staging.cache.intake import Intake
from rootcellar.staging.host.removal import finish_removals
from rootcellar.staging.workdir.workdir import Workdir

CONTENT = b"x" * 30_000
MOST_STEPS = 500


@pytest.fixture(autouse=True)
def _dropped_files_are_closed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


@pytest.fixture
def strike_within(striking, cache, ledger_and_disk, monkeypatch):
    """Strike at each step of a method of the intake; the ledger may be too high, never too low."""

    def strike_everywhere(method, action):
        real = getattr(Intake, method)
        action()  # makes the folders
        for step in range(1, MOST_STEPS):

            def struck(*arguments, step=step):
                with striking(step):
                    return real(*arguments)

            cache.evictor.evict_to(0)
            cache.evictor.count()
            monkeypatch.setattr(Intake, method, struck)
            try:
                action()
            except striking.error:
                counted, there = ledger_and_disk(cache)
                assert counted >= there, f"too little is counted after step {step}"
            else:
                counted, there = ledger_and_disk(cache)
                assert counted == there
                return
            finally:
                monkeypatch.setattr(Intake, method, real)
        raise AssertionError("it never ended")

    return strike_everywhere


def test_a_download_is_counted_whenever_it_is_struck(cache, put, strike_within):
    """It becomes an entry within one step, and no step is too early for its bytes."""
    wanted = put("a", CONTENT)

    strike_within("_enter", lambda: cache.fetch(*wanted))


def test_a_copy_is_counted_whenever_it_is_struck(cache, tmp_path, strike_within):
    """Of a file that is not in a workdir."""
    (tmp_path / "a").write_bytes(CONTENT)

    strike_within("copy", lambda: cache.add(tmp_path / "a", Digest.of(CONTENT)))


def test_a_link_is_counted_whenever_it_is_struck(cache, strike_within):
    """Of an output, whose space was reserved with that of others."""
    workdir = Workdir(cache, str(uuid.uuid4()))
    pooled = cache.within(workdir.aside)

    def add():
        path = Path(workdir.reserve("out", f"{uuid.uuid4()}"))
        path.write_bytes(CONTENT)
        with pooled.spare(100_000, written=True):
            try:
                pooled.add(path, Digest.of(CONTENT))
            finally:
                path.unlink()

    strike_within("link", add)
    workdir.close()


def test_what_cannot_become_an_entry_is_not_counted(cache, put, monkeypatch, ledger_and_disk):
    """An error of the disk is no interrupt: then nothing is there for sure."""
    wanted = put("a", CONTENT)

    def refuse(*_args):
        raise PermissionError("no")

    with monkeypatch.context() as patch:
        patch.setattr(Entries, "enter", refuse)
        with pytest.raises(OSError, match="cache folder failed"):
            cache.fetch(*wanted)

    assert (0, 0) == ledger_and_disk(cache)


def test_outputs_are_cached_by_a_copy_where_links_are_refused(
    folder_stores, cache, monkeypatch, ledger_and_disk, caplog
):
    """The next task on the host need not download them; and nobody is warned at each run."""

    def refuse(*_args, **_kwargs):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with StagingSession(folder_stores, cache, run_uid="run-1") as session:
        path = session.reserve_output("out", "out")
        path.write_bytes(b"made" * 100)
        session.prepare_output(Output(uri="raw://out", path=path, kind="file"))
        session.publish()
    finish_removals()

    assert [] == [record for record in caplog.records if record.levelname == "WARNING"]
    assert cache.find(Digest.of(b"made" * 100), 400) is not None
    assert (400, 400) == ledger_and_disk(cache)
