"""What was there before us becomes artifacts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import Celery
from grid_words import Bundle, Count, Words, count_words, registry

from rootcellar import Catalog
from rootcellar.runtime import current_runtime
from rootcellar.schemas.errors import ArtifactNotFound, SettingsError


@pytest.fixture
def cat(rootcellar_settings, rootcellar_catalog):
    """The catalog as a notebook opens it."""
    with Catalog(rootcellar_settings.catalog) as opened:
        yield opened


def put(uri, text="a b"):
    address = current_runtime().stores.store_for(uri)
    return address.store.write_small(address.key, text.encode())


def states(found):
    return {row["uri"]: row["state"] for row in found}


@pytest.mark.parametrize("rootcellar_store", ["folder", "memory", "s3"], indirect=True)
def test_objects_become_observed_versions(cat, rootcellar_store):
    """By the registry's templates; what none renders is told and left."""
    for page in (1, 2):
        put(Words(page=page).uri)
    put("raw://words/notes.txt")

    found = cat.import_from("raw://words/", registry=registry)
    first, second = sorted(cat.versions("words"), key=lambda one: one.key["page"])

    assert (2, 6, 0, 1) == (found.new, found.new_bytes, found.known, found.loose)
    assert "no type" == states(found)["raw://words/notes.txt"]
    assert ("observed", {"page": 1}, 3) == (first.origin, first.key, first.size_bytes)
    assert first.digest.is_unread
    assert first.digest != second.digest


@pytest.mark.parametrize("rootcellar_store", ["folder", "memory", "s3"], indirect=True)
def test_it_is_safe_to_repeat(cat, rootcellar_store):
    """Only what is new, or was replaced, is entered again."""
    put(Words(page=1).uri)
    put(Words(page=2).uri)
    cat.import_from("raw://", registry=registry)
    put(Words(page=2).uri, "longer")

    found = cat.import_from("raw://", registry=registry)

    assert (1, 1) == (found.new, found.known)
    assert 3 == len(cat.versions("words"))
    assert "known" == states(found)[Words(page=1).uri]


@pytest.fixture
def settled(monkeypatch):
    """Nobody looked at a store before what the catalog has of it was published."""
    for one in ("refs", "sighted"):
        monkeypatch.setattr(f"rootcellar.catalog.{one}.SETTLED", timedelta(0))


@pytest.mark.parametrize("rootcellar_store", ["s3"], indirect=True)
def test_an_earlier_state_that_is_back_is_current_again(cat, rootcellar_store, settled):
    """What is there is known, and the catalog's head is it, as its third version."""
    kept = []
    for text in ("one", "other"):
        kept.append(put(Words(page=1).uri, text))
        cat.import_from("raw://words", registry=registry)
    put(Words(page=1).uri, "one")

    planned = cat.import_from("raw://words", registry=registry, dry_run=True)
    before = cat.head("words", {"page": 1}).seq
    found = cat.import_from("raw://words", registry=registry)
    head = cat.head("words", {"page": 1})

    assert (1, 1, 2) == (planned.known, found.known, before)
    assert (3, kept[0].etag) == (head.seq, head.pin.etag)


@pytest.mark.parametrize("rootcellar_store", ["s3"], indirect=True)
def test_a_task_that_reads_an_earlier_state_makes_it_current(
    project, cat, rootcellar_store, settled
):
    """What it makes of that is not stale; the state in between stays in the history."""
    count = project.app.task(count_words)
    for text in ("a b", "a b c", "a b"):
        project.put(Words(page=1), text)
        count.apply(kwargs={"text": 1}, throw=True)

    (read,) = project.last_run().inputs
    history = cat.history(cat.head("words", {"page": 1}))

    assert (3, True) == (read.version.seq, read.version.is_present)
    assert [3, 2, 1] == [one.seq for one in history]
    assert 0 == len(cat.stale())


def test_a_dry_run_enters_nothing(cat):
    """It tells the same."""
    put(Words(page=1).uri)

    found = cat.import_from("raw://words", registry=registry, dry_run=True)

    assert found.is_dry_run
    assert ({Words(page=1).uri: "new"}, 0) == (states(found), len(cat.versions()))


@pytest.mark.parametrize("rootcellar_store", ["folder", "memory", "s3"], indirect=True)
def test_a_foreign_folder_is_one_artifact(cat, rootcellar_store):
    """With the number and the size of its files; it is read as any other."""
    put(f"{Bundle(page=7).uri}/a.txt", "one")
    put(f"{Bundle(page=7).uri}/deep/b.txt", "three")

    found = cat.import_from("derived://bundle/", registry=registry)
    again = cat.import_from("derived://", registry=registry)
    (seen,) = cat.versions("bundle")

    assert (1, 0, 0, 1) == (found.new, found.loose, again.new, again.known)
    assert ("folder", 2, 8) == (seen.kind, seen.members, seen.size_bytes)


def test_what_we_published_is_known(cat, tmp_path):
    """Files and folders with manifests alike."""
    (tmp_path / "a.txt").write_text("one")
    Words(page=3).push(tmp_path / "a.txt")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("one")
    Bundle(page=3).push(folder)

    found = [cat.import_from(f"{one}://", registry=registry) for one in ("raw", "derived")]

    assert [(0, 1, 0), (0, 1, 0)] == [(one.new, one.known, one.loose) for one in found]


def test_a_task_that_reads_it_learns_its_digest(project, cat):
    """The version is the imported one: lineage leads to it."""
    project.put(Words(page=1), "a b c")
    cat.import_from("raw://words", registry=registry)
    (seen,) = cat.versions("words")

    project.app.task(count_words).apply(kwargs={"text": 1}, throw=True)

    (read,) = project.last_run().inputs
    assert seen.uid == read.version.uid
    assert not read.version.digest.is_unread
    assert [seen.uid] == [one.uid for one in cat.upstream(Count(page=1))]


def test_more_than_a_batch_is_entered(cat, monkeypatch):
    """The table is cut, the counts are not."""
    monkeypatch.setattr("rootcellar.sightings._BATCH", 4)
    for page in range(10):
        put(Words(page=page).uri)

    found = cat.import_from("raw://words", registry=registry, limit=5)

    assert (10, 5, "first 5 of 10") == (found.new, len(found), found.note)
    assert 10 == len(cat.versions("words"))


def test_a_single_object_can_be_named(cat):
    """Its own URI serves as well as its folder's."""
    put(Words(page=1).uri)
    put(Words(page=2).uri)

    assert 1 == cat.import_from(Words(page=2).uri, registry=registry).new


def test_nothing_there_and_no_registry_are_told(cat, monkeypatch):
    """Each with a remedy."""
    monkeypatch.setattr("rootcellar.registries.current_app", Celery("bare", set_as_current=False))
    with pytest.raises(ArtifactNotFound, match="nothing is there"):
        cat.import_from("raw://nowhere", registry=registry)
    with pytest.raises(SettingsError, match="registry"):
        cat.import_from("raw://nowhere")
