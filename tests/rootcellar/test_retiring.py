"""Retention: what it leaves over, what is deleted of that, and what could be made again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery

from rootcellar import (
    OUTPUT,
    Artifact,
    Catalog,
    Folder,
    Registry,
    Retention,
    RetryPolicy,
    Text,
    install,
)
from rootcellar.by_hand import pull
from rootcellar.runtime import current_runtime
from rootcellar.schemas.errors import ArtifactNotFound, DeclarationError, StoreUnavailable
from rootcellar.schemas.record import VersionRecord, new_uid
from rootcellar.staging.stores.folder import FolderStore

registry = Registry("kept")


@registry.register
class Source(Artifact, uri="raw://source/{n}.txt", format=Text()):
    n: int


@registry.register
class Draft(
    Artifact,
    uri="derived://draft/{n}/{version}.txt",
    format=Text(),
    retention=Retention(last=1),
):
    n: int


@registry.register
class Cited(
    Artifact,
    uri="derived://cited/{n}/{version}.txt",
    format=Text(),
    retention=Retention(last=1, used=True),
):
    n: int


@registry.register
class Report(Artifact, uri="derived://report/{n}/{version}.txt", format=Text()):
    n: int


@registry.register
class Pages(
    Artifact, uri="derived://pages/{n}", format=Folder("*.txt"), retention=Retention(last=1)
):
    n: int


@registry.register
class Plain(Artifact, uri="derived://plain/{n}.txt", format=Text(), retention=Retention(last=1)):
    n: int


def draw(source: str, *, draft: Path = OUTPUT) -> None:
    draft.write_text(f"drawn from {source}")


def report(cited: str, *, report: Path = OUTPUT) -> None:
    report.write_text(f"on {cited}")


@pytest.fixture
def cat(rootcellar_settings, rootcellar_catalog):
    """The catalog as a notebook opens it."""
    with Catalog(rootcellar_settings.catalog) as opened:
        yield opened


@pytest.fixture
def app():
    app = Celery("kept", set_as_current=False)
    install(app, registry, policy=RetryPolicy.off())
    return app


@pytest.fixture
def write(tmp_path):
    """Publish texts as versions of one artifact; return their refs."""

    def write(artifact, *texts):
        path = tmp_path / "source.txt"
        refs = []
        for text in texts:
            path.write_text(text)
            refs.append(artifact.push(path))
        return refs

    return write


def is_there(ref):
    address = current_runtime().stores.store_for(ref.uri)
    return address.store.stat(address.key) is not None


def uids(found):
    return {one.uid for one in found}


@pytest.mark.parametrize("rootcellar_store", ["folder", "memory", "s3"], indirect=True)
def test_only_what_the_policy_leaves_over_is_deleted(cat, write, rootcellar_store):
    """The plan deletes nothing; then its versions are gone, and their rows are not."""
    old, new = write(Draft(n=1), "old text", "new text")
    (kept,) = write(Report(n=1), "for ever")
    write(Report(n=1), "and ever")

    plan = cat.retention(registry=registry)

    assert ({old.version}, 8) == (uids(plan), plan.freed_bytes)
    assert is_there(old)

    done = cat.retire(plan)
    (gone,) = cat.deleted("draft")

    assert (1, 8, 0) == (done.deleted, done.freed_bytes, done.failed)
    assert [False, True, True] == [is_there(one) for one in (old, new, kept)]
    assert (old.version, "deleted", False) == (gone.uid, gone.state, gone.is_present)
    assert ("last 1",) == cat.deleted().column("policy")
    assert (8,) == cat.deleted().column("freed_bytes")
    assert 2 == len(cat.versions("draft"))
    assert 0 == len(cat.retention(registry=registry))


def test_what_is_gone_is_a_miss(cat, write):
    """Its ref leads to an error with a remedy; the current one is read as before."""
    old, _ = write(Draft(n=1), "old", "new")
    cat.retire(cat.retention(registry=registry))
    for path in current_runtime().cache.root.rglob("cas/**/*"):
        if path.is_file():
            path.unlink()

    assert "new" == Draft(n=1).load()
    with pytest.raises(ArtifactNotFound):
        pull(old, Path(), overwrite=False, kind=Draft)


@pytest.mark.parametrize("rootcellar_store", ["folder", "s3"], indirect=True)
def test_old_folders_go_with_their_members(cat, tmp_path, rootcellar_store):
    """Their manifests were written over; what lies under the old uid is theirs alone."""
    folder = tmp_path / "pages"
    folder.mkdir()
    for text in ("one", "other"):
        (folder / "a.txt").write_text(text)
        Pages(n=1).push(folder)
    store = current_runtime().stores.named("derived")

    done = cat.retire(cat.retention(registry=registry))

    assert (1, 3) == (done.deleted, done.freed_bytes)
    assert 2 == len(list(store.list("pages/1")))


def test_a_file_that_was_written_over_is_not_there_to_be_deleted(cat, write):
    """Without versions in the store, its place is the newer one's."""
    write(Plain(n=1), "old", "new")

    assert 0 == len(cat.retention(registry=registry))


