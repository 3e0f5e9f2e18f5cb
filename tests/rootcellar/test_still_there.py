"""Whether versions are still at their URIs, and what a notebook's catalog adds of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from grid_words import Bundle, Words, count_words

from rootcellar import Catalog
from rootcellar.catalog.answers.copies import Standing
from rootcellar.environment import environment
from rootcellar.runtime import current_runtime
from rootcellar.schemas.ref import Pin
from rootcellar.still_there import _compared, examiner


@pytest.fixture
def cat(project):
    """The catalog as a notebook opens it."""
    with Catalog(project.settings.catalog) as opened:
        yield opened


def stored(ref):
    """Where a version is on this disk."""
    address = current_runtime().stores.store_for(ref.uri)
    return address.store.path_of(address.key)


def pushed(tmp_path):
    """A file that was published."""
    source = tmp_path / "source"
    source.write_text("a b c")
    return Words(page=1).push(source)


def test_what_nobody_touched_is_unchanged(cat, tmp_path):
    """Only whoever asks for it looks."""
    ref = pushed(tmp_path)

    assert ("unchanged",) == cat.locations(ref, verify=True).column("found")
    assert (None,) == cat.locations(ref).column("found")


def test_what_somebody_replaced_is_changed(cat, tmp_path):
    """Of the same size, of another, and the older version beside the newer one."""
    ref = pushed(tmp_path)
    file = stored(ref)
    file.unlink()
    file.write_text("x y z")

    assert ("changed",) == cat.locations(ref, verify=True).column("found")
    file.unlink()
    assert ("gone",) == cat.locations(ref, verify=True).column("found")


def test_a_folder_is_there_as_long_as_its_manifest(cat, tmp_path):
    """The manifest makes it a folder."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "a.txt").write_text("one")
    ref = Bundle(page=1).push(folder)

    assert ("unchanged",) == cat.locations(ref, verify=True).column("found")
    (stored(ref) / "_manifest.json").unlink()
    assert ("gone",) == cat.locations(ref, verify=True).column("found")


def test_a_store_that_is_not_there_leaves_it_unknown(cat, tmp_path):
    """Its problem is told, and the other copies are looked at all the same."""
    ref = pushed(tmp_path)
    version = replace(cat.find(ref), uri="no where://x")

    found = examiner(current_runtime().stores)(version)

    assert Standing.UNKNOWN is found.standing
    assert found.problem


@pytest.mark.parametrize(
    ("now", "standing"),
    [
        (Pin(size_bytes=1, etag="a", version_id="v1"), Standing.UNCHANGED),
        (Pin(size_bytes=1, etag="a", version_id="v2"), Standing.CHANGED),
        (Pin(size_bytes=1, etag="a"), Standing.UNCHANGED),
        (Pin(size_bytes=1, etag="b"), Standing.CHANGED),
        (Pin(size_bytes=2, etag="a", version_id="v1"), Standing.CHANGED),
        (Pin(size_bytes=1), Standing.UNKNOWN),
    ],
)
def test_the_strongest_token_both_have_decides(now, standing):
    """A size alone proves nothing."""
    assert standing is _compared(Pin(size_bytes=1, etag="a", version_id="v1"), now).standing


def test_a_recipe_compares_with_this_process(cat, project):
    """Its own Python and packages, unless others are given; equal ones do not differ."""
    project.put(Words(page=1), "a b")
    task = project.app.task(count_words)
    task.apply(kwargs={"text": 1}, throw=True)
    made = cat.versions("count")[0]

    recipe = cat.reproduce(made)
    task.apply(kwargs=recipe.arguments, throw=True)
    first, again = (cat.produced(one).inputs[0].version for one in cat.versions("count"))

    assert first == again
    assert (environment().python, ()) == (recipe.here.python, recipe.packages)
    assert not any("not compared" in caveat for caveat in recipe.caveats)
