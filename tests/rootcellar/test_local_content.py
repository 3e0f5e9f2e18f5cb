"""Files and folders on this disk, and which versions they are."""

from __future__ import annotations

import builtins
import os
import shutil

import pytest
from grid_words import Words

from rootcellar import Artifact, Catalog, Folder, local_content
from rootcellar.local_content import content_of
from rootcellar.runtime import current_runtime
from rootcellar.schemas.digest import Digest
from rootcellar.schemas.errors import (
    BindingError,
    CatalogUnavailable,
    ContentError,
    SettingsError,
)


class Deep(Artifact, uri="derived://deep/{page}", format=Folder()):
    page: int


@pytest.fixture
def cat(project):
    """The catalog as a notebook opens it."""
    with Catalog(project.settings.catalog) as opened:
        yield opened


@pytest.fixture
def here(tmp_path):
    """A folder of the person who asks."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def folder_of(here, files):
    """A folder with these files."""
    folder = here / "bundle"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_pulled_file_is_known_under_any_name(cat, here):
    """Its content tells, wherever it was copied to."""
    ref = Words(page=1).push(_written(here / "source", "a b c"))
    path = Words(page=1).pull(here).rename(here / "renamed")

    answer = cat.whence(path)

    assert ref.version == answer.version.uid
    assert ("renamed", "exact match by sha256") == (answer.asked.name, answer.certainty)
    assert not cat.whence(_written(here / "other", "a b d"))


def _written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("algorithm", ["sha256", "blake3"])
def test_a_file_is_known_by_either_algorithm(cat, here, algorithm):
    """Whatever made the recorded digest."""
    pytest.importorskip("blake3")
    current_runtime().stores.named("raw").algorithm = algorithm
    ref = Words(page=1).push(_written(here / "source", "a b c"))

    answer = cat.whence(str(here / "source"))

    assert (algorithm, ref.version) == (ref.digest.algorithm, answer.version.uid)
    assert f"exact match by {algorithm}" == answer.certainty


@pytest.mark.parametrize("algorithm", ["sha256", "blake3"])
def test_a_folder_is_known_by_its_manifest(cat, here, algorithm):
    """As a copy of its files, and as it lies in its store; not with a file too many."""
    pytest.importorskip("blake3")
    current_runtime().stores.named("derived").algorithm = algorithm
    folder = folder_of(here, {"sub/b.txt": "two", "sub.txt": "", "a.txt": "one"})
    ref = Deep(page=1).push(folder)
    stored = current_runtime().stores.store_for(ref.uri)
    in_store = stored.store.path_of(stored.key)

    for path in (folder, in_store, in_store / "_manifest.json"):
        answer = cat.whence(path)
        assert ref.version == answer.version.uid
        assert "exact match by manifest" == answer.certainty
    assert "the files beside it were not read" in cat.whence(in_store).asked.note
    (folder / "c.txt").touch()
    assert not cat.whence(folder)


def test_what_no_size_fits_is_not_read(cat, here, monkeypatch):
    """A file of half a terabyte is not hashed for nothing."""
    Words(page=1).push(_written(here / "source", "a b c"))
    monkeypatch.setattr(local_content, "digest_file", lambda *_: pytest.fail("it was read"))

    answer = cat.whence(_written(here / "long", "a b c d"))
    of_folder = cat.whence(folder_of(here, {"a.txt": "one"}))

    assert (False, ()) == (bool(answer), answer.asked.digests)
    assert "no match: nothing recorded has 7 B" == answer.certainty
    assert not of_folder


def test_an_algorithm_that_is_not_installed_is_told(cat, here, monkeypatch):
    """The answer says what was not compared."""
    pytest.importorskip("blake3")
    current_runtime().stores.named("raw").algorithm = "blake3"
    Words(page=1).push(_written(here / "source", "a b c"))
    asked = local_content.digest_file

    def without(path, algorithm):
        if algorithm == "blake3":
            raise SettingsError("not installed")
        return asked(path, algorithm)

    monkeypatch.setattr(local_content, "digest_file", without)

    answer = cat.whence(here / "source")

    expected = "no match: not compared by blake3, whose package is not installed"
    assert expected == answer.certainty


def test_what_is_not_there_is_told_without_its_path(cat, here):
    """The name is enough; neither a pipe nor a foreign manifest is a file of ours."""
    with pytest.raises(BindingError, match="no local file or folder 'nothing'") as caught:
        cat.whence(here / "nothing")
    assert str(here) not in str(caught.value)
    os.mkfifo(here / "pipe")
    with pytest.raises(BindingError, match="neither a file nor a folder"):
        cat.whence(here / "pipe")
    with pytest.raises(ContentError, match="manifest"):
        cat.whence(_written(here / "_manifest.json", "{}"))


def test_what_cannot_be_read_is_told(cat, here, monkeypatch):
    """A disk's error becomes ours, without the path."""
    Words(page=1).push(_written(here / "source", "a b c"))

    def refuse(*_):
        raise builtins.PermissionError(13, "Permission denied")

    monkeypatch.setattr(local_content, "digest_file", refuse)

    with pytest.raises(ContentError, match="'source' cannot be read: Permission denied"):
        cat.whence(here / "source")


def test_a_folder_that_hides_something_is_not_taken_for_less(cat, here, monkeypatch):
    """What cannot be listed may hold files."""

    def walk(path, onerror):
        onerror(PermissionError(13, "Permission denied"))
        yield from ()

    monkeypatch.setattr(local_content.os, "walk", walk)

    with pytest.raises(ContentError, match="cannot be read: Permission denied"):
        cat.whence(folder_of(here, {"a.txt": "one"}))


def test_the_digest_is_that_of_the_bytes(cat, here):
    """What is handed to the catalog alone is complete, too."""
    Words(page=1).push(_written(here / "source", "a b c"))
    found = content_of(here / "source", cat)

    assert ((Digest.of(b"a b c"),), 5) == (found.digests, found.size_bytes)
    assert cat.whence(found)
    shutil.rmtree(here)
    assert cat.whence(found)


def test_a_catalog_that_is_away_is_no_file_that_cannot_be_read(here):
    """Both are operating system errors by class; each is told as what it is."""
    path = here / "mine"
    _written(path, "a b c")
    with Catalog("postgresql://nobody@127.0.0.1:1/none") as away, pytest.raises(CatalogUnavailable):
        away.whence(path)