def test_what_kept_runs_read_is_kept(app, cat, write):
    """As long as something that they made is there."""
    used, unused, current = write(Cited(n=1), "used", "unused", "current")
    task = app.task(report)
    task.apply(kwargs={"cited": used.__json__()}, throw=True)

    plan = cat.retention(registry=registry)

    assert {unused.version} == uids(plan)
    assert {unused.version, used.version} == uids(cat.left_over({"cited": Retention(last=1)}))
    assert {used.version, unused.version, current.version} >= uids(plan)


def test_what_would_read_only_what_goes_goes_too(app, cat, write):
    """A run is kept if one of its outputs is, not because it is recorded."""
    used, _ = write(Cited(n=1), "used", "current")
    task = app.task(report)
    for _ in range(2):
        task.apply(kwargs={"cited": used.__json__()}, throw=True)
    rules = {"cited": Retention(used=True), "report": Retention(days=1)}

    now = cat.left_over(rules)
    later = cat.left_over(rules, now=datetime.now(UTC) + timedelta(days=2))

    assert set() == uids(now)
    assert ["report"] == [one.type for one in later]


def test_the_age_counts(cat, write):
    """Young ones stay, whatever their number; with last=0 the current one goes at last."""
    write(Draft(n=1), "a", "b", "c")
    later = datetime.now(UTC) + timedelta(days=10)
    rule = Retention(last=0, days=7)

    assert 0 == len(cat.left_over({"draft": rule}))
    assert 3 == len(cat.left_over({"draft": rule}, now=later))
    assert 2 == len(cat.left_over({"draft": Retention(days=7)}, now=later))


def test_what_an_alias_stands_for_is_kept(cat, write):
    """Until the alias is taken back."""
    old, _ = write(Draft(n=1), "old", "new")
    cat.alias(old, "published")

    assert 0 == len(cat.retention(registry=registry))
    cat.unalias("published")
    assert 1 == len(cat.retention(registry=registry))


def test_foreign_bytes_are_never_deleted(cat):
    """Nobody could make them again."""
    store = current_runtime().stores.named("raw")
    store.write_small("source/1.txt", b"theirs")
    cat.import_from("raw://source", registry=registry)
    later = datetime.now(UTC) + timedelta(days=10)

    assert 0 == len(cat.left_over({"source": Retention(last=0, days=1)}, now=later))


def test_an_object_that_is_another_version_too_is_kept(cat, write):
    """Whatever the other one is: here a sighting of the same object, as another artifact's."""
    old, _ = write(Draft(n=1), "old", "new")
    assert {old.version} == uids(cat.retention(registry=registry))
    cat.enter_sightings([_sighting(cat.find(old))])

    assert 0 == len(cat.retention(registry=registry))


def _sighting(version):
    ref = version.ref.model_copy(update={"version": new_uid(), "type": "any"})
    return VersionRecord(ref=ref, origin="observed", media_type="", recorded_at=datetime.now(UTC))


def test_it_tells_what_could_be_made_again_from_what(app, cat, write):
    """Before and after; what was made by hand could not."""
    write(Source(n=1), "source")
    task = app.task(draw)
    for _ in range(2):
        task.apply(kwargs={"source": 1}, throw=True)
    write(Draft(n=2), "by hand", "again")

    plan = cat.retention(registry=registry)
    cat.retire(plan)
    told = {row["artifact"]: row for row in cat.deleted().rebuildable()}

    assert (True, False) == (
        told["draft(n=1)"]["is_rebuildable"],
        told["draft(n=2)"]["is_rebuildable"],
    )
    assert ["source(n=1) version 1"] == told["draft(n=1)"]["inputs"]
    assert "it was made by hand" == told["draft(n=2)"]["reason"]
    assert sorted(plan.column("is_rebuildable")) == [False, True]


