"""Attacks on whole runs: what bodies do, and what fails around them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path  # noqa: TC003 (bodies are annotated with it)

import pytest
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

from rootcellar import Artifact, File, Folder, Registry, Text, install, uninstall
from rootcellar.by_hand import pull, staged
from rootcellar.runtime import current_runtime, forget_runtime
from rootcellar.schemas.errors import CatalogUnavailable, ContentError, InputModified
from rootcellar.schemas.handle import OUTPUT

registry = Registry("attacks")


@registry.register(arguments=["report", "next_report"])
class Report(Artifact, uri="out://report/{number}.txt", format=Text()):
    """Text."""

    number: int


@registry.register
class Twin(Artifact, uri="out://twin/{number}.bin", format=File()):
    """Bytes."""

    number: int


@registry.register
class Tree(Artifact, uri="out://tree/{number}", format=Folder(member=File(allow_empty=True))):
    """A folder."""

    number: int


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    forget_runtime()
    yield tmp_path / ".rootcellar"
    forget_runtime()


@pytest.fixture
def app():
    app = Celery("attacks", set_as_current=False)
    install(app, registry)
    yield app
    uninstall(app)


def stored(home):
    top = home / "stores"
    return sorted(p.relative_to(top).as_posix() for p in top.rglob("*") if not p.is_dir())


def states():
    return [str(run.state) for run in current_runtime().catalog.runs()]


@pytest.mark.parametrize("target", ["secret", "fifo", "device", "nothing"])
def test_an_output_that_is_a_link_is_never_read(home, tmp_path, target):
    """Neither its format nor a store follows it, and its content is in no error."""
    (tmp_path / "secret").write_bytes(b"canary-\xff")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "device").symlink_to("/dev/zero")

    with (
        pytest.raises(ContentError, match="symbolic link"),
        staged(registry=registry, report=OUTPUT, number=1) as files,
    ):
        files.report.path.symlink_to(tmp_path / target)

    assert stored(home) == []
    assert states() == ["failed"]


def test_an_output_folder_with_a_link_is_never_read(home):
    """As for files: the link is named, and not followed."""
    with (
        pytest.raises(ContentError, match="symbolic link"),
        staged(registry=registry, tree=OUTPUT, number=1) as files,
    ):
        (files.tree.path / "link").symlink_to("/etc/passwd")

    assert stored(home) == []


def test_one_key_may_be_read_and_written_by_one_run(home, app):
    """Read, modify, write: the input is the version before, and the output the next."""

    @app.task(name="more", shared=False)
    def more(report: str, *, next_report: Path = OUTPUT) -> None:
        next_report.write_text(f"{report}+")

    with staged(registry=registry, report=OUTPUT, number=1) as files:
        files.report.path.write_text("1")
    for _ in range(3):
        more.apply(kwargs={"report": 1}, throw=True)

    assert (home / "stores/out/report/1.txt").read_text() == "1+++"
    assert states() == ["succeeded"] * 4


def test_two_arguments_may_name_one_artifact(home, app):
    """One entry, two links; the body may not tell."""

    @app.task(name="both", shared=False)
    def both(report: Path, next_report: Path, *, twin: Path = OUTPUT) -> None:
        assert report != next_report
        twin.write_bytes(report.read_bytes() + next_report.read_bytes())

    with staged(registry=registry, report=OUTPUT, number=1) as files:
        files.report.path.write_text("1")
    both.apply(kwargs={"report": 1, "next_report": 1}, throw=True)

    assert (home / "stores/out/twin/1.bin").read_bytes() == b"11"


def test_an_input_changed_by_a_body_that_fails_reaches_no_other_run(home, app):
    """The next run gets the bytes that are in the store."""

    @app.task(name="spoil", shared=False)
    def spoil(report: Path) -> None:
        report.chmod(0o644)
        with report.open("r+b") as file:
            file.write(b"BAD")
        raise ValueError("and then it failed")

    with staged(registry=registry, report=OUTPUT, number=1) as files:
        files.report.path.write_text("good")
    with pytest.raises(ValueError, match="failed"):
        spoil.apply(kwargs={"report": 1}, throw=True)

    with staged(registry=registry, report=1) as files:
        assert files.report.path.read_text() == "good"


def test_an_input_changed_by_a_body_that_goes_on_fails_its_run(home, app):
    """It is named, nothing is published, and the next run gets the right bytes."""

    @app.task(name="spoil", shared=False)
    def spoil(report: Path, *, twin: Path = OUTPUT) -> None:
        report.chmod(0o644)
        with report.open("r+b") as file:
            file.write(b"BAD")
        twin.write_bytes(b"x")

    with staged(registry=registry, report=OUTPUT, number=1) as files:
        files.report.path.write_text("good")
    with pytest.raises(InputModified, match="report"):
        spoil.apply(kwargs={"report": 1}, throw=True)

    assert stored(home) == ["out/report/1.txt"]
    with staged(registry=registry, report=1) as files:
        assert files.report.path.read_text() == "good"


def test_a_catalog_that_goes_away_during_the_body_leaves_files_and_a_running_row(
    home, app, monkeypatch
):
    """Where runs fail without it: what was published stands, and the next publishes it again."""
    away = home / "away.sqlite"
    monkeypatch.setenv("ROOTCELLAR_CATALOG_AWAY", "fail")

    @app.task(name="orphan", shared=False)
    def orphan(number: int, *, report: Path = OUTPUT) -> None:
        report.write_text(str(number))
        current_runtime().catalog.dispose()
        (home / "catalog.sqlite").rename(away)
        (home / "catalog.sqlite").mkdir()

    with pytest.raises(CatalogUnavailable):
        orphan.apply(kwargs={"number": 1}, throw=True, retries=99)
    (home / "catalog.sqlite").rmdir()
    away.rename(home / "catalog.sqlite")

    assert stored(home) == ["out/report/1.txt"]
    assert states() == ["running"]
    with staged(registry=registry, report=OUTPUT, number=1) as files:
        files.report.path.write_text("again")
    assert (home / "stores/out/report/1.txt").read_text() == "again"


def test_dead_runs_are_marked_lost_once_the_catalog_answers(home, monkeypatch):
    """A catalog that is away when a worker starts does not keep it from working."""
    dead = subprocess.run(
        [sys.executable, "-c", DIE_IN_BODY], cwd=home.parent, env=os.environ, check=False
    )
    assert dead.returncode == -signal.SIGKILL
    runtime = current_runtime()
    real = runtime.catalog.mark_lost

    def away(*_):
        monkeypatch.setattr(runtime.catalog, "mark_lost", real)
        raise CatalogUnavailable("not now")

    monkeypatch.setattr(runtime.catalog, "mark_lost", away)

    for _ in range(2):
        with staged(registry=registry, report=OUTPUT, number=1) as files:
            files.report.path.write_text("x")

    assert sorted(states()) == ["lost", "succeeded", "succeeded"]


DIE_IN_BODY = """
import os, signal
from rootcellar import Artifact, OUTPUT, Registry, Text, staged