def test_what_somebody_else_removed_is_recorded_as_missing(cat, write):
    """An event, and no error."""
    old, _ = write(Draft(n=1), "old", "new")
    plan = cat.retention(registry=registry)
    address = current_runtime().stores.store_for(old.uri)
    address.store.discard(address.key)

    done = cat.retire(plan)

    assert ["missing"] == [row["result"] for row in done]
    assert (old.version, "missing") == (cat.deleted()[0].uid, cat.deleted()[0].state)


def test_a_look_that_finds_nothing_is_recorded(cat, write):
    """The artifact is a miss from then on, until it is made again."""
    (ref,) = write(Plain(n=1), "text")
    address = current_runtime().stores.store_for(ref.uri)
    address.store.discard(address.key)

    assert ("gone",) == cat.locations(ref, verify=True).column("found")
    assert [(ref.version, "missing")] == [(one.uid, one.state) for one in cat.deleted()]
    assert 0 == len(cat.heads("plain"))
    write(Plain(n=1), "text")
    assert ["present"] == [one.state for one in cat.heads("plain")]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_in_the_middle_it_can_be_repeated(cat, write, monkeypatch, when):
    """Nothing is marked deleted that is there; nothing that is gone stays unmarked."""
    old, _ = write(Draft(n=1), "old", "new")
    remove = FolderStore.remove

    def killed(self, key, pin):
        if when == "after":
            remove(self, key, pin)
        raise KeyboardInterrupt

    monkeypatch.setattr(FolderStore, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        cat.retire(cat.retention(registry=registry))
    assert 0 == len(cat.deleted())
    assert "present" == cat.find(old).state
    monkeypatch.setattr(FolderStore, "remove", remove)

    cat.retire(cat.retention(registry=registry))

    assert [(old.version, "deleted")] == [(one.uid, one.state) for one in cat.deleted()]
    assert (3,) == cat.deleted().column("freed_bytes")
    assert not is_there(old)


def test_what_the_plan_listed_and_is_wanted_again_is_kept(app, cat, write):
    """The plan is checked once more; what was announced for nothing is taken back."""
    used, _ = write(Cited(n=1), "used", "current")
    plan = cat.retention(registry=registry)
    cat.announce_removals({used.version: "last 1, used"})
    app.task(report).apply(kwargs={"cited": used.__json__()}, throw=True)

    done = cat.retire(plan)

    assert ["kept"] == [row["result"] for row in done]
    assert is_there(used)
    assert 0 == cat.withdraw_removals(())


def test_a_store_that_fails_is_told_and_tried_again(cat, write, monkeypatch):
    """The others go on."""
    write(Draft(n=1), "old", "new")
    write(Draft(n=2), "other", "new")
    remove = FolderStore.remove

    def failing(self, key, pin):
        if "draft/1" in key:
            raise StoreUnavailable("it is away", "", key, "Try again")
        return remove(self, key, pin)

    monkeypatch.setattr(FolderStore, "remove", failing)
    first = cat.retire(cat.retention(registry=registry))
    monkeypatch.setattr(FolderStore, "remove", remove)
    second = cat.retire(cat.retention(registry=registry))

    assert (1, 1, 1, 0) == (first.deleted, first.failed, second.deleted, second.failed)


@pytest.mark.parametrize(
    "rule", [{"last": 0}, {"last": -1}, {"days": -1.0}, {"last": 0, "days": 0}]
)
def test_a_retention_that_keeps_nothing_is_refused(rule):
    """By a slip of the pen everything would go."""
    with pytest.raises(DeclarationError):
        Retention(**rule)


def test_a_retention_is_part_of_the_definition_and_of_no_digest():
    """The catalog shows it; what reuses outputs does not care."""
    assert {"last": 1, "days": None, "used": True} == Cited.definition()["retention"]
    assert "retention" not in Report.definition()
    with pytest.raises(DeclarationError, match="no retention"):

        class Wrong(Artifact, uri="raw://wrong/{n}", format=Text(), retention=3):
            n: int