registry = Registry("attacks")

@registry.register
class Report(Artifact, uri="out://report/{number}.txt", format=Text()):
    number: int

with staged(registry=registry, report=OUTPUT, number=1) as files:
    files.report.path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_forked_child_that_raises_does_not_end_the_run(home, app):
    """`os.fork` in a body: only the process that began a run records how it ended."""

    @app.task(name="forks", shared=False)
    def forks(number: int, *, report: Path = OUTPUT) -> None:
        if os.fork() == 0:
            raise SystemExit
        os.wait()
        report.write_text("parent")

    parent = os.getpid()
    try:
        forks.apply(kwargs={"number": 1}, throw=True)
    finally:
        if os.getpid() != parent:
            os._exit(0)

    assert states() == ["succeeded"]
    assert stored(home) == ["out/report/1.txt"]


def test_a_soft_limit_does_not_strike_a_run_that_is_recorded(home, app, monkeypatch):
    """Removing a workdir takes time; a limit that falls in there would fail what succeeded."""
    from rootcellar.staging.workdir.workdir import Workdir

    real = Workdir.close

    @app.task(name="plain", shared=False)
    def plain(number: int, *, report: Path = OUTPUT) -> None:
        report.write_text("x")

    def struck(self):
        if self.path.exists():
            os.kill(os.getpid(), signal.SIGUSR1)
        real(self)

    monkeypatch.setattr(Workdir, "close", struck)
    usual = signal.signal(signal.SIGUSR1, _raise_soft_limit)
    try:
        result = plain.apply(kwargs={"number": 1})
    finally:
        signal.signal(signal.SIGUSR1, usual)

    assert result.state == "SUCCESS"
    assert states() == ["succeeded"]
    (ready,) = (home / "cache/v2/work").iterdir()
    assert list(ready.rglob("*")) == [ready / "out"]


def _raise_soft_limit(*_):
    raise SoftTimeLimitExceeded


def test_a_traceback_names_no_folder_of_this_host(home, app):
    """Not of an editable install either, which Python does not find by its path."""

    @app.task(name="fails", shared=False)
    def fails(number: int, *, report: Path = OUTPUT) -> None:
        raise ValueError(number)

    with pytest.raises(ValueError, match="1"):
        fails.apply(kwargs={"number": 1}, throw=True)

    [run] = current_runtime().catalog.runs()
    assert 'File "' in run.error.traceback
    assert 'File "/' not in run.error.traceback


def test_a_pull_may_have_the_longest_name(home, tmp_path):
    """The temporary name of the copy is no longer than the file's own."""
    with staged(registry=registry, twin=OUTPUT, number=1) as files:
        files.twin.path.write_bytes(b"x" * 10)
    target = tmp_path / ("n" * 255)

    pull(Twin(number=1), target, overwrite=False, kind=Twin)

    assert target.read_bytes() == b"x" * 10


def test_runs_on_a_clock_that_goes_back_are_all_recorded(home, app, monkeypatch):
    """A run may end before it began, and its version before the one it replaces."""
    import rootcellar.attempt as module

    class Backwards(module.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz).replace(year=2001)

    monkeypatch.setattr(module, "datetime", Backwards)
    for number in range(3):
        with staged(registry=registry, report=OUTPUT, number=1) as files:
            files.report.path.write_text(f"text {number}")

    assert states() == ["succeeded"] * 3
    with staged(registry=registry, report=1) as files:
        assert files.report.path.read_text() == "text 2"
